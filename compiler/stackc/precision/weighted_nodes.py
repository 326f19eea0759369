"""The nodes of a file that have a constant matrix: what can be given another format, by the name of that matrix."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import onnx

from stackc.precision.formats import FACTS, Format
from stackc.proof.stamped_model import StampedModel, stamp_of


@dataclass(frozen=True, slots=True)
class WeightedNode:
    """A node with a constant matrix: its name in the file, operator, initializer, and the path of its component.

    `shape` is that of the matrix as the file stores it.
    """

    node: str
    operator: str
    initializer: str
    path: str
    shape: tuple[int, ...]

    @property
    def name(self) -> str:
        """The name of the weight without its last part: `encoder.0.mlp.up` of `encoder.0.mlp.up.weight`."""
        name = self.initializer.removesuffix(".weight")
        return name if name.startswith(self.path) else self.path

    def takes(self, format: Format) -> bool:
        """Return whether the weight can have this format."""
        facts = FACTS[format]
        return self.operator in facts.operators and len(self.shape) in facts.ranks


def weighted_nodes(stamped: StampedModel) -> tuple[WeightedNode, ...]:
    """Return every use of a float32 matrix that the file stores, in running order."""
    return tuple(_weighted_nodes(stamped))


def _weighted_nodes(stamped: StampedModel) -> Iterator[WeightedNode]:
    for node in stamped.model.graph.node:
        path = stamp_of(node)
        for position, name in enumerate(node.input):
            tensor = stamped.initializers.get(name)
            if path is None or tensor is None or not _is_matrix(tensor) or not _is_weight(node, position):
                continue
            yield WeightedNode(node.name, node.op_type, name, path, tuple(tensor.dims))


def _is_matrix(tensor: onnx.TensorProto) -> bool:
    return bool(tensor.data_type == onnx.TensorProto.FLOAT and len(tensor.dims) >= 2)


def _is_weight(node: onnx.NodeProto, position: int) -> bool:
    """Return whether an operator of ONNX reads its weight at this position; the table of a lookup is the first."""
    if node.domain not in ("", "ai.onnx"):
        return False
    if node.op_type in ("LSTM", "GRU", "RNN"):
        return position in (1, 2)
    return position == (0 if node.op_type in ("Gather", "Slice") else 1)
