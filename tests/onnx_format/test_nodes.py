"""A node over other names computes the same, and keeps nothing of the graph it came from."""

from __future__ import annotations

import onnx
import pytest
from onnx import TensorProto, helper

from stackc.onnx_format.nodes import reads, renamed


@pytest.fixture
def branch() -> onnx.NodeProto:
    """An If with one branch that adds a value from outside, as the exporter writes it, with notes and named dims."""
    add = helper.make_node("Add", ["here", "outside"], ["sum"], name="add", doc_string="line 3")
    add.metadata_props.add(key="pkg.torch.onnx.stack_trace", value="/home/ada/model.py")
    cast = helper.make_node("Cast", ["outside"], ["here"], to=TensorProto.FLOAT, saturate=1)

    branches = []
    for nodes, output in (([cast, add], "sum"), ([cast], "here")):
        declared = helper.make_tensor_value_info(output, TensorProto.FLOAT, ["s95", 3])
        branches.append(helper.make_graph(nodes, "branch of unit 7", [], [declared], doc_string="from the batch"))

    node = helper.make_node(
        "If", ["condition"], ["chosen"], name="if", then_branch=branches[0], else_branch=branches[1]
    )
    for attribute in node.attribute:
        attribute.doc_string = "of the batch"
    node.attribute.sort(key=lambda attribute: attribute.name, reverse=True)
    return node


def test_what_the_bodies_of_an_if_capture_is_read(branch: onnx.NodeProto) -> None:
    assert list(dict.fromkeys(reads(branch))) == ["condition", "outside"]


def test_a_node_under_other_names(branch: onnx.NodeProto) -> None:
    new = renamed(branch, lambda name: f"new_{name}")
    assert list(dict.fromkeys(reads(new))) == ["new_condition", "new_outside"]
    assert list(new.output) == ["new_chosen"]
    otherwise, then = new.attribute
    assert (otherwise.name, then.name) == ("else_branch", "then_branch")
    assert [node.op_type for node in then.g.node] == ["Cast", "Add"]
    assert list(then.g.node[1].input) == ["new_here", "new_outside"]
    assert [attribute.name for attribute in then.g.node[0].attribute] == ["saturate", "to"]
    for branch_graph in (then.g, otherwise.g):
        (output,) = branch_graph.output
        first, second = output.type.tensor_type.shape.dim
        assert (first.WhichOneof("value"), second.dim_value) == (None, 3), "ONNX Runtime plans memory by names of dims"


def test_no_trace_of_the_graph_remains(branch: onnx.NodeProto) -> None:
    text = str(renamed(branch, str))
    for trace in ("line 3", "/home/ada", "batch", "unit 7", "s95", 'name: "add"', 'name: "if"'):
        assert trace not in text
