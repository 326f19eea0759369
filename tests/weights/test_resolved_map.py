"""What a lock says of weights: the map as one model needs it, which has no params and is of one variant alone."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

import stackc
from stackc.artifact.lock import write_lock
from stackc.frontend import Checked, Overrides, check_source
from stackc.spec.source import Source

SPEC = """\
stackc: 1
name: variants
params: {gated: true, dim: 4}
inputs: {x: {shape: [batch, dim]}}
graph: x --> m[mlp] --> y[linear]
nodes: {m: {hidden: 8, gated: gated}, y: {out: 2}}
weights:
  map:
    m.gate.*: wi_0.*
    m.up.*: wi_1.*
    y.*: [head.*, classifier.*]
"""


LISTS = """\
stackc: 1
name: lists
params: {kernels: [1, 3], steps: [[2], [4, 5]], kind: wide, dim: 4}
inputs: {x: {shape: [batch, dim, 8]}}
graph: x --> s[stack] --> y[linear]
nodes:
  s: {of: fields, repeat: 2}
  y: {out: dim}
blocks:
  fields: {inputs: [x], graph: "x --> c[stack]", nodes: {c: {of: {op: linear, out: 8}, repeat: len(kernels)}}}
weights:
  map:
"""
PAIRS = [(i, j) for i in range(2) for j in range(2)]


def checked(text: str = SPEC, **params: str) -> Checked:
    return check_source(Source("spec.yaml", text), Overrides(params))


def locked_map(model: Checked) -> dict[str, object]:
    names: dict[str, object] = yaml.safe_load(write_lock(model))["weights"]["map"]
    return names


def test_a_lock_leaves_out_entries_of_other_variants(tmp_path: Path) -> None:
    """As for `--set gated=false`, and for specs that say under `huggingface` what they implement."""
    whole = {"m.gate.*": "wi_0.*", "m.up.*": "wi_1.*", "y.*": ["head.*", "classifier.*"]}
    assert locked_map(checked()) == whole
    plain = checked(gated="false")
    del whole["m.gate.*"]
    assert locked_map(plain) == whole
    again = check_source(Source("spec.lock.yaml", write_lock(plain)))
    assert write_lock(again) == write_lock(plain)

    spec = tmp_path / "spec.yaml"
    spec.write_text(SPEC.replace("gated: true", "gated: false") + "huggingface: {model_type: t5}\n", encoding="utf-8")
    (tmp_path / "spec.lock.yaml").write_text(write_lock(plain), encoding="utf-8")
    assert not stackc.diff(spec, tmp_path).changes
    assert not stackc.diff(tmp_path, spec).changes


def test_a_lock_without_entries_has_no_map() -> None:
    text = SPEC.replace("    m.up.*: wi_1.*\n    y.*: [head.*, classifier.*]\n", "  ignore: [wi_0]\n")
    assert yaml.safe_load(write_lock(checked(text, gated="false")))["weights"] == {"ignore": ["wi_0"]}


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ("s.{i}.c.{j}.*: 'b.{len(kernels)*i + j}.*'", {f"s.{i}.c.{j}.*": f"b.{{{2 * i + j}}}.*" for i, j in PAIRS}),
        ("s.0.c.{j}.*: 'b.{kernels[j]}.{dim + j}.*'", {"s.0.c.0.*": "b.{1}.{4}.*", "s.0.c.1.*": "b.{3}.{5}.*"}),
        ("s.{i}.c.0.weight: 'a[i, 0:steps[i][-1] + dim]'",
         {"s.0.c.0.weight": "a[0, 0:6]", "s.1.c.0.weight": "a[1, 0:9]"}),
        ("y.weight: 'a[0:kernels[1], 1/2]'", {"y.weight": "a[0:3, 1/2]"}),
        ("y.weight: ['{kind}.b', 'b[(1 if kind == ''wide'' else 2):, dim]']", {"y.weight": ["wide.b", "b[1:, 4]"]}),
        ("s.{i}.c.0.weight: '{kind}.{i}[dim]'", {"s.{i}.c.0.weight": "wide.{i}[(4)]"}),
        ("s.{dim}.c.0.weight: '{kind}.{dim}'", {"s.{dim}.c.0.weight": "wide.{dim}"}),
    ],
)  # fmt: skip
def test_a_lock_has_values_in_place_of_lists_and_texts(entry: str, expected: dict[str, object]) -> None:
    model = checked(f"{LISTS}    {entry}\n")
    assert locked_map(model) == expected
    again = check_source(Source("spec.lock.yaml", write_lock(model)))
    assert write_lock(again) == write_lock(model)
