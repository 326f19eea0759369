"""The object, what a unit is compiled to: nodes over local names, ready to be linked under any path; to bytes and back.

split.py makes objects, the cache keeps their bytes, link.py instantiates their nodes. Local names say what a value is:
`x0` is the first input, `p.weight` a parameter or buffer, `r0` a result of a weight subgraph, `c0` a constant, `v0` an
intermediate value. They are given in one fixed order, so that a unit has the same object in any batch.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import onnx

from stackc.onnx_format.nodes import reads
from stackc.onnx_format.values import declare

FORMAT = "stackc object 1"
# The first version with node metadata, where the linker stamps provenance; every opset up to 23 may be used with it.
IR_VERSION = 10


@dataclass(frozen=True, slots=True)
class WeightSubgraph:
    """A subgraph that depends on these parameters alone; it is folded: run once, before the model is written.

    `model` is a serialized ONNX model with the inputs `parameters` and the outputs `results`, in order.
    """

    parameters: tuple[str, ...]
    results: tuple[str, ...]
    model: bytes


def opset_imports(nodes: Iterable[onnx.NodeProto], opset: int) -> list[onnx.OperatorSetIdProto]:
    """Return the imports for these nodes: ONNX's own operators first, then version 1 of every other domain."""
    others = sorted({node.domain for node in nodes if node.domain})
    return [onnx.OperatorSetIdProto(domain="", version=opset), *(onnx.helper.make_opsetid(d, 1) for d in others)]


@dataclass(frozen=True, eq=False)
class Object:
    """A compiled unit.

    `nodes` are in an order that can be run. `outputs` may name any value: an input that the component passes on, or a
    parameter or constant if it depends on no input. `constraints` are conditions on the sizes of its inputs beyond the
    unit's own types; `x0_1` in them is the size of axis 1 of input 0.
    """

    nodes: tuple[onnx.NodeProto, ...]
    outputs: tuple[str, ...]
    constants: tuple[onnx.TensorProto, ...]
    subgraphs: tuple[WeightSubgraph, ...]
    constraints: tuple[str, ...]
    opset: int

    @cached_property
    def parameters(self) -> tuple[str, ...]:
        """The parameters and buffers that nodes or outputs use unchanged, in the order they are met."""
        names = [*(name for node in self.nodes for name in reads(node)), *self.outputs]
        return tuple(dict.fromkeys(name.removeprefix("p.") for name in names if name.startswith("p.")))

    def to_bytes(self) -> bytes:
        """Return this object as one serialized ONNX model; equal objects have equal bytes."""
        model = onnx.ModelProto(ir_version=IR_VERSION, producer_name=FORMAT)
        model.opset_import.extend(opset_imports(self.nodes, self.opset))
        model.graph.name = "object"
        model.graph.node.extend(self.nodes)
        model.graph.initializer.extend(self.constants)
        model.graph.output.extend(declare(name) for name in self.outputs)

        subgraphs = [[s.parameters, s.results, base64.b64encode(s.model).decode()] for s in self.subgraphs]
        model.metadata_props.add(key="weight_subgraphs", value=json.dumps(subgraphs))
        model.metadata_props.add(key="constraints", value=json.dumps(self.constraints))
        data: bytes = model.SerializeToString(deterministic=True)
        return data

    @staticmethod
    def from_bytes(data: bytes) -> Object:
        """Return the object of these bytes.

        Raises ValueError if they are not an object, and google.protobuf's DecodeError if they are damaged.
        """
        model = onnx.ModelProto.FromString(data)
        if model.producer_name != FORMAT:
            raise ValueError(f"not an object of this version of stackc: '{model.producer_name}'")

        properties = {p.key: json.loads(p.value) for p in model.metadata_props}
        subgraphs = (
            WeightSubgraph(tuple(parameters), tuple(results), base64.b64decode(serialized))
            for parameters, results, serialized in properties["weight_subgraphs"]
        )
        return Object(
            nodes=tuple(model.graph.node),
            outputs=tuple(output.name for output in model.graph.output),
            constants=tuple(model.graph.initializer),
            subgraphs=tuple(subgraphs),
            constraints=tuple(properties["constraints"]),
            opset=model.opset_import[0].version,
        )
