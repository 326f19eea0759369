"""Step functions: the values of ONNX's operators, and a proof in which their jumps are choices."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx.reference import ReferenceEvaluator

import stackc
from stackc.components import REGISTRY
from stackc.core.diagnostics import SpecError
from stackc.core.types import Dim, TensorType
from stackc.frontend import check_source
from stackc.pipeline import Options
from stackc.proof.sections import choosing_calls
from stackc.spec.source import Source

X = TensorType("float32", (Dim.symbol("n"),))
NUMBERS = np.array([-2.5, -1.5, -0.5, -0.0, 0.0, 0.4999, 0.5, 1.5, 2.5, 3.0, 1e9, -1e9], np.float32)
SPEC = """\
stackc: 1
name: levels
dims: {batch: {max: 4}}
inputs: {x: {shape: [batch, 6]}}
graph: x --> scores[linear] --> levels[round] --> clamp --> index[cast] --> table[embedding]
nodes:
  scores: {out: 5}
  clamp: {min: 0, max: 3}
  index: {dtype: int64}
  table: {vocab: 4, dim: 2}
outputs: {y: table, levels: levels}
"""


@pytest.mark.parametrize("op", ["floor", "ceil", "round", "sign"])
def test_values_are_those_of_onnx(op: str) -> None:
    node = onnx.helper.make_node(op.capitalize(), ["x"], ["y"])
    (expected,) = ReferenceEvaluator(node).run(None, {"x": NUMBERS})
    computed = REGISTRY[op]().module(X)(torch.from_numpy(NUMBERS))
    np.testing.assert_array_equal(computed.numpy(), expected)


def test_a_step_is_a_choice() -> None:
    program = check_source(Source("levels.yaml", SPEC)).program
    assert [call.path for call in choosing_calls(program)] == ["levels", "index"]


@pytest.mark.slow
def test_what_follows_a_step_is_proven_on_the_step_of_the_reference(tmp_path: Path) -> None:
    path = tmp_path / "levels.yaml"
    path.write_text(SPEC)
    built = stackc.build(path, Options(out=tmp_path, measure=False))
    assert built.parity is not None
    assert not built.parity.failures
    assert {row.output for row in built.parity.rows} >= {"y", "levels"}
    assert {row.path for row in built.parity.components} >= {"levels", "index"}


def test_a_step_inside_of_a_scan_is_refused() -> None:
    text = """\
stackc: 1
inputs: {x: {shape: [batch, seq, 4]}, s: {shape: [batch, 4]}}
graph: |
  x --> over[scan]
  s -->|s| over
nodes: {over: {of: cell}}
blocks:
  cell: {inputs: [x, s], graph: "x --> total[add] --> round; s --> total", outputs: {y: total, s: round}}
"""
    with pytest.raises(SpecError) as raised:
        check_source(Source("scan.yaml", text))
    assert "chooses by its inputs" in raised.value.diagnostics[0].message
