"""Run weight subgraphs: what a model calculates from its parameters alone is calculated once, when it is written."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper

from stackc.export.objects import WeightSubgraph
from stackc.runtime import run_once

Array = np.ndarray[Any, Any]


def run_subgraph(subgraph: WeightSubgraph, parameters: Sequence[Array]) -> list[Array]:
    """Return the results of a weight subgraph on one call's parameters, in the order of `subgraph.results`.

    NumPy rearranges elements and changes their signs; anything that calculates goes through ONNX Runtime, in one run.
    """
    if only_moves(subgraph):
        return _rearrange(graph_of(subgraph), parameters)
    names = [value.name for value in graph_of(subgraph).input]
    return run_once(subgraph.model, dict(zip(names, parameters, strict=True)))


def only_moves(subgraph: WeightSubgraph) -> bool:
    """Return whether a weight subgraph only rearranges the elements of its parameters, or changes their signs."""
    return all(node.op_type in _MOVES for node in graph_of(subgraph).node)


def graph_of(subgraph: WeightSubgraph) -> onnx.GraphProto:
    """Return the graph of a weight subgraph; it is shared: do not change it."""
    return _parse(subgraph.model).graph


@lru_cache(maxsize=256)
def _parse(serialized: bytes) -> onnx.ModelProto:
    model = onnx.ModelProto()
    model.ParseFromString(serialized)
    return model


def _rearrange(graph: onnx.GraphProto, parameters: Sequence[Array]) -> list[Array]:
    values = dict(zip((value.name for value in graph.input), parameters, strict=True))
    values |= {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    for node in graph.node:
        attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
        results = _MOVES[node.op_type]([values[name] for name in node.input], attributes, len(node.output))
        values.update(zip(node.output, results, strict=True))
    return [values[value.name] for value in graph.output]


Move = Callable[[list[Array], dict[str, Any], int], Sequence[Array]]
"""An operator in NumPy: from its inputs, attributes and number of outputs to its outputs."""


def _split(inputs: list[Array], attributes: dict[str, Any], count: int) -> Sequence[Array]:
    x, axis = inputs[0], attributes.get("axis", 0)
    if len(inputs) > 1:
        return np.split(x, np.cumsum(inputs[1])[:-1], axis)
    size = -(-x.shape[axis] // count)  # rounded up; the last part may be smaller
    return np.split(x, range(size, size * count, size), axis)


def _reshape(inputs: list[Array], attributes: dict[str, Any], count: int) -> Sequence[Array]:
    x, sizes = inputs[0], inputs[1].tolist()
    if not attributes.get("allowzero", 0):
        sizes = [x.shape[axis] if size == 0 else size for axis, size in enumerate(sizes)]
    return [x.reshape(sizes)]


_MOVES: dict[str, Move] = {
    "Concat": lambda inputs, attributes, _: [np.concatenate(inputs, attributes["axis"])],
    "Neg": lambda inputs, _, __: [-inputs[0]],
    "Transpose": lambda inputs, attributes, _: [inputs[0].transpose(attributes.get("perm"))],
    "Reshape": _reshape,
    "Split": _split,
    "Squeeze": lambda inputs, _, __: [inputs[0].squeeze(tuple(inputs[1]) if len(inputs) > 1 else None)],
    "Unsqueeze": lambda inputs, _, __: [np.expand_dims(inputs[0], tuple(inputs[1]))],
}
