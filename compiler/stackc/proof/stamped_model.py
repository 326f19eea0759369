"""The ONNX file taken apart again: its nodes by the stamps they carry, its tensors by the values of the program.

Any part of it can be extracted and run on its own, with the weights of the file, on any values.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
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
class Submodel:
    """A part of the file as a model of its own, with the names of the tensors that it reads and computes.

    `weights` are the initializers whose bytes are stored outside the serialized `model`, mapped from the file.
    """

    model: bytes
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    weights: Mapping[str, Array]


@dataclass(frozen=True, eq=False)
class Cut:
    """What computes some tensors: `nodes` by index in the graph, the tensors that enter, and the initializers read."""

    nodes: tuple[int, ...]
    inputs: tuple[str, ...]
    initializers: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class StampedModel:
    """An ONNX file that was linked from a program. `model` does not hold the weights that are stored outside it.

    `overrides` are arrays that take the place of initializers, by name, wherever a part of the file is run.
    """

    model: onnx.ModelProto
    folder: Path
    program: Program
    overrides: Mapping[str, Array] = field(default_factory=dict)

    @staticmethod
    def load(path: Path, program: Program) -> StampedModel:
        """Load the file at `path`; weights are read when a part that has them is run."""
        return StampedModel(unfold_functions(onnx.load(path, load_external_data=False)), path.parent, program)

    @cached_property
    def tensors(self) -> dict[str, str]:
        """Every value of the program with its tensor in the file."""
        renamed: dict[str, str] = {}
        for entry in self.model.graph.metadata_props:
            if entry.key == VALUES:
                renamed = json.loads(entry.value)
        return {value: renamed.get(value, value) for value in self.program.types}

    @cached_property
    def values(self) -> dict[str, str]:
        """Every tensor that is a value of the program, with the first such value: others are passed on from it."""
        return {tensor: value for value, tensor in reversed(self.tensors.items())}

    @cached_property
    def producers(self) -> dict[str, int]:
        """The node that computes each tensor, by its index in the graph."""
        return {name: index for index, node in enumerate(self.model.graph.node) for name in node.output}

    def producer(self, tensor: str) -> str | None:
        """Return the component path on the stamp of the node that computes a tensor; None if no node does."""
        return stamp_of(self.model.graph.node[self.producers[tensor]]) if tensor in self.producers else None

    def has(self, tensor: str) -> bool:
        """Return whether the file has the tensor: as an input, an initializer, or the output of a node."""
        return tensor in self.producers or tensor in self.initializers or tensor in self.program.inputs

    def extract(self, outputs: Iterable[str], is_end: Callable[[str], bool]) -> Submodel:
        """Extract what computes `outputs`, back to tensors that are an end; those become the inputs.

        An output is never an end itself. Types of inputs are the file's own; outputs are declared without a shape, so
        that ONNX Runtime says what it infers.
        """
        wanted = tuple(dict.fromkeys(outputs))
        cut = self.cut(wanted, is_end)
        graph = onnx.GraphProto(name=self.model.graph.name)
        graph.node.extend(self.model.graph.node[index] for index in cut.nodes)
        graph.input.extend(self.declare(name, shaped=True) for name in cut.inputs)
        graph.output.extend(self.declare(name, shaped=False) for name in wanted)
        return self.submodel(graph, cut.initializers)

    def cut(self, outputs: Sequence[str], is_end: Callable[[str], bool]) -> Cut:
        """Find what computes `outputs`, back to tensors that are an end; an output is never an end itself."""
        search = _BackwardSearch(self, frozenset(outputs), is_end)
        for tensor in outputs:
            search.follow(tensor)
        return Cut(tuple(sorted(search.nodes)), tuple(search.inputs), tuple(search.initializers))

    def submodel(self, graph: onnx.GraphProto, initializers: Iterable[str]) -> Submodel:
        """Return a graph of nodes of the file as a model, with these initializers of the file."""
        model = onnx.ModelProto(ir_version=self.model.ir_version, producer_name=self.model.producer_name, graph=graph)
        model.opset_import.extend(self.model.opset_import)
        weights = {}
        for name in initializers:
            tensor = self.initializers[name]
            if name in self.overrides or tensor.data_location == onnx.TensorProto.EXTERNAL:
                weights[name] = self.overrides[name] if name in self.overrides else _mapped(tensor, self.folder)
                tensor = _elsewhere(tensor)
            model.graph.initializer.append(tensor)

        inputs, outputs = ([value.name for value in side] for side in (graph.input, graph.output))
        return Submodel(model.SerializeToString(), tuple(inputs), tuple(outputs), weights)

    def with_overrides(self, overrides: Mapping[str, Array]) -> StampedModel:
        """Return the same file with arrays in the place of some initializers."""
        return StampedModel(self.model, self.folder, self.program, overrides)

    def initializer(self, name: str) -> Array | None:
        """Return the numbers of an initializer; None if there is no initializer of that name."""
        tensor = self.initializers.get(name)
        if tensor is None:
            return None
        if name in self.overrides:
            return self.overrides[name]
        if tensor.data_location == onnx.TensorProto.EXTERNAL:
            return _mapped(tensor, self.folder)
        return onnx.numpy_helper.to_array(tensor)

    @cached_property
    def initializers(self) -> dict[str, onnx.TensorProto]:
        """The initializers by name."""
        return {tensor.name: tensor for tensor in self.model.graph.initializer}

    @cached_property
    def _types(self) -> dict[str, onnx.TypeProto]:
        graph = self.model.graph
        return {info.name: info.type for group in (graph.value_info, graph.output, graph.input) for info in group}

    def declare(self, tensor: str, *, shaped: bool) -> onnx.ValueInfoProto:
        """Declare a tensor of the file, with its type or with its element type alone."""
        type = self._types.get(tensor) or type_proto(self.program.types[self.values[tensor]])
        return declare(tensor, type, shaped=shaped)


def stamp_of(node: onnx.NodeProto) -> str | None:
    """Return the path of the component that a node belongs to."""
    return next((entry.value for entry in node.metadata_props if entry.key == PATH), None)


def output_tensors(stamped: StampedModel, call: Call) -> Iterator[tuple[str, str]]:
    """Yield each output value of the call with its tensor in the file, and with its copies as outputs of the model."""
    for value in call.outputs:
        yield value, stamped.tensors[value]
        for output, source in stamped.program.outputs.items():
            if source == value and output != stamped.tensors[value] and stamped.producer(output) == call.path:
                yield value, output


@dataclass
class _BackwardSearch:
    """A walk back from the outputs: `nodes` by index, and the tensors that they read but none of them computes."""

    stamped: StampedModel
    outputs: frozenset[str]
    is_end: Callable[[str], bool]

    def __post_init__(self) -> None:
        self.nodes: set[int] = set()
        self.inputs: dict[str, None] = {}
        self.initializers: dict[str, None] = {}

    def follow(self, tensor: str) -> None:
        """Walk back from a tensor to the ends, the initializers, and the inputs of the model."""
        pending = [tensor]
        while pending:
            name = pending.pop()
            if name not in self.outputs and self.is_end(name):
                self.inputs[name] = None
            elif name in self.stamped.initializers:
                self.initializers[name] = None
            elif name in self.stamped.producers:
                index = self.stamped.producers[name]
                if index not in self.nodes:
                    self.nodes.add(index)
                    pending.extend(reads(self.stamped.model.graph.node[index]))
            else:
                self.inputs[name] = None


def _elsewhere(tensor: onnx.TensorProto) -> onnx.TensorProto:
    """Return an initializer without its bytes, which a session gets with the model."""
    stub = onnx.TensorProto(name=tensor.name, dims=tensor.dims, data_type=tensor.data_type)
    stub.data_location = onnx.TensorProto.EXTERNAL
    stub.external_data.add(key="location", value="none")
    return stub


def _mapped(tensor: onnx.TensorProto, folder: Path) -> Array:
    """Map the bytes of an initializer from the file beside the model."""
    location = {entry.key: entry.value for entry in tensor.external_data}
    dtype = tensor_dtype_to_np_dtype(tensor.data_type)
    shape, offset = tuple(tensor.dims), int(location.get("offset", 0))
    if 0 in shape:
        return np.empty(shape, dtype)  # no bytes can be mapped
    array: np.ndarray[Any, Any] = np.memmap(folder / location["location"], dtype, "r", offset, shape or (1,))
    return array.reshape(shape)
