"""The values of a program as the graph sees them: which ones are the same, and what type they are declared with."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

import onnx

from stackc.core.types import TensorType
from stackc.export.objects import Object
from stackc.ir.program import Call

_ELEMENTS = {
    "float32": onnx.TensorProto.FLOAT,
    "float64": onnx.TensorProto.DOUBLE,
    "float16": onnx.TensorProto.FLOAT16,
    "bfloat16": onnx.TensorProto.BFLOAT16,
    "int64": onnx.TensorProto.INT64,
    "int32": onnx.TensorProto.INT32,
    "bool": onnx.TensorProto.BOOL,
}


def roots_of(uses: Iterable[tuple[Call, Object]]) -> dict[str, str]:
    """The value behind every value that a call only passes on (identity, dropout) or gives a second time."""
    roots: dict[str, str] = {}
    for call, compiled in uses:
        first: dict[str, str] = {}
        for value, local in zip(call.outputs, compiled.outputs, strict=True):
            passed = call.inputs[int(local[1:])] if local[0] == "x" else first.setdefault(local, value)
            assert passed is not None, "an open port has no value to pass on"
            if passed != value:
                roots[value] = roots.get(passed, passed)
    return roots


@lru_cache(maxsize=4096)
def type_proto(type: TensorType, *, named: bool = True) -> onnx.TypeProto:
    """The type as ONNX writes it: numbers as numbers, dims of the contract by name, others by their expression.

    ONNX Runtime plans memory by the equality of these names: equal dims have equal names, and different ones never. A
    dim that is not to be named is one of which nothing is said.
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
