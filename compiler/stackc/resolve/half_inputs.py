"""Inputs of half precision: each is cast to float32 as it enters, by a node that the drawing implies.

Nothing is calculated in float16 or bfloat16: ONNX Runtime has no products of bfloat16 on a CPU, and lower precision is
a property of a deployment, not of a drawing. The interface of the model keeps the type.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from stackc.components.families.values import Cast
from stackc.core.types import HALVES, TensorType
from stackc.ir.model import Node, Operand, Region, ValueRef


def cast_half_inputs(root: Region, inputs: Mapping[str, TensorType]) -> Region:
    """Return the region in which every input of half precision is cast to float32, and read only as that.

    An input that a single cast to float32 reads is left as it is: a lock has that cast among its nodes.
    """
    halves = [name for name in root.inputs if inputs[name].dtype in HALVES and not _is_cast(name, root)]
    if not halves:
        return root

    casts = {name: _cast(name, root) for name in halves}
    entered = {ValueRef(name): ValueRef(node.id) for name, node in casts.items()}
    nodes = {node.id: node for node in casts.values()}
    for node in root.nodes.values():
        nodes[node.id] = replace(node, operands=tuple(_reread(operand, entered) for operand in node.operands))
    outputs = {name: entered.get(ref, ref) for name, ref in root.outputs.items()}
    return replace(root, nodes=nodes, outputs=outputs)


def _is_cast(name: str, root: Region) -> bool:
    """Return whether a cast to float32 is all that reads an input."""
    ref = ValueRef(name)
    readers = [node for node in root.nodes.values() if any(operand.value == ref for operand in node.operands)]
    return [node.body for node in readers] == [Cast()] and ref not in root.outputs.values()


def _cast(name: str, root: Region) -> Node:
    """Return the implied node that casts an input, under an id that no other node or input has."""
    id = f"{name}_float32"
    while id in root.nodes or id in root.inputs:
        id += "_"
    span = root.places.get(name, root.span)
    return Node(id, Cast(), (Operand("x", ValueRef(name), span),), span, op=Cast.op, implied=True)


def _reread(operand: Operand, entered: Mapping[ValueRef, ValueRef]) -> Operand:
    return replace(operand, value=entered.get(operand.value, operand.value)) if operand.value else operand
