"""Constants, positions, coordinates, casts and one-hot vectors, against PyTorch and ONNX's reference evaluator."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import onnx
import pytest
import torch
import torch.nn.functional as F
from onnx import helper
from onnx.reference import ReferenceEvaluator

from stackc.components.base import SignatureError
from stackc.components.families.values import Cast, Constant, Coordinates, OneHot, Positions, RelativePositions
from stackc.core.types import Dim, TensorType, shape

Refused = Callable[..., SignatureError]
BATCH, SEQ = Dim.symbol("batch"), Dim.symbol("seq")
X = TensorType("float32", shape(BATCH, SEQ, 4))
IDS = TensorType("int64", shape(BATCH, SEQ))


def by_onnx(op: str, *inputs: Any, **attributes: Any) -> np.ndarray[Any, Any]:
    """Return what ONNX's reference evaluator computes."""
    names = [f"x{i}" for i in range(len(inputs))]
    declared = [
        helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(np.asarray(x).dtype), None)
        for name, x in zip(names, inputs, strict=True)
    ]
    node = helper.make_node(op, names, ["y"], **attributes)
    graph = helper.make_graph([node], "reference", declared, [helper.make_tensor_value_info("y", 0, None)])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])
    (y,) = ReferenceEvaluator(model).run(None, {name: np.asarray(x) for name, x in zip(names, inputs, strict=True)})
    return np.asarray(y)


@pytest.mark.parametrize("dtype", ["float32", "int64", "int32", "bool"])
def test_cast_is_that_of_onnx(dtype: Literal["float32", "int64", "int32", "bool"]) -> None:
    x = torch.tensor([-2.7, -0.5, 0.0, 0.5, 1.0, 2.7])
    to = getattr(onnx.TensorProto, {"float32": "FLOAT"}.get(dtype, dtype.upper()))
    y = Cast(dtype=dtype).module(X)(x)
    assert str(y.dtype) == f"torch.{dtype}"
    np.testing.assert_array_equal(y, by_onnx("Cast", x.numpy(), to=to))


def test_cast_to_float32_has_the_precision_of_the_model() -> None:
    module = Cast().module(IDS)
    ids = torch.tensor([0, 16_777_217])  # the first whole number that float32 does not have
    assert module(ids).dtype == torch.float32
    double = module.double()(ids)
    assert double.dtype == torch.float64
    assert double.tolist() == [0, 16_777_217]
    assert not module.state_dict()
    assert Cast(dtype="int64").module(X).double()(torch.tensor([1.5])).dtype == torch.int64


def test_constants() -> None:
    assert Constant(value=2.5).module()().equal(torch.tensor(2.5))
    assert Constant(value=(1, 2), dtype="int64").module()().equal(torch.tensor([1, 2]))
    assert Constant(value=3, shape=(2, 1)).module()().equal(torch.full((2, 1), 3.0))
    grid = Constant(value=(1, 2, 3, 4), shape=(2, 2)).module()()
    assert grid.equal(torch.tensor([[1.0, 2], [3, 4]]))
    assert Constant(value=0.1).module().double()().item() == 0.1


def test_a_constant_of_the_weights_is_a_buffer() -> None:
    component = Constant(shape=(2, 3))
    assert component.signature().buffers == {"value": TensorType("float32", shape(2, 3))}
    assert not component.signature().parameters
    module = component.module()
    module.load_state_dict({"value": torch.arange(6.0).view(2, 3)})
    assert module().equal(torch.arange(6.0).view(2, 3))
    assert [*module.parameters()] == []


def test_error_constants(refused: Refused) -> None:
    error = refused(Constant())
    assert (error.code, error.message) == ("T208", "requires a value or a shape")
    assert refused(Constant(value=(1, 2), shape=(3,))).message == "value has 2 numbers, but shape [3] holds 3"
    assert refused(Constant(value=(1,), shape=(3,))).message == "value has 1 numbers, but shape [3] holds 3"
    assert refused(Constant(value=0.5, dtype="int64")).message == "value 0.5 is not of type int64"
    assert refused(Constant(value=2, dtype="bool")).message == "value 2 is not of type bool"
    assert refused(Constant(value=1 << 40, dtype="int32")).code == "T203"


def test_positions() -> None:
    x = torch.zeros(2, 5, 4)
    assert Positions().module(X)(x).equal(torch.arange(5))
    assert Positions(axis=-1, start=2).module(X)(x).equal(torch.arange(2, 6))
    assert Positions(dtype="float32").module(X).double()(x).equal(torch.arange(5, dtype=torch.float64))
    np.testing.assert_array_equal(Positions(start=1).module(X)(x), by_onnx("Range", 1, 6, 1))


def ids_of_distances(size: int, max_distance: int, queries: int, keys: int) -> torch.Tensor:
    types = TensorType("int64", shape(1, queries)), TensorType("float32", shape(1, keys, 4))
    component = RelativePositions(size=size, max_distance=max_distance)
    ids: torch.Tensor = component.module(*types)(torch.zeros(1, queries, dtype=torch.int64), torch.zeros(1, keys, 4))
    return ids


@pytest.mark.parametrize(
    ("size", "max_distance"), [(256, 512), (64, 512), (8, 33), (6, 19), (4, 10), (32, 0), (7, 0), (4, 4)]
)
def test_relative_positions_are_those_of_deberta(size: int, max_distance: int) -> None:
    """The original rounds a logarithm in float32."""
    from transformers.models.deberta_v2.modeling_deberta_v2 import build_relative_position

    queries, keys = 3, 2 * max(size, max_distance) + 5
    for rows, columns in ((queries, keys), (keys, queries)):
        distances: Any = build_relative_position(
            torch.zeros(rows, 1), torch.zeros(columns, 1), size if max_distance else -1, max_distance or size
        )
        expected = (distances[0] + size).clamp(0, 2 * size - 1)
        ids = ids_of_distances(size, max_distance, rows, columns)
        assert ids.equal(expected)
        assert {int(ids.min()), int(ids.max())} & {0, 2 * size - 1}


def test_error_relative_positions_without_room(refused: Refused) -> None:
    error = refused(RelativePositions(size=7, max_distance=30), X)
    assert error.message == "size 7 must be even and at least 4: half of it are distances with an id each"
    assert error.field == "size"
    error = refused(RelativePositions(size=8, max_distance=5), X)
    assert error.message == "max_distance 5 must be above 5: shorter distances have an id each"
    assert refused(RelativePositions(size=8), TensorType("float32", shape(BATCH))).port == "x"


@pytest.mark.parametrize("size", [1, 2, 7])
def test_coordinates_of_corners_are_those_of_linspace(size: int) -> None:
    image = TensorType("float64", shape(BATCH, 3, SEQ, 4))
    y = Coordinates(min=-2, max=3).module(image)(torch.zeros(2, 3, size, 4, dtype=torch.float64))
    assert list(y.shape) == [2, 2, size, 4]
    rows, columns = (torch.linspace(-2, 3, n, dtype=torch.float64) for n in (size, 4))
    torch.testing.assert_close(y[1, 0], rows.unsqueeze(1).expand(size, 4), rtol=1e-15, atol=1e-15)
    torch.testing.assert_close(y[1, 1], columns.expand(size, 4), rtol=1e-15, atol=1e-15)


@pytest.mark.parametrize("align_corners", [True, False])
def test_coordinates_are_the_grid_that_grid_sample_keeps(align_corners: bool) -> None:
    """An image sampled at its own coordinates is the image."""
    image = torch.randn(2, 3, 4, 6, dtype=torch.float64)
    component = Coordinates(align_corners=align_corners)
    type_ = TensorType("float64", shape(BATCH, 3, 4, 6))
    grid = component.module(type_)(image).flip(1).permute(0, 2, 3, 1)  # grid_sample takes columns first
    torch.testing.assert_close(F.grid_sample(image, grid, align_corners=align_corners), image)


def test_one_hot_is_that_of_pytorch_and_onnx() -> None:
    ids = torch.tensor([[0, 2], [1, 0]])
    y = OneHot(classes=3, dtype="int64").module(IDS)(ids)
    assert y.equal(F.one_hot(ids, 3))
    np.testing.assert_array_equal(y, by_onnx("OneHot", ids.numpy(), np.int64(3), np.array([0, 1])))
    assert OneHot(classes=3).module(IDS).double()(ids).equal(y.double())


def test_one_hot_of_no_class_is_zero() -> None:
    assert OneHot(classes=3).module(IDS)(torch.tensor([-1, 3])).equal(torch.zeros(2, 3))


def test_error_one_hot_of_floats(refused: Refused) -> None:
    assert refused(OneHot(classes=3), X).code == "T203"
