"""Nodes made ready to be put down many times: what differs from call to call apart from what does not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import onnx

from stackc.ir.program import Call
from stackc.onnx_format.nodes import renamed, subgraphs

PATH, SOURCE, VALUES = "stackc.path", "stackc.source", "stackc.values"

Stamps = tuple[onnx.StringStringEntryProto, ...]


def stamps(call: Call) -> Stamps:
    """What every node of a call carries as metadata: its path in the spec, and the file and line it was written on."""
    return tuple(
        onnx.StringStringEntryProto(key=key, value=value)
        for key, value in ((PATH, call.path), (SOURCE, str(call.span)))
    )


@dataclass(frozen=True, eq=False, slots=True)
class TemplateNode:
    """A node without names: `bare` has operator and attributes, `suffix` is what its name adds to the call's path."""

    bare: onnx.NodeProto
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    suffix: str
    nested: bool


@dataclass(frozen=True, eq=False)
class Template:
    """Nodes of an object, what the name of each value in between adds to the call's path, and its constants.

    With each constant goes a key that equal constants share, whatever they are called.
    """

    nodes: tuple[TemplateNode, ...]
    suffixes: Mapping[str, str]
    constants: tuple[tuple[onnx.TensorProto, bytes], ...]

    @staticmethod
    def of(nodes: Iterable[onnx.NodeProto], constants: Iterable[onnx.TensorProto]) -> Template:
        """Nodes are named path/MatMul, path/MatMul_1, …, and a value as the node that makes it."""
        counts: dict[str, int] = {}
        made: list[TemplateNode] = []
        suffixes: dict[str, str] = {}
        for node in nodes:
            number = counts[node.op_type] = counts.get(node.op_type, -1) + 1
            suffix = f"/{node.op_type}_{number}" if number else f"/{node.op_type}"
            for index, name in enumerate(node.output):
                suffixes[name] = f"{suffix}:{index}" if index else suffix
            made.append(_template_node(node, suffix))
        return Template(tuple(made), suffixes, tuple((tensor, _nameless(tensor)) for tensor in constants))


def _template_node(node: onnx.NodeProto, suffix: str) -> TemplateNode:
    bare = onnx.NodeProto()
    bare.CopyFrom(node)
    nested = next(subgraphs(node), None) is not None
    if not nested:
        bare.ClearField("input")
        bare.ClearField("output")
    return TemplateNode(bare, tuple(node.input), tuple(node.output), suffix, nested)


def _nameless(tensor: onnx.TensorProto) -> bytes:
    copy = onnx.TensorProto()
    copy.CopyFrom(tensor)
    copy.ClearField("name")
    key: bytes = copy.SerializeToString(deterministic=True)
    return key


def instantiate(template: Template, graph: onnx.GraphProto, path: str, marks: Stamps, names: Mapping[str, str]) -> None:
    """Append the nodes of one call. `names` has every local name but those inside of subgraphs, "" among them."""
    for part in template.nodes:
        node = graph.node.add()
        if part.nested:
            node.CopyFrom(renamed(part.bare, lambda name: names.get(name, f"{path}/{name}")))
        else:
            node.CopyFrom(part.bare)
            node.input.extend([names[name] for name in part.inputs])
            node.output.extend([names[name] for name in part.outputs])
        node.name = path + part.suffix
        node.metadata_props.extend(marks)
