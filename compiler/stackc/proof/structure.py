"""The structure of the nodes of one call: equal for two calls that differ in nothing but their names and weights."""

from __future__ import annotations

import hashlib
from collections.abc import Hashable

import onnx

from stackc.export.functions import CONSTANT
from stackc.ir.program import Call
from stackc.onnx_format.nodes import renamed
from stackc.proof.stamped_model import StampedModel, output_tensors


def structure_of(stamped: StampedModel, call: Call) -> Hashable:
    """Return a key of the nodes that implement a call: operators, attributes, constants, and what each node reads.

    Values of other components are named by the ports that they are connected to. Weights count by type and shape,
    constants of the linker by their content.
    """
    outputs = [tensor for _, tensor in output_tensors(stamped, call)]
    computed = [tensor for tensor in outputs if stamped.producer(tensor) == call.path]
    cut = stamped.cut(computed, stamped.values.__contains__)

    ports = reversed([*enumerate(call.inputs)])
    names = {stamped.tensors[value]: f"port {port}" for port, value in ports if value is not None}
    names |= {name: _initializer_text(stamped.initializers[name]) for name in cut.initializers}

    def local(name: str) -> str:
        return names.setdefault(name, f"value {len(names)}")

    nodes = [renamed(stamped.model.graph.node[index], local) for index in cut.nodes]
    texts = [node.SerializeToString(deterministic=True) for node in nodes]
    return tuple(texts), tuple(map(local, outputs))


def _initializer_text(tensor: onnx.TensorProto) -> str:
    shape = f"{tensor.data_type} {list(tensor.dims)}"
    if not tensor.name.startswith(CONSTANT):
        return f"weight {shape}"
    content = onnx.TensorProto()
    content.CopyFrom(tensor)
    content.ClearField("name")
    return f"constant {shape} {hashlib.sha256(content.SerializeToString(deterministic=True)).hexdigest()}"
