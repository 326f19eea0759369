"""Weight subgraphs calculated anew, by other means than those that write the file: PyTorch moves elements, and ONNX's
reference implementation calculates, in NumPy, in float32 and in float64."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor

from stackc.export.objects import WeightSubgraph
from stackc.onnx_format.nodes import reads, subgraphs
from stackc.proof.jitter import PASSES, ROUNDING
from stackc.runtime import Array


def moved_values(subgraph: WeightSubgraph, sources: Sequence[Array]) -> list[Array] | None:
    """Return the results of a weight subgraph that only moves elements, each contiguous; None if it calculates."""
    graph = onnx.ModelProto.FromString(subgraph.model).graph
    if any(node.op_type not in MOVES for node in graph.node):
        return None

    values = {value.name: torch.from_numpy(x) for value, x in zip(graph.input, sources, strict=True)}
    values |= {tensor.name: torch.from_numpy(numpy_helper.to_array(tensor).copy()) for tensor in graph.initializer}
    for node in graph.node:
        attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
        results = MOVES[node.op_type]([values[name] for name in node.input], attributes, len(node.output))
        values.update(zip(node.output, results, strict=True))
    # PyTorch copies a transposed matrix in blocks: to compare it where it lies takes ten times as long
    return [values[value.name].contiguous().numpy() for value in graph.output]


Move = Callable[[list[Tensor], dict[str, Any], int], Sequence[Tensor]]
"""An operator in PyTorch: from its inputs, attributes and number of outputs to its outputs."""


def _reshape(inputs: list[Tensor], attributes: dict[str, Any], _: int) -> Sequence[Tensor]:
    x, sizes = inputs[0], [int(size) for size in inputs[1]]
    kept = not attributes.get("allowzero", 0)
    return [x.reshape([x.shape[axis] if kept and size == 0 else size for axis, size in enumerate(sizes)])]


def _split(inputs: list[Tensor], attributes: dict[str, Any], count: int) -> Sequence[Tensor]:
    x, axis = inputs[0], attributes.get("axis", 0)
    size = [int(part) for part in inputs[1]] if len(inputs) > 1 else -(-x.shape[axis] // count)
    return torch.split(x, size, axis)


def _transpose(inputs: list[Tensor], attributes: dict[str, Any], _: int) -> Sequence[Tensor]:
    return [inputs[0].permute(attributes.get("perm", tuple(reversed(range(inputs[0].dim())))))]


def _squeeze(inputs: list[Tensor], _: dict[str, Any], __: int) -> Sequence[Tensor]:
    return [inputs[0].squeeze([int(axis) for axis in inputs[1]] if len(inputs) > 1 else list(range(inputs[0].dim())))]


def _unsqueeze(inputs: list[Tensor], _: dict[str, Any], __: int) -> Sequence[Tensor]:
    x = inputs[0]
    rank = x.dim() + len(inputs[1])
    for axis in sorted(int(axis) % rank for axis in inputs[1]):
        x = x.unsqueeze(axis)
    return [x]


MOVES: dict[str, Move] = {
    "Concat": lambda inputs, attributes, _: [torch.cat(inputs, attributes["axis"])],
    "Neg": lambda inputs, _, __: [-inputs[0]],
    "Transpose": _transpose,
    "Reshape": _reshape,
    "Split": _split,
    "Squeeze": _squeeze,
    "Unsqueeze": _unsqueeze,
}


@dataclass(frozen=True, eq=False)
class Calculation:
    """A weight subgraph on its tensors, calculated one node after another."""

    graph: onnx.GraphProto
    opset: int
    sources: Sequence[Array]

    @staticmethod
    def of(subgraph: WeightSubgraph, sources: Sequence[Array]) -> Calculation:
        """Take the graph of a subgraph apart."""
        model = onnx.ModelProto.FromString(subgraph.model)
        return Calculation(model.graph, model.opset_import[0].version, sources)

    def single(self) -> list[Array]:
        """Return the results in float32."""
        return self._run(self.graph, self.sources, None)

    def truth(self) -> list[Array]:
        """Return the results in float64."""
        return self._run(_in_double(self.graph), [_widened(x) for x in self.sources], None)

    def spreads(self, truth: Sequence[Array]) -> list[Array]:
        """Return how far each number of the truth moves with roundings of float32, as in jitter.py."""
        graph, sources = _in_double(self.graph), [_widened(x) for x in self.sources]
        spreads = [np.zeros(x.shape) for x in truth]
        for number in range(PASSES):
            noise = np.random.default_rng(number)
            results = self._run(graph, [_jittered(x, noise) for x in sources], noise)
            for spread, result, exact in zip(spreads, results, truth, strict=True):
                np.fmax(spread, np.abs(result - exact), out=spread)
        return spreads

    def _run(self, graph: onnx.GraphProto, sources: Sequence[Array], noise: np.random.Generator | None) -> list[Array]:
        values: dict[str, Array] = {value.name: x for value, x in zip(graph.input, sources, strict=True)}
        values |= {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
        for node in graph.node:
            results = self._run_node(node, values)
            if noise is not None and node.op_type not in MOVES:
                results = [_jittered(x, noise) for x in results]
            values.update(zip((name for name in node.output if name), results, strict=True))
        return [values[value.name] for value in graph.output]

    def _run_node(self, node: onnx.NodeProto, values: Mapping[str, Array]) -> list[Array]:
        from onnx.reference import ReferenceEvaluator

        names = list(dict.fromkeys(reads(node)))
        graph = onnx.GraphProto(name="node", node=[node])
        graph.input.extend(onnx.ValueInfoProto(name=name) for name in names)
        graph.output.extend(onnx.ValueInfoProto(name=name) for name in node.output if name)
        model = onnx.ModelProto(ir_version=10, graph=graph)
        model.opset_import.add(domain="", version=self.opset)
        with np.errstate(all="ignore"):
            results = ReferenceEvaluator(model).run(None, {name: values[name] for name in names})
        return [np.asarray(x) for x in results]


def _widened(x: Array) -> Array:
    return x.astype(np.float64) if x.dtype == np.float32 else x


def _jittered(x: Array, noise: np.random.Generator) -> Array:
    if x.dtype != np.float64:
        return x
    jittered: Array = x * (1 + ROUNDING * (2.0 * noise.integers(0, 2, x.shape) - 1))
    return jittered


def _in_double(graph: onnx.GraphProto) -> onnx.GraphProto:
    """Return the graph with float64 in the place of float32, in its constants, casts and bodies."""
    double = onnx.GraphProto()
    double.CopyFrom(graph)
    del double.value_info[:]
    for tensor in double.initializer:
        _widen(tensor)
    for node in double.node:
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.TENSOR:
                _widen(attribute.t)
            if attribute.name in ("to", "dtype") and attribute.i == TensorProto.FLOAT:
                attribute.i = TensorProto.DOUBLE
        for body in subgraphs(node):
            body.CopyFrom(_in_double(body))
    return double


def _widen(tensor: TensorProto) -> None:
    if tensor.data_type == TensorProto.FLOAT:
        tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float64), tensor.name))
