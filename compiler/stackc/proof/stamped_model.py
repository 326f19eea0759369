"""The ONNX file taken apart again: its nodes by the stamps they carry, its tensors by the values of the program.

Any part of it can be cut out and run by itself, with the weights that the file has, on any values.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx.helper import tensor_dtype_to_np_dtype

from stackc.export.functions import unfold_functions
from stackc.export.template import PATH, VALUES
from stackc.ir.program import Call, Program
from stackc.onnx_format.nodes import reads
from stackc.onnx_format.values import declare, type_proto
from stackc.runtime import Array


@dataclass(frozen=True, eq=False)
class StampedComponent:
    """A part of the file as a model of its own: what it reads and makes, as names of tensors.

    `weights` are the initializers whose bytes stand outside of the serialized `model`, mapped from the file.
    """

    model: bytes
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    weights: Mapping[str, Array]


@dataclass(frozen=True, eq=False)
class StampedModel:
    """An ONNX file that was linked from a program. `model` has no weights that stand outside of it."""

    model: onnx.ModelProto
    folder: Path
    program: Program

    @staticmethod
    def load(path: Path, program: Program) -> StampedModel:
        """The file at `path`; its weights are read when a part that has them is run."""
        return StampedModel(unfold_functions(onnx.load(path, load_external_data=False)), path.parent, program)

    @cached_property
    def tensors(self) -> dict[str, str]:
        """Every value of the program with the tensor that it is in the file."""
        moved: dict[str, str] = {}
        for entry in self.model.graph.metadata_props:
            if entry.key == VALUES:
                moved = json.loads(entry.value)
        return {value: moved.get(value, value) for value in self.program.types}

    @cached_property
    def values(self) -> dict[str, str]:
        """Every tensor that is a value of the program, with the first such value: others are passed on from it."""
        return {tensor: value for value, tensor in reversed(self.tensors.items())}

    @cached_property
    def makers(self) -> dict[str, int]:
        """The node that makes each tensor, by its place in the graph."""
        return {name: index for index, node in enumerate(self.model.graph.node) for name in node.output}

    def maker(self, tensor: str) -> str | None:
        """The path of the component whose stamp the maker of a tensor carries; None where no node makes it."""
        return stamp_of(self.model.graph.node[self.makers[tensor]]) if tensor in self.makers else None

    def has(self, tensor: str) -> bool:
        """Whether the file has the tensor: as an input, an initializer, or of a node."""
        return tensor in self.makers or tensor in self._initializers or tensor in self.program.inputs

    def part(self, outputs: Iterable[str], ends: Callable[[str], bool]) -> StampedComponent:
        """What makes `outputs`, back to tensors that are an end; those become the inputs.

        An output is never an end itself. Types of inputs are the file's own; outputs are declared without a shape, so
        that ONNX Runtime says what it infers.
        """
        wanted = tuple(dict.fromkeys(outputs))
        found = _Search(self, frozenset(wanted), ends)
        for tensor in wanted:
            found.follow(tensor)
        model = onnx.ModelProto(ir_version=self.model.ir_version, producer_name=self.model.producer_name)
        model.opset_import.extend(self.model.opset_import)
        model.graph.name = self.model.graph.name
        model.graph.node.extend(self.model.graph.node[index] for index in sorted(found.nodes))
        model.graph.initializer.extend(self._initializers[name] for name in found.initializers)
        model.graph.input.extend(self._declared(name, shaped=True) for name in found.inputs)
        model.graph.output.extend(self._declared(name, shaped=False) for name in wanted)
        outside = [t for t in model.graph.initializer if t.data_location == onnx.TensorProto.EXTERNAL]
        weights = {tensor.name: _mapped(tensor, self.folder) for tensor in outside}
        return StampedComponent(model.SerializeToString(), tuple(found.inputs), wanted, weights)

    def initializer(self, name: str) -> Array | None:
        """The numbers of an initializer, None where there is none of the name."""
        tensor = self._initializers.get(name)
        if tensor is None:
            return None
        if tensor.data_location == onnx.TensorProto.EXTERNAL:
            return _mapped(tensor, self.folder)
        return onnx.numpy_helper.to_array(tensor)

    @cached_property
    def _initializers(self) -> dict[str, onnx.TensorProto]:
        return {tensor.name: tensor for tensor in self.model.graph.initializer}

    @cached_property
    def _types(self) -> dict[str, onnx.TypeProto]:
        graph = self.model.graph
        return {info.name: info.type for group in (graph.value_info, graph.output, graph.input) for info in group}

    def _declared(self, tensor: str, *, shaped: bool) -> onnx.ValueInfoProto:
        type = self._types.get(tensor) or type_proto(self.program.types[self.values[tensor]])
        return declare(tensor, type, shaped=shaped)


def stamp_of(node: onnx.NodeProto) -> str | None:
    """The path of the component that a node belongs to."""
    return next((entry.value for entry in node.metadata_props if entry.key == PATH), None)


def targets(shipped: StampedModel, call: Call) -> Iterator[tuple[str, str]]:
    """What the call makes, each value with its tensor in the file; an output of the model may be a copy of it."""
    for value in call.outputs:
        yield value, shipped.tensors[value]
        for output, source in shipped.program.outputs.items():
            if source == value and output != shipped.tensors[value] and shipped.maker(output) == call.path:
                yield value, output


@dataclass
class _Search:
    """Back from the outputs: `nodes` by their places, and what they read that no node here makes."""

    shipped: StampedModel
    outputs: frozenset[str]
    ends: Callable[[str], bool]

    def __post_init__(self) -> None:
        self.nodes: set[int] = set()
        self.inputs: dict[str, None] = {}
        self.initializers: dict[str, None] = {}

    def follow(self, tensor: str) -> None:
        waiting = [tensor]
        while waiting:
            name = waiting.pop()
            if name not in self.outputs and self.ends(name):
                self.inputs[name] = None
            elif name in self.shipped._initializers:
                self.initializers[name] = None
            elif name in self.shipped.makers:
                index = self.shipped.makers[name]
                if index not in self.nodes:
                    self.nodes.add(index)
                    waiting.extend(reads(self.shipped.model.graph.node[index]))
            else:
                self.inputs[name] = None


def _mapped(tensor: onnx.TensorProto, folder: Path) -> Array:
    """The bytes of an initializer where they lie, in a file beside the model."""
    place = {entry.key: entry.value for entry in tensor.external_data}
    dtype = tensor_dtype_to_np_dtype(tensor.data_type)
    shape, offset = tuple(tensor.dims), int(place.get("offset", 0))
    if 0 in shape:
        return np.empty(shape, dtype)
    array: np.ndarray[Any, Any] = np.memmap(folder / place["location"], dtype, "r", offset, shape or (1,))
    return array.reshape(shape)
