"""A file in which every product is computed in both formats, and an input chooses which of the results goes on.

One session so shows the error that each product brings to the outputs of the model by itself: it is run once for each,
with one switch on. A file for each of them would have to be made and opened.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import onnx
from onnx import TensorProto, helper

from stackc.precision.weighted_nodes import WeightedNode

PREFIX = "switch/"


def switched_model(model: onnx.ModelProto, reduced: onnx.ModelProto, nodes: Sequence[WeightedNode]) -> onnx.ModelProto:
    """Return the reduced model with an input `switch/NODE`, a boolean, for each of the nodes: False computes float32.

    Both models hold their weights; a node computes the tensor of the same name in both.
    """
    plain = {node.name: node for node in model.graph.node}
    outputs = {plain[each.node].output[0]: plain[each.node] for each in nodes}
    switched = onnx.ModelProto()
    switched.CopyFrom(reduced)

    graph = switched.graph
    changed = [new for node in reduced.graph.node for new in _with_switch(node, outputs)]
    del graph.node[:]
    graph.node.extend(changed)

    stored = {tensor.name for tensor in graph.initializer}
    needed = {each.initializer for each in nodes} - stored
    graph.initializer.extend(tensor for tensor in model.graph.initializer if tensor.name in needed)
    graph.input.extend(helper.make_tensor_value_info(PREFIX + each.node, TensorProto.BOOL, []) for each in nodes)
    return switched


def _with_switch(node: onnx.NodeProto, outputs: dict[str, onnx.NodeProto]) -> Iterator[onnx.NodeProto]:
    """Yield a node; if it computes the result of a product, under another name, beside the product and the choice."""
    computed = next((name for name in node.output if name in outputs), None)
    if computed is None:
        yield node
        return

    product = outputs[computed]
    renamed, plain = onnx.NodeProto(), onnx.NodeProto()
    renamed.CopyFrom(node)
    renamed.output[list(node.output).index(computed)] = f"{computed}/reduced"
    plain.CopyFrom(product)
    plain.name, plain.output[0] = f"{product.name}/float32", f"{computed}/float32"
    yield renamed
    yield plain
    yield helper.make_node("Where", [PREFIX + product.name, f"{computed}/reduced", f"{computed}/float32"], [computed])
