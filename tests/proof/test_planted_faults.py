"""Plant faults in a linked model: each is reported at the component that has it, by its line of the spec."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper
from tests.proof.conftest import SPEC

from stackc.components.families.linear import Mlp
from stackc.core.diagnostics import SpecError, render

if TYPE_CHECKING:
    from tests.proof.conftest import Small

pytestmark = pytest.mark.slow

Change = Callable[[onnx.GraphProto], None]


def node(graph: onnx.GraphProto, name: str) -> onnx.NodeProto:
    named: onnx.NodeProto = next(node for node in graph.node if node.name == name)
    return named


def insert(graph: onnx.GraphProto, before: str, op_type: str, inputs: list[str], output: str) -> None:
    """Insert a node before another, with the same stamp."""
    nodes = list(graph.node)
    index = next(i for i, node in enumerate(nodes) if node.name == before)
    new = helper.make_node(op_type, inputs, [output], name=output)
    new.metadata_props.extend(nodes[index].metadata_props)
    del graph.node[:]
    graph.node.extend([*nodes[:index], new, *nodes[index:]])


def constant(graph: onnx.GraphProto, name: str, value: object, dtype: str) -> str:
    graph.initializer.append(numpy_helper.from_array(np.array(value, dtype), name))
    return name


def weight(graph: onnx.GraphProto, name: str, change: Callable[[np.ndarray], np.ndarray]) -> None:
    (tensor,) = (tensor for tensor in graph.initializer if tensor.name == name)
    tensor.CopyFrom(numpy_helper.from_array(np.ascontiguousarray(change(numpy_helper.to_array(tensor))), name))


def weight_perturbed(graph: onnx.GraphProto) -> None:
    def one_entry(array: np.ndarray) -> np.ndarray:
        changed = array.copy()
        changed[3, 5] += 1e-3
        return changed

    weight(graph, "encoder.1.mlp.up.weight", one_entry)


def square_weight_transposed(graph: onnx.GraphProto) -> None:
    weight(graph, "square.weight", np.transpose)


def inputs_swapped(graph: onnx.GraphProto) -> None:
    concat = node(graph, "both/Concat")
    concat.input[0], concat.input[1] = concat.input[1], concat.input[0]


def epsilon_changed(graph: onnx.GraphProto) -> None:
    """By a factor of 10, where the variance is about 1."""
    norm = node(graph, "encoder.1.norm1/LayerNormalization")
    (epsilon,) = (attribute for attribute in norm.attribute if attribute.name == "epsilon")
    epsilon.f = 1e-4


def mask_dropped(graph: onnx.GraphProto) -> None:
    """Every position is kept: the mask plus one is nothing but nonzero."""
    plus = constant(graph, "one", 1, "int64")
    insert(graph, "encoder.0.attn/Cast", "Add", ["mask", plus], "encoder.0.attn/kept")
    node(graph, "encoder.0.attn/Cast").input[0] = "encoder.0.attn/kept"


def causal_off_by_one(graph: onnx.GraphProto) -> None:
    """A position attends to the one after it as well."""
    node(graph, "encoder.1.attn/Trilu").input[1] = constant(graph, "diagonal", 1, "int64")


def dim_frozen(graph: onnx.GraphProto) -> None:
    shape = constant(graph, "frozen", [-1, 7, 16], "int64")
    insert(graph, "encoder.0.mlp/Add_1", "Reshape", ["encoder.0.mlp/MatMul_1", shape], "encoder.0.mlp/frozen")
    node(graph, "encoder.0.mlp/Add_1").input[0] = "encoder.0.mlp/frozen"


def residual_removed(graph: onnx.GraphProto) -> None:
    add = node(graph, "encoder.0.add1/Add")
    add.op_type = "Identity"
    del add.input[1]


def component_bypassed(graph: onnx.GraphProto) -> None:
    """The norm reads what the residual sum should have been added to."""
    node(graph, "encoder.0.norm1/LayerNormalization").input[0] = "encoder.0.attn"


def norm_axis_wrong(graph: onnx.GraphProto) -> None:
    node(graph, "unit/ReduceL2").input[1] = constant(graph, "axis", [1], "int64")


def nan_on_padding(graph: onnx.GraphProto) -> None:
    """−∞ in the place of a large negative number, in a softmax written out: 0/0 where all of a row is padding."""
    attention = node(graph, "encoder.1.attn/Attention")
    query, key, value, bias = attention.input
    scale = constant(graph, "scale", 8**-0.5, "float32")
    lowest = constant(graph, "lowest", -np.inf, "float32")
    node(graph, "encoder.1.attn/Where").input[1] = lowest

    # softmax(q·kᵀ·scale + bias)·v, node by node
    inner = "encoder.1.attn/inner"
    insert(graph, attention.name, "Transpose", [key], f"{inner}_keys")
    node(graph, f"{inner}_keys").attribute.append(helper.make_attribute("perm", [0, 1, 3, 2]))
    insert(graph, attention.name, "MatMul", [query, f"{inner}_keys"], f"{inner}_products")
    insert(graph, attention.name, "Mul", [f"{inner}_products", scale], f"{inner}_scores")
    insert(graph, attention.name, "Add", [f"{inner}_scores", bias], f"{inner}_masked")
    insert(graph, attention.name, "Softmax", [f"{inner}_masked"], f"{inner}_weights")
    attention = node(graph, attention.name)
    attention.op_type = "MatMul"
    del attention.attribute[:], attention.input[:]
    attention.input.extend([f"{inner}_weights", value])


FAULTS: list[tuple[Change, str, str]] = [
    (weight_perturbed, "encoder.1.mlp", "from the truth"),
    (square_weight_transposed, "square", "from the truth"),
    (inputs_swapped, "both", "from the truth"),
    (epsilon_changed, "encoder.1.norm1", "from the truth"),
    (mask_dropped, "encoder.0.attn", "from the truth"),
    (causal_off_by_one, "encoder.1.attn", "from the truth"),
    (residual_removed, "encoder.0.add1", "from the truth"),
    (component_bypassed, "encoder.0.norm1", "it reads 'encoder.0.attn', which the spec does not connect to it"),
    (norm_axis_wrong, "unit", "from the truth"),
    (nan_on_padding, "encoder.1.attn", "has NaN or Inf where PyTorch has none"),
]


def line_of(small: Small, path: str) -> int:
    """Return the line where a node is first drawn: the one that diagnostics name."""
    lines = small.checked.source.text.splitlines()
    id = path.rpartition(".")[2]
    return next(number for number, line in enumerate(lines, 1) if "-->" in line and f" {id}" in line)


def blamed(small: Small, path: Path) -> list[tuple[str, int, str]]:
    """Return the code, line and message of every diagnostic of a proof that must fail."""
    with pytest.raises(SpecError) as caught:
        small.prove(path)
    return [(d.code, d.span.line if d.span else 0, d.message) for d in caught.value.diagnostics]


@pytest.mark.parametrize(("change", "path", "problem"), FAULTS, ids=lambda value: getattr(value, "__name__", ""))
def test_a_fault_is_blamed_on_its_component(
    change: Change, path: str, problem: str, small: Small, tmp_path: Path
) -> None:
    ((code, line, message),) = blamed(small, small.file(tmp_path, change))
    assert (code, line) == ("P701", line_of(small, path))
    assert message.startswith(f"'{path}' (")
    assert problem in message


def test_a_dim_that_froze_is_named_with_the_component(small: Small, tmp_path: Path) -> None:
    ((code, line, message),) = blamed(small, small.file(tmp_path, dim_frozen))
    assert (code, line) == ("P704", line_of(small, "encoder.0.mlp"))
    assert message.startswith("the output 'logits' of the file has its dim 'seq' frozen at 7; ")
    assert message.endswith("has its dim 'seq' frozen at 7, by 'encoder.0.mlp' (mlp)")


def test_a_stale_object_in_the_place_of_a_unit(small: Small, tmp_path: Path) -> None:
    """Both layers are instances of the unit, and are reported together: they are on one line."""
    linked = small.linked(small.with_unit("encoder.0.mlp", Mlp(hidden=24, activation="relu")))
    with pytest.raises(SpecError) as caught:
        small.prove(small.file(tmp_path, linked=linked))
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.message.startswith("'encoder.0.mlp' (mlp) differs from PyTorch: ")
    assert str(diagnostic.hint).startswith("so does 'encoder.1.mlp'; nothing in the spec is wrong: ")
    assert {note.message.partition(":")[0] for note in diagnostic.notes} == {
        "it shows in the output 'logits'",
        "it shows in the output 'hidden'",
    }


def test_the_model_as_it_is_linked_passes_whole_and_in_parts(small: Small, tmp_path: Path) -> None:
    parity = small.prove(small.file(tmp_path), per_component=True)
    calls = small.checked.program.calls
    assert {row.path for row in parity.components} == {call.path for call in calls}
    points = {str(row.point) for row in parity.rows if row.point.name != "jittered"}
    own = [row for row in parity.components if row.point.name != "jittered"]
    assert len(own) == len(calls) * len(points)
    assert {row.path for row in parity.components if row not in own} == {
        f"encoder.{layer}.{norm}" for layer in (0, 1) for norm in ("norm1", "norm2")
    }
    used = [row.verdict.used for row in parity.by_component()]
    assert used == sorted(used, reverse=True)
    assert max(used) <= 1


def test_the_readme_shows_such_a_failure(small: Small, tmp_path: Path) -> None:
    """Its text, but for distances, which differ between processors, and for the point that is the worst by them."""
    with pytest.raises(SpecError) as caught:
        small.prove(small.file(tmp_path, weight_perturbed))
    text = "\n".join(render(diagnostic, {"small.yaml": SPEC}) for diagnostic in caught.value.diagnostics)
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    (shown,) = re.findall(r"^    error\[P701\].*\n(?:    .*\n)+", readme, re.MULTILINE)

    def lines(message: str) -> list[str]:
        masked = re.sub(r"\d\.\d+e-\d+", "N", re.sub(r"at batch=\d+, seq=\d+ \(\w+\)", "at POINT", message))
        return [line.strip() for line in masked.splitlines()]

    assert lines(shown) == lines(text)
