"""A node over other names keeps what it does, and nothing of where it was found."""

from __future__ import annotations

import onnx
import pytest
from onnx import TensorProto, helper

from stackc.onnx_format.nodes import reads, renamed


@pytest.fixture
def branch() -> onnx.NodeProto:
    """An If of which one side adds a value from outside, as the exporter writes them, notes and dims included."""
    add = helper.make_node("Add", ["here", "outside"], ["sum"], name="add", doc_string="line 3")
    add.metadata_props.add(key="pkg.torch.onnx.stack_trace", value="/home/ada/model.py")
    cast = helper.make_node("Cast", ["outside"], ["here"], to=TensorProto.FLOAT, saturate=1)
    sides = []
    for nodes, output in (([cast, add], "sum"), ([cast], "here")):
        declared = helper.make_tensor_value_info(output, TensorProto.FLOAT, ["s95", 3])
        sides.append(helper.make_graph(nodes, "side of unit 7", [], [declared], doc_string="from the gallery"))
    node = helper.make_node("If", ["asked"], ["chosen"], name="if", then_branch=sides[0], else_branch=sides[1])
    for attribute in node.attribute:
        attribute.doc_string = "of the gallery"
    node.attribute.sort(key=lambda attribute: attribute.name, reverse=True)
    return node


def test_what_the_bodies_of_an_if_capture_is_read(branch: onnx.NodeProto) -> None:
    assert list(dict.fromkeys(reads(branch))) == ["asked", "outside"]


def test_a_node_under_other_names(branch: onnx.NodeProto) -> None:
    new = renamed(branch, lambda name: f"new_{name}")
    assert list(dict.fromkeys(reads(new))) == ["new_asked", "new_outside"]
    assert list(new.output) == ["new_chosen"]
    otherwise, then = new.attribute
    assert (otherwise.name, then.name) == ("else_branch", "then_branch")
    assert [node.op_type for node in then.g.node] == ["Cast", "Add"]
    assert list(then.g.node[1].input) == ["new_here", "new_outside"]
    assert [attribute.name for attribute in then.g.node[0].attribute] == ["saturate", "to"]
    for side in (then.g, otherwise.g):
        (output,) = side.output
        first, second = output.type.tensor_type.shape.dim
        assert (first.WhichOneof("value"), second.dim_value) == (None, 3), "ONNX Runtime plans memory by names of dims"


def test_nothing_tells_where_a_node_was_found(branch: onnx.NodeProto) -> None:
    text = str(renamed(branch, str))
    for trace in ("line 3", "/home/ada", "gallery", "unit 7", "s95", 'name: "add"', 'name: "if"'):
        assert trace not in text
