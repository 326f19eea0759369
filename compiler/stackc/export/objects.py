"""What a unit is compiled to: nodes over local names, ready to be linked under any path, and to bytes and back.

Local names say what a value is: `x0` is the first input, `p.weight` a parameter or buffer, `r0` a result of the
prologue, `c0` a constant, `v0` a value in between. They are given in one fixed order, so that a unit has the same
object whatever it was compiled together with.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import onnx

from stackc.onnx_format.nodes import reads

FORMAT = "stackc object 1"
# node metadata, where the linker stamps provenance, came with this version; every opset up to 23 may be used in it
IR_VERSION = 10


@dataclass(frozen=True, slots=True)
class WeightSubgraph:
    """A part of the prologue: what is calculated from these parameters alone, once, before the model is written.

    `model` is a serialized ONNX model of inputs `parameters` and outputs `results`, in order.
    """

    parameters: tuple[str, ...]
    results: tuple[str, ...]
    model: bytes


def opset_imports(nodes: Iterable[onnx.NodeProto], opset: int) -> list[onnx.OperatorSetIdProto]:
    """What a model of these nodes has to import: ONNX's own operators first, then version 1 of any other domain."""
    others = sorted({node.domain for node in nodes if node.domain})
    return [onnx.OperatorSetIdProto(domain="", version=opset), *(onnx.helper.make_opsetid(d, 1) for d in others)]


@dataclass(frozen=True, eq=False)
class Object:
    """A compiled unit.

    `nodes` stand in an order that can be run. `outputs` name any value: an input where the component passes it on, a
    parameter or a constant where it depends on no input. `constraints` are what has to hold of the sizes of its inputs
    beyond the unit's own types; `x0_1` in them is the size of axis 1 of input 0.
    """

    nodes: tuple[onnx.NodeProto, ...]
    outputs: tuple[str, ...]
    constants: tuple[onnx.TensorProto, ...]
    subgraphs: tuple[WeightSubgraph, ...]
    constraints: tuple[str, ...]
    opset: int

    @cached_property
    def parameters(self) -> tuple[str, ...]:
        """The parameters and buffers that nodes or outputs use as they are, in the order they are met."""
        met = [*(name for node in self.nodes for name in reads(node)), *self.outputs]
        return tuple(dict.fromkeys(name.removeprefix("p.") for name in met if name.startswith("p.")))

    def to_bytes(self) -> bytes:
        """This object as one ONNX model; equal objects have equal bytes."""
        model = onnx.ModelProto(ir_version=IR_VERSION, producer_name=FORMAT)
        model.opset_import.extend(opset_imports(self.nodes, self.opset))
        model.graph.name = "object"
        model.graph.node.extend(self.nodes)
        model.graph.initializer.extend(self.constants)
        model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in self.outputs)
        subgraphs = [[c.parameters, c.results, base64.b64encode(c.model).decode()] for c in self.subgraphs]
        model.metadata_props.add(key="cones", value=json.dumps(subgraphs))
        model.metadata_props.add(key="constraints", value=json.dumps(self.constraints))
        data: bytes = model.SerializeToString(deterministic=True)
        return data

    @staticmethod
    def from_bytes(data: bytes) -> Object:
        """The object again. ValueError where the bytes are none; google.protobuf's DecodeError where they are torn."""
        model = onnx.ModelProto.FromString(data)
        if model.producer_name != FORMAT:
            raise ValueError(f"not an object of this version of stackc: '{model.producer_name}'")
        properties = {p.key: json.loads(p.value) for p in model.metadata_props}
        return Object(
            nodes=tuple(model.graph.node),
            outputs=tuple(output.name for output in model.graph.output),
            constants=tuple(model.graph.initializer),
            subgraphs=tuple(WeightSubgraph(tuple(p), tuple(r), base64.b64decode(m)) for p, r, m in properties["cones"]),
            constraints=tuple(properties["constraints"]),
            opset=model.opset_import[0].version,
        )
