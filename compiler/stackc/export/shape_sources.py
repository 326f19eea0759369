"""Choose one source for each shared dim, so that a unit compiles identically in any batch. Called by batch.py.

If several inputs of a unit have a size in common, the exporter reads it from any of them, depending on what else is in
the batch. Here the source becomes the last of them. The first port is what layer passes to layer, while the others
(a mask) go to all layers alike: ONNX Runtime then sees that layers compute the same from the same sizes, and computes
it once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import onnx

from stackc.core.types import Dim, TensorType

Axis = tuple[str, int]
"""The name of a value, and one of its axes."""


def shared_sizes(inputs: Mapping[str, TensorType]) -> dict[Axis, Axis]:
    """Map every unnumbered axis of a unit's inputs to its source: the first axis with that dim of the last input."""
    sources: dict[Dim, Axis] = {}
    axes = [(name, axis, dim) for name, x in reversed(list(inputs.items())) for axis, dim in enumerate(x.shape)]
    return {(name, axis): sources.setdefault(dim, (name, axis)) for name, axis, dim in axes if dim.constant is None}


def choose_source(nodes: Iterable[onnx.NodeProto], shared: Mapping[Axis, Axis]) -> None:
    """Change, in place, every Shape node that reads one size: to its source in `shared`, or to an earlier result."""
    results: dict[Axis, str] = {}
    for node in nodes:
        if node.op_type != "Shape":
            continue
        bounds = {attribute.name: attribute.i for attribute in node.attribute}
        start = bounds.get("start", 0)
        reads_one_size = bounds.get("end") == start + 1
        if not reads_one_size or (node.input[0], start) not in shared:
            continue

        name, axis = shared[node.input[0], start]
        if (name, axis) in results:
            node.op_type, node.input[0] = "Identity", results[name, axis]
            del node.attribute[:]
        else:
            results[name, axis] = node.output[0]
            node.input[0] = name
            for attribute in node.attribute:
                attribute.i = axis if attribute.name == "start" else axis + 1
