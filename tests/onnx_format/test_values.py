"""Declarations of values: made of types, and read from files of any origin."""

from __future__ import annotations

import onnx
import pytest
from onnx import TensorProto, helper

from stackc.core.types import DTYPES, Dim, TensorType, shape
from stackc.onnx_format.files import declared_inputs
from stackc.onnx_format.values import declare, read_value, type_proto, without_dim_names
from stackc.runtime import ValueInfo

N = Dim.symbol("n")


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_declared_type_is_read_again(dtype: str) -> None:
    value = declare("x", type_proto(TensorType(dtype, shape(N, N * 2, 3))))
    assert read_value(value) == ValueInfo("x", dtype, ("n", "2*n", 3))


def test_dims_need_not_be_named() -> None:
    """By the maker of the type, or afterwards; the original keeps its names."""
    type = TensorType("float32", shape(N, 3))
    for unnamed in (type_proto(type, named=False), without_dim_names(type_proto(type))):
        assert read_value(declare("x", unnamed)).shape == (None, 3)
    assert read_value(declare("x", type_proto(type))).shape == ("n", 3)


def test_a_declaration_may_have_no_shape_or_no_type() -> None:
    type = type_proto(TensorType("int64", shape(N, 3)))
    shapeless = declare("x", type, shaped=False)
    assert shapeless.type.tensor_type.elem_type == TensorProto.INT64
    assert not shapeless.type.tensor_type.HasField("shape")
    assert declare("x") == onnx.ValueInfoProto(name="x")


def test_types_other_than_tensors_of_known_rank_are_described() -> None:
    sequence = helper.make_tensor_sequence_value_info("s", TensorProto.FLOAT, None)
    unranked = helper.make_tensor_value_info("u", TensorProto.FLOAT, None)
    descriptions = [read_value(value).dtype for value in (sequence, unranked, onnx.ValueInfoProto(name="x"))]
    assert descriptions == ["sequence", "tensor of any rank", "unknown"]


def test_an_initialized_input_need_not_be_fed() -> None:
    x, w = (helper.make_tensor_value_info(name, TensorProto.DOUBLE, [2]) for name in "xw")
    weight = helper.make_tensor("w", TensorProto.DOUBLE, [2], [1.0, 2.0])
    model = helper.make_model(helper.make_graph([], "g", [x, w], [], [weight]))
    assert declared_inputs(model) == (ValueInfo("x", "float64", (2,)),)
