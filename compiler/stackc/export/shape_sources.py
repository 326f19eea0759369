"""Which tensor of a unit is asked for a size that several have.

The exporter asks any of them, depending on what else is in the gallery. Here it becomes the last, so that a unit has
the same nodes in any company. The last, since the first port is what layer hands to layer, and the others (a mask) go
to all layers alike: what they calculate from the same sizes is then the same to ONNX Runtime too, which does it once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import onnx

from stackc.core.types import Dim, TensorType

Axis = tuple[str, int]
"""The name of a value, and one of its axes."""


def shared_sizes(inputs: Mapping[str, TensorType]) -> dict[Axis, Axis]:
    """Every axis without a number that a unit's inputs have, to the first such axis of the last input with the dim."""
    asked: dict[Dim, Axis] = {}
    axes = [(name, axis, dim) for name, x in reversed(list(inputs.items())) for axis, dim in enumerate(x.shape)]
    return {(name, axis): asked.setdefault(dim, (name, axis)) for name, axis, dim in axes if dim.constant is None}


def choose_source(nodes: Iterable[onnx.NodeProto], shared: Mapping[Axis, Axis]) -> None:
    """Let every Shape node that gives one size ask the tensor that `shared` says; asked again, it is an Identity."""
    answers: dict[Axis, str] = {}
    for node in nodes:
        if node.op_type != "Shape":
            continue
        bounds = {attribute.name: attribute.i for attribute in node.attribute}
        start = bounds.get("start", 0)
        if bounds.get("end") != start + 1 or (node.input[0], start) not in shared:
            continue
        name, axis = shared[node.input[0], start]
        if (name, axis) in answers:
            node.op_type, node.input[0] = "Identity", answers[name, axis]
            del node.attribute[:]
        else:
            answers[name, axis] = node.output[0]
            node.input[0] = name
            for attribute in node.attribute:
                attribute.i = axis if attribute.name == "start" else axis + 1
