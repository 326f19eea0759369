"""Names of outputs, and of reparametrized parameters without their reparametrization."""

from __future__ import annotations

import pytest

from stackc.core.diagnostics import SpecError
from stackc.core.name_patterns import plain_name
from stackc.frontend import check_source
from stackc.spec.source import Source


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("y.weight", "y.weight"),
        ("y.parametrizations.weight.original", "y.weight"),
        ("y.parametrizations.weight.original0", "y.weight"),
        ("encoder.3.attn.parametrizations.q.original1", "encoder.3.attn.q"),
        ("y.parametrizations.weight.0.running_mean", "y.parametrizations.weight.0.running_mean"),
    ],
)
def test_plain_names(name: str, expected: str) -> None:
    assert plain_name(name) == expected


@pytest.mark.parametrize("reparam", ["standardize", "weight_norm"])  # of one original, and of two
def test_error_output_with_the_name_of_a_reparametrized_parameter(reparam: str) -> None:
    text = f"""\
stackc: 1
inputs: {{x: {{shape: [batch, 8]}}}}
graph: x --> y[linear]
nodes: {{y: {{out: 8, reparam: {{weight: {reparam}}}}}}}
outputs: {{y.weight: y}}
"""
    with pytest.raises(SpecError, match=r"S008.*'y.weight' is the name of a parameter and of an output"):
        check_source(Source("s.yaml", text))
