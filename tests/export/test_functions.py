"""Blocks as ONNX local functions: the same model as the flat one, node by node, and the drawing's own hierarchy."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from stackc.artifact.verify import verify
from stackc.export.functions import unfold_functions
from stackc.frontend import Overrides
from stackc.pipeline import Built, Options, build

SPECS = Path(__file__).parents[2] / "specs"
SMALL = {"vocab": "97", "dim": "32", "layers": "2", "heads": "4"}
SHARED = """\
stackc: 1
name: shared
dims: {batch: {max: 4}}
inputs: {x: {shape: [batch, 6]}}
graph: |
  x --> tower[stack] --> first[wide] --> again[wide] --> last[wide]
  tower --> passed[idle] --> sum[add]
  last --> sum
nodes:
  tower: {of: wide, repeat: 3, share: true}
  again: {same_as: first}
blocks:
  wide:
    inputs: [x]
    graph: |
      x --> up[linear] --> gelu --> down[linear] --> add
      x --> add
    nodes: {up: {out: 9}, down: {out: 6}}
  idle: {inputs: [x], graph: x --> identity}
outputs: {sum: sum, second: tower.1}
"""


def both(spec: Path, overrides: Overrides, folder: Path, opset: int) -> tuple[Built, Built]:
    """Build the spec flat, and with functions and their proof."""
    flat = Options(overrides, out=folder / "flat", opset=opset, verify=False)
    folded = Options(overrides, out=folder / "folded", opset=opset, functions=True, per_component=True, measure=False)
    return build(spec, flat), build(spec, folded)


def loaded(built: Built) -> onnx.ModelProto:
    return onnx.load(built.folder / "model.onnx")


def run(path: Path) -> list[np.ndarray]:
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    feeds = {}
    for x in session.get_inputs():
        size = [axis if isinstance(axis, int) else {"batch": 2}.get(axis, 7) for axis in x.shape]
        numbers = np.random.default_rng(0)
        feeds[x.name] = numbers.random(size, "float32") if "float" in x.type else numbers.integers(0, 2, size)
    outputs: list[np.ndarray] = session.run(None, feeds)
    return outputs


@pytest.mark.slow
@pytest.mark.parametrize(
    ("spec", "opset", "functions"),
    [
        ("gpt2.yaml", 18, {"layer": 1, "h": 1}),
        ("t5.yaml", 23, {"encoder_layer": 1, "encoder": 1, "decoder_layer": 1, "decoder": 1}),
        ("shared", 23, {"wide": 1, "tower": 1}),
    ],
)
def test_the_flat_model_again(spec: str, opset: int, functions: dict[str, int], tmp_path: Path) -> None:
    path, overrides = SPECS / spec, Overrides(SMALL)
    if spec == "shared":
        path, overrides = tmp_path / "shared.yaml", Overrides()
        path.write_text(SHARED, encoding="utf-8")
    flat, folded = both(path, overrides, tmp_path, opset)
    assert folded.parity is not None
    assert not folded.parity.failures

    model = loaded(folded)
    names = [function.name for function in model.functions]
    assert {name: names.count(name) for name in names} == functions
    onnx.checker.check_model(unfold_functions(model), full_check=True)
    assert list(unfold_functions(model).graph.node) == list(loaded(flat).graph.node)
    assert {t.name for t in unfold_functions(model).graph.initializer} == {
        t.name for t in loaded(flat).graph.initializer
    }
    expected = run(flat.folder / "model.onnx")
    # ONNX Runtime fuses other nodes if there are functions, so it rounds differently; the proof above has its own bound
    for output, folded_output in zip(expected, run(folded.folder / "model.onnx"), strict=True):
        np.testing.assert_allclose(output, folded_output, rtol=1e-3, atol=1e-4)


@pytest.mark.slow
def test_a_function_reads_as_the_block_does(tmp_path: Path) -> None:
    flat, folded = both(SPECS / "gpt2.yaml", Overrides(SMALL), tmp_path, 23)
    assert unfold_functions(loaded(flat)) == loaded(flat)
    model = loaded(folded)
    layer, stack = model.functions
    assert list(layer.input)[:4] == ["x", "mask", "ln_1.weight", "ln_1.bias"]
    assert [node.name for node in stack.node] == ["0", "1"]
    assert {node.op_type for node in stack.node} == {"layer"}
    assert [node.op_type for node in model.graph.node if node.domain] == ["h"]
    (call,) = [node for node in model.graph.node if node.domain]
    assert {p.key: p.value for p in call.metadata_props}["stackc.path"] == "h"
    assert [value.name for value in model.graph.value_info if value.name.startswith("h.")] == list(call.output)


@pytest.mark.slow
def test_functions_of_onnx_runtime_s_operators(tmp_path: Path) -> None:
    """The checker infers no types for operators of com.microsoft; behind a function it calls that an error."""
    options = Options(Overrides(SMALL), out=tmp_path, opset=18, target="ort", functions=True, measure=False)
    built = build(SPECS / "bert_base.yaml", options)
    layer = loaded(built).functions[0]
    assert [node.op_type for node in layer.node if node.domain] == ["MultiHeadAttention"]
    assert verify(built.folder, "cpu").distances
