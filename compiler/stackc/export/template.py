"""Templates: the nodes of an object prepared to be instantiated many times, once for each call of its unit.

Used by link.py. What is the same in every call is prepared once; what differs is the path, the stamps and the names.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import onnx

from stackc.ir.program import Call
from stackc.onnx_format.nodes import renamed, subgraphs

PATH, SOURCE, VALUES = "stackc.path", "stackc.source", "stackc.values"

Stamps = tuple[onnx.StringStringEntryProto, ...]
"""Metadata that every node of a call carries."""


def stamps_of(call: Call) -> Stamps:
    """Return the stamps of a call: its path in the spec, and the file and line it was written on."""
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
    """The nodes of an object, the suffix that each intermediate value adds to the call's path, and the constants.

    Each constant has a key that is the same for equal constants, whatever their names.
    """

    nodes: tuple[TemplateNode, ...]
    suffixes: Mapping[str, str]
    constants: tuple[tuple[onnx.TensorProto, bytes], ...]

    @staticmethod
    def of(nodes: Iterable[onnx.NodeProto], constants: Iterable[onnx.TensorProto]) -> Template:
        """Prepare nodes. They are named path/MatMul, path/MatMul_1, …, and a value like the node that computes it."""
        counts: dict[str, int] = {}
        prepared: list[TemplateNode] = []
        suffixes: dict[str, str] = {}
        for node in nodes:
            number = counts[node.op_type] = counts.get(node.op_type, -1) + 1
            suffix = f"/{node.op_type}_{number}" if number else f"/{node.op_type}"
            for index, name in enumerate(node.output):
                suffixes[name] = f"{suffix}:{index}" if index else suffix
            prepared.append(_template_node(node, suffix))

        return Template(tuple(prepared), suffixes, tuple((tensor, _content(tensor)) for tensor in constants))


def _template_node(node: onnx.NodeProto, suffix: str) -> TemplateNode:
    bare = onnx.NodeProto()
    bare.CopyFrom(node)
    nested = next(subgraphs(node), None) is not None
    if not nested:
        bare.ClearField("input")
        bare.ClearField("output")
    return TemplateNode(bare, tuple(node.input), tuple(node.output), suffix, nested)


def _content(tensor: onnx.TensorProto) -> bytes:
    """Return the bytes of a tensor without its name."""
    copy = onnx.TensorProto()
    copy.CopyFrom(tensor)
    copy.ClearField("name")
    key: bytes = copy.SerializeToString(deterministic=True)
    return key


def instantiate(
    template: Template, graph: onnx.GraphProto, path: str, stamps: Stamps, names: Mapping[str, str]
) -> None:
    """Append the nodes of one call. `names` has every local name, "" included, except those inside of subgraphs."""
    for part in template.nodes:
        node = graph.node.add()
        if part.nested:
            # Names defined inside a subgraph are not in `names`; under the path they differ from call to call.
            node.CopyFrom(renamed(part.bare, lambda name: names.get(name, f"{path}/{name}")))
        else:
            node.CopyFrom(part.bare)
            node.input.extend([names[name] for name in part.inputs])
            node.output.extend([names[name] for name in part.outputs])
        node.name = path + part.suffix
        node.metadata_props.extend(stamps)
