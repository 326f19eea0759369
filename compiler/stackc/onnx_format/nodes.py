"""ONNX nodes as data: the values that a node reads, subgraphs included, and the same node over other names."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import onnx

from stackc.onnx_format.values import declare, without_dim_names

Rename = Callable[[str], str]


def subgraphs(node: onnx.NodeProto) -> Iterator[onnx.GraphProto]:
    """Yield the bodies of If, Loop and Scan."""
    for attribute in node.attribute:
        if attribute.type == onnx.AttributeProto.GRAPH:
            yield attribute.g
        elif attribute.type == onnx.AttributeProto.GRAPHS:
            yield from attribute.graphs


def reads(node: onnx.NodeProto) -> Iterator[str]:
    """Yield the names of the values that a node depends on: its inputs, and the values that its subgraphs capture."""
    yield from (name for name in node.input if name)
    for graph in subgraphs(node):
        yield from _captures(graph)


def _captures(graph: onnx.GraphProto) -> Iterator[str]:
    defined = {value.name for value in graph.input} | {constant.name for constant in graph.initializer}
    for node in graph.node:
        yield from (name for name in reads(node) if name not in defined)
        defined.update(node.output)
    yield from (value.name for value in graph.output if value.name not in defined)


def renamed(node: onnx.NodeProto, rename: Rename) -> onnx.NodeProto:
    """Return the node over other names, without its own name, notes and metadata, its attributes sorted by name.

    `rename` is called for every value that the node reads or makes, including those inside its subgraphs.
    """
    new = onnx.NodeProto(op_type=node.op_type, domain=node.domain, overload=node.overload)
    new.input.extend(rename(name) if name else "" for name in node.input)

    for attribute in sorted(node.attribute, key=lambda a: a.name):
        copy = new.attribute.add()
        copy.CopyFrom(attribute)
        copy.ClearField("doc_string")
        if attribute.type == onnx.AttributeProto.GRAPH:
            copy.g.CopyFrom(_renamed_graph(attribute.g, rename))
        elif attribute.type == onnx.AttributeProto.GRAPHS:
            del copy.graphs[:]
            copy.graphs.extend(_renamed_graph(graph, rename) for graph in attribute.graphs)

    new.output.extend(rename(name) if name else "" for name in node.output)
    return new


def _renamed_graph(graph: onnx.GraphProto, rename: Rename) -> onnx.GraphProto:
    new = onnx.GraphProto(name="body")
    for values, copies in ((graph.input, new.input), (graph.output, new.output)):
        copies.extend(declare(rename(value.name), without_dim_names(value.type)) for value in values)

    for constant in graph.initializer:
        copy = new.initializer.add()
        copy.CopyFrom(constant)
        copy.name = rename(constant.name)
    new.node.extend(renamed(node, rename) for node in graph.node)
    return new
