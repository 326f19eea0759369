"""Faults in the numbers of a file: each is found and blamed at the line of its component; sound files are not refused.

The faults are planted in files that were written with sound weights; what is expected is written by hand.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper
from torch import nn

from stackc.core.diagnostics import SpecError
from stackc.export import LinkedProgram, link_program, write_model
from stackc.frontend import Checked, check_source
from stackc.proof.components import Reference
from stackc.proof.file_tensors import FileTensors, compare_tensors
from stackc.proof.parity import prove
from stackc.proof.report import Parity
from stackc.proof.stamped_model import StampedModel
from stackc.runtime import open_session
from stackc.spec.source import Source
from stackc.torch_backend.lower import lower

pytestmark = pytest.mark.slow

# every kind of storage: unchanged, transposed, joined (queries, keys, values), tied, calculated, running statistics
SPEC = """\
stackc: 1
name: kinds
dims: {batch: {max: 3}, seq: {max: 5}}
inputs: {ids: {dtype: int64, shape: [batch, seq], below: 11}}
graph: |
  ids --> table[embedding] --> attn[attention]
  attn --> norm1[layer_norm]
  norm1 --> weighted[linear]
  weighted --> centred[linear]
  centred --> spectral[linear]
  spectral --> scaled[linear]
  scaled --> mlp
  mlp --> norm2[layer_norm]
  norm2 --> turned[transpose]
  turned --> conv[conv1d]
  conv --> first[batch_norm]
  first --> relu
  relu --> second[batch_norm]
  norm2 --> head[linear]
nodes:
  table: {vocab: 11, dim: 8}
  attn: {heads: 2}
  weighted: {out: 8, reparam: {weight: weight_norm}}
  centred: {out: 8, reparam: {weight: standardize}}
  spectral: {out: 8, reparam: {weight: spectral_norm}}
  scaled: {out: 8, reparam: {weight: {minmax: [-1, 1]}}}
  mlp: {hidden: 12}
  conv: {out: 4, kernel: 1}
  first: {axis: 1}
  second: {axis: 1}
  head: {out: 11, bias: false, tie: {weight: table.weight}}
outputs: {y: second, logits: head}
"""

Change = Callable[[onnx.GraphProto], None]


@dataclass(frozen=True)
class Kinds:
    """The model in all stages, its file, and proofs of a file."""

    checked: Checked
    module: nn.Module
    linked: LinkedProgram
    path: Path

    @staticmethod
    def of(text: str, folder: Path, **options: object) -> Kinds:
        """Check, lower, link and write a spec."""
        checked = check_source(Source("kinds.yaml", text))
        module, linked = lower(checked.typed), link_program(checked.program, **options)  # type: ignore[arg-type]
        tensors = {name: tensor.detach().numpy() for name, tensor in module.state_dict().items()}
        return Kinds(checked, module, linked, write_model(linked, tensors, folder).paths[0])

    def changed(self, folder: Path, change: Change) -> Path:
        """Return a copy of the file with a change."""
        model = onnx.load(self.path)
        change(model.graph)
        onnx.save(model, folder / "model.onnx")
        return folder / "model.onnx"

    def prove(self, path: Path, *, compare: bool = True) -> Parity:
        """Prove a file as a build does."""
        checked, linked = self.checked, self.linked.graph if compare else None
        session = open_session(path, "cpu", threads=1)
        return prove(checked.program, Reference.of(self.module), session, path, checked.ranges, linked=linked)

    def compare(self, path: Path) -> FileTensors:
        """Compare the tensors of a file alone."""
        return compare_tensors(StampedModel.load(path, self.checked.program), self.linked.graph, self.module)

    def line(self, id: str) -> int:
        """Return the line where a node is first drawn: the one that diagnostics name."""
        lines = self.checked.source.text.splitlines()
        return next(number for number, line in enumerate(lines, 1) if "-->" in line and f" {id}" in line)


@pytest.fixture(scope="module")
def kinds(tmp_path_factory: pytest.TempPathFactory) -> Kinds:
    return Kinds.of(SPEC, tmp_path_factory.mktemp("kinds"))


def values(graph: onnx.GraphProto, name: str, change: Callable[[np.ndarray], np.ndarray]) -> None:
    """Change the numbers of a tensor."""
    (tensor,) = (tensor for tensor in graph.initializer if tensor.name == name)
    tensor.CopyFrom(numpy_helper.from_array(np.ascontiguousarray(change(numpy_helper.to_array(tensor).copy())), name))


def bit_flipped(graph: onnx.GraphProto) -> None:
    """The last bit of one number, which no output shows."""

    def flip(array: np.ndarray) -> np.ndarray:
        array.view(np.uint32)[7, 3] ^= 1
        return array

    values(graph, "table.weight", flip)


def sign_of_zero(graph: onnx.GraphProto) -> None:
    values(graph, "norm1.bias", np.negative)


def columns_swapped(graph: onnx.GraphProto) -> None:
    values(graph, "mlp.up.weight", lambda array: array[:, [0, 1, 3, 2, *range(4, array.shape[1])]])


def calculated_off(graph: onnx.GraphProto) -> None:
    def one_number(array: np.ndarray) -> np.ndarray:
        array[2, 5] += 1e-4
        return array

    values(graph, calculated(graph, "weighted"), one_number)


def calculated(graph: onnx.GraphProto, call: str) -> str:
    """Return the tensor that holds the reparametrized weight of a linear layer."""
    name: str = next(t.name for t in graph.initializer if t.name.startswith(f"{call}.") and len(t.dims) == 2)
    return name


def extra(graph: onnx.GraphProto) -> None:
    """Read by the norm in the place of its weight; it holds the same numbers."""
    graph.initializer.append(numpy_helper.from_array(np.ones(8, np.float32), "extra"))
    next(node for node in graph.node if node.name.startswith("norm2/")).input[1] = "extra"


FAULTS: list[tuple[Change, str, str]] = [
    (bit_flipped, "table", "at 1 of 88 numbers, the first at [7, 3]"),
    (sign_of_zero, "norm1", "its tensor 'norm1.bias' in the file differs from the parameter 'norm1.bias' at 8 of 8"),
    (columns_swapped, "mlp", "its tensor 'mlp.up.weight' in the file differs from the parameter 'mlp.up.weight' at 16"),
    (calculated_off, "weighted", "wrong at 1 of 64 numbers, the first at [2, 5]"),
    (extra, "norm2", "its tensor 'extra' in the file comes from no parameter and is no constant of a component"),
]


@pytest.mark.parametrize(("change", "call", "text"), FAULTS, ids=lambda value: getattr(value, "__name__", ""))
def test_a_wrong_tensor_is_named_at_the_line_of_its_component(
    change: Change, call: str, text: str, kinds: Kinds, tmp_path: Path
) -> None:
    with pytest.raises(SpecError) as caught:
        kinds.prove(kinds.changed(tmp_path, change))
    (diagnostic,) = caught.value.diagnostics
    assert (diagnostic.code, diagnostic.span and diagnostic.span.line) == ("P701", kinds.line(call))
    assert diagnostic.message.startswith(f"'{call}' (")
    assert text in diagnostic.message


def test_a_fault_that_no_output_shows_passes_without_the_comparison(kinds: Kinds, tmp_path: Path) -> None:
    """So that the cases above are about the comparison."""
    assert kinds.prove(kinds.changed(tmp_path, bit_flipped), compare=False).tensors == 0


def test_a_tensor_of_another_shape_and_one_that_is_missing(kinds: Kinds, tmp_path: Path) -> None:
    def change(graph: onnx.GraphProto) -> None:
        values(graph, "norm1.bias", lambda array: array[:4])
        graph.initializer.remove(next(tensor for tensor in graph.initializer if tensor.name == "norm2.weight"))

    problems = {p.tensor: p.text for p in kinds.compare(kinds.changed(tmp_path, change)).problems}
    assert problems == {"norm1.bias": "is float32[4] instead of float32[8]", "norm2.weight": "is missing"}


def test_a_constant_that_the_file_dropped_is_named_at_its_component(kinds: Kinds, tmp_path: Path) -> None:
    """A node that was left out reads it no more, so the file does not say whose it was."""

    def change(graph: onnx.GraphProto) -> None:
        (tensor,) = (tensor for tensor in graph.initializer if tensor.name == "constant/0")
        readers = [node for node in graph.node if tensor.name in node.input]
        paths.update(node.name.rpartition("/")[0] for node in readers)
        graph.initializer.remove(tensor)
        for node in readers:
            graph.node.remove(node)

    paths: set[str] = set()
    (problem,) = kinds.compare(kinds.changed(tmp_path, change)).problems
    assert problem.text == "is missing"
    assert {call.path for call in problem.calls} == paths != set()


def test_a_constant_of_a_component(kinds: Kinds, tmp_path: Path) -> None:
    def change(graph: onnx.GraphProto) -> None:
        (tensor,) = (tensor for tensor in graph.initializer if tensor.name == "constant/0")
        values(graph, tensor.name, lambda array: array + 1)

    (problem,) = kinds.compare(kinds.changed(tmp_path, change)).problems
    assert problem.text.startswith("differs from the constant of the component at ")
    assert problem.calls


@pytest.mark.parametrize(
    ("options", "joined"),
    [({"functions": True}, 4), ({"opset": 18}, 4), ({"target": "ort"}, 0)],
    ids=["functions", "opset 18", "target ort"],
)
def test_sound_files_are_not_refused(options: dict[str, object], joined: int, tmp_path: Path) -> None:
    sound = Kinds.of(SPEC, tmp_path, **options)
    parity = sound.prove(sound.path)
    # of 41 tensors of the state_dict: head has that of the table, six of the attention are joined in two (the operator
    # of ONNX Runtime takes them apart), two counts of batches are not stored, and of original0 and original1, and of
    # original, _u and _v comes one each
    assert len(sound.module.state_dict()) == 41
    assert parity.tensors == 41 - 1 - joined - 2 - 1 - 2
    assert {row.path for row in parity.components} == {call.path for call in sound.checked.program.calls}


TABLE = """\
stackc: 1
name: wide
inputs: {ids: {dtype: int64, shape: [batch], below: 50257}}
graph: ids --> table[embedding] --> y[linear]
nodes: {table: {vocab: 50257, dim: 4}, y: {out: 2}}
"""


def test_one_row_of_a_large_table(tmp_path: Path) -> None:
    """No draw of the proof reads it."""
    wide = Kinds.of(TABLE, tmp_path)

    def negate(array: np.ndarray) -> np.ndarray:
        array[31337] *= -1
        return array

    path = wide.changed(tmp_path, lambda graph: values(graph, "table.weight", negate))
    wide.prove(path, compare=False)
    with pytest.raises(SpecError, match=r"kinds.yaml:4:\d+: error\[P701\]: 'table' .* at 4 of 201,028 .* \[31337, 0\]"):
        wide.prove(path)


def test_tensors_beside_the_model_are_mapped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same, with the weights in a data file."""
    monkeypatch.setattr("stackc.export.pipeline.INLINE_LIMIT", 0)
    wide = Kinds.of(TABLE, tmp_path)
    assert not wide.compare(wide.path).problems
    data = tmp_path / "model.onnx.data"
    content = bytearray(data.read_bytes())
    content[4 * (31337 * 4 + 1)] ^= 1
    data.write_bytes(content)
    (problem,) = wide.compare(wide.path).problems
    assert "at 1 of 201,028 numbers, the first at [31337, 1]" in problem.text


def test_a_fault_that_cancels_at_the_outputs(kinds: Kinds, tmp_path: Path) -> None:
    """One component negates what it computes, the next one what it reads."""

    def change(graph: onnx.GraphProto) -> None:
        nodes = list(graph.node)
        end = next(node for node in nodes if "centred" in node.output)
        start = next(node for node in nodes if "centred" in node.input)
        end.output[0] = "centred/positive"
        negated = [
            helper.make_node("Neg", ["centred/positive"], ["centred"]),
            helper.make_node("Neg", ["centred"], ["n"]),
        ]
        for new, old in zip(negated, (end, start), strict=True):
            new.metadata_props.extend(old.metadata_props)
        start.input[list(start.input).index("centred")] = "n"
        place = nodes.index(end) + 1
        del graph.node[:]
        graph.node.extend([*nodes[:place], *negated, *nodes[place:]])

    with pytest.raises(SpecError) as caught:
        kinds.prove(kinds.changed(tmp_path, change))
    found = [(d.code, d.span and d.span.line, d.message.partition(" differs")[0]) for d in caught.value.diagnostics]
    assert found == [
        ("P701", kinds.line("centred"), "'centred' (linear)"),
        ("P701", kinds.line("spectral"), "'spectral' (linear)"),
    ]
