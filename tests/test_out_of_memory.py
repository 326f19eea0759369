"""Models that no machine can hold are reported as E504, whichever library fails first."""

from __future__ import annotations

from pathlib import Path

import pytest

from stackc.core.diagnostics import SpecError
from stackc.pipeline import Options, build

SPEC = """\
stackc: 1
name: large
dims: {{n: {{min: {least}}}}}
inputs: {{x: {{shape: [n, {features}]}}}}
graph: x --> y[linear]
nodes: {{y: {{out: {out}}}}}
"""

# PyTorch's allocator, its arithmetic of sizes, and NumPy's allocator
CASES = [
    (1, 4, 10**14, "it has 500,000,000,000,000 parameters; the smallest sizes of the dims are n=1"),
    (1, 2**31, 2**31, "it has 4,611,686,020,574,871,552 parameters; the smallest sizes of the dims are n=1"),
    (10**14, 4, 4, "it has 20 parameters; the smallest sizes of the dims are n=100000000000000"),
]


@pytest.mark.parametrize(("least", "features", "out", "reason"), CASES)
def test_a_model_that_fits_nowhere(least: int, features: int, out: int, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "large.yaml"
    path.write_text(SPEC.format(least=least, features=features, out=out), encoding="utf-8")
    with pytest.raises(SpecError) as caught:
        build(path, Options(out=tmp_path / "exported"), lambda stage, summary: None)
    (diagnostic,) = caught.value.diagnostics
    assert (diagnostic.code, diagnostic.message) == ("E504", f"the model does not fit in memory: {reason}")
    assert not list((tmp_path / "exported").glob("*"))
