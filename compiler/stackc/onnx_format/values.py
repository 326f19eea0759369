"""Declarations of values, ONNX's ValueInfo: made of a name and a type, and read."""

from __future__ import annotations

from functools import lru_cache

import onnx

from stackc.core.types import TensorType
from stackc.runtime import ValueInfo
from stackc.runtime.feeds import numpy_name

_ELEMENTS = {
    "float32": onnx.TensorProto.FLOAT,
    "float64": onnx.TensorProto.DOUBLE,
    "float16": onnx.TensorProto.FLOAT16,
    "bfloat16": onnx.TensorProto.BFLOAT16,
    "int64": onnx.TensorProto.INT64,
    "int32": onnx.TensorProto.INT32,
    "int8": onnx.TensorProto.INT8,
    "uint8": onnx.TensorProto.UINT8,
    "bool": onnx.TensorProto.BOOL,
}


def declare(name: str, type: onnx.TypeProto | None = None, *, shaped: bool = True) -> onnx.ValueInfoProto:
    """Return the declaration of a value: by name alone, with its type, or with its element type alone."""
    if type is None or shaped:
        return onnx.ValueInfoProto(name=name, type=type)

    value = onnx.ValueInfoProto(name=name)
    value.type.tensor_type.elem_type = type.tensor_type.elem_type
    return value


@lru_cache(maxsize=4096)
def type_proto(type: TensorType, *, named: bool = True) -> onnx.TypeProto:
    """Return the type as ONNX writes it: numbers as numbers, dims of the contract by name, others by their expression.

    ONNX Runtime plans memory by the equality of these names: equal dims have equal names, and different dims different
    ones. Unless `named`, nothing is said about a dim that is not a number. The result is shared: do not change it.
    """
    proto = onnx.TypeProto()
    proto.tensor_type.elem_type = _ELEMENTS[type.dtype]
    proto.tensor_type.shape.SetInParent()
    for dim in type.shape:
        if dim.constant is not None:
            proto.tensor_type.shape.dim.add(dim_value=dim.constant)
        else:
            proto.tensor_type.shape.dim.add(dim_param=str(dim) if named else None)
    return proto


def without_dim_names(type: onnx.TypeProto) -> onnx.TypeProto:
    """Return a copy of the type without the names of its dims, which belong to the graph that it was traced in."""
    unnamed = onnx.TypeProto()
    unnamed.CopyFrom(type)
    for dim in unnamed.tensor_type.shape.dim:
        if dim.HasField("dim_param"):
            dim.Clear()
    return unnamed


def read_value(value: onnx.ValueInfoProto) -> ValueInfo:
    """Return name, element type by NumPy's name, and shape.

    The element type of anything but a tensor of known rank is a description: "sequence", "tensor of any rank".
    """
    kind = (value.type.WhichOneof("value") or "unknown_type").removesuffix("_type")
    tensor = value.type.tensor_type
    if kind != "tensor" or not tensor.HasField("shape"):
        return ValueInfo(value.name, "tensor of any rank" if kind == "tensor" else kind, ())

    element = onnx.TensorProto.DataType.Name(tensor.elem_type).lower()
    shape = tuple(d.dim_value if d.HasField("dim_value") else d.dim_param or None for d in tensor.shape.dim)
    return ValueInfo(value.name, numpy_name(element), shape)
