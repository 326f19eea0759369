"""Normalizations on any axis, against the classes of torch.nn on transposed data and against NumPy."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from stackc.components.base import Component, Limit, SignatureError
from stackc.components.families.norm import (
    BatchNorm,
    DynamicTanh,
    GroupNorm,
    InstanceNorm,
    LayerNorm,
    LocalResponseNorm,
    RmsNorm,
)
from stackc.core.types import Dim, TensorType, shape

Refused = Callable[..., SignatureError]

BATCH, SEQ = Dim.symbol("batch"), Dim.symbol("seq")
LAST = TensorType("float64", shape(BATCH, SEQ, 6))
IMAGE = TensorType("float64", shape(BATCH, Dim.symbol("height"), Dim.symbol("width"), 6))


def randomized(module: nn.Module) -> nn.Module:
    """Parameters and running statistics away from the ones and zeros they start as."""
    for tensor in module.state_dict().values():
        if tensor.is_floating_point():
            tensor.copy_(torch.rand_like(tensor) + 0.5)
    return module.double()


@pytest.fixture
def x() -> Tensor:
    torch.manual_seed(0)
    return torch.randn(4, 5, 6, dtype=torch.float64)


@pytest.fixture
def image() -> Tensor:
    torch.manual_seed(0)
    return torch.randn(4, 3, 5, 6, dtype=torch.float64)


def test_batch_norm_features_last_trains_and_evaluates_as_torch_on_transposed_data(x: Tensor) -> None:
    ours = randomized(BatchNorm(axis=-1, momentum=0.3).module(LAST))
    theirs = nn.BatchNorm1d(6, momentum=0.3).double()
    theirs.load_state_dict(ours.state_dict())
    for _ in range(2):
        torch.testing.assert_close(ours(x), theirs(x.transpose(1, 2)).transpose(1, 2))
    torch.testing.assert_close(ours.state_dict(), theirs.state_dict())
    torch.testing.assert_close(ours.eval()(x), theirs.eval()(x.transpose(1, 2)).transpose(1, 2))
    assert theirs.num_batches_tracked == 2


def test_batch_norm_of_images_features_last(image: Tensor) -> None:
    ours = randomized(BatchNorm(axis=3).module(IMAGE))
    theirs = nn.BatchNorm2d(6).double()
    theirs.load_state_dict(ours.state_dict())
    torch.testing.assert_close(ours(image), theirs(image.movedim(3, 1)).movedim(1, 3))
    torch.testing.assert_close(ours.state_dict(), theirs.state_dict())


@pytest.mark.parametrize(("ours", "theirs"), [(LayerNorm, nn.LayerNorm), (RmsNorm, nn.RMSNorm)])
def test_over_several_axes(ours: Callable[..., Component], theirs: Callable[..., nn.Module], image: Tensor) -> None:
    """Axes are taken in the order of x, in whichever order they are written."""
    type_ = IMAGE.with_shape(BATCH, 3, 5, 6)
    last = randomized(ours(axis=(-1, 2), eps=1e-3).module(type_))
    stock = theirs((5, 6), eps=1e-3).double()
    stock.load_state_dict(last.state_dict())
    torch.testing.assert_close(last(image), stock(image))
    between = randomized(ours(axis=(1, 3), eps=1e-3).module(type_))
    stock = theirs((3, 6), eps=1e-3).double()
    stock.load_state_dict(between.state_dict())
    torch.testing.assert_close(between(image), stock(image.transpose(1, 2)).transpose(1, 2))


def test_error_axes(refused: Refused) -> None:
    error = refused(LayerNorm(axis=(1, -2)), LAST)
    assert error.message == "axis [1, -2] must name one or more axes of float64[batch, seq, 6], each once"
    assert error.field == "axis"
    assert refused(RmsNorm(axis=()), LAST).message.startswith("axis [] must name")


@pytest.mark.parametrize("affine", [False, True])
def test_instance_norm_features_last(x: Tensor, affine: bool) -> None:
    ours = randomized(InstanceNorm(axis=-1, affine=affine).module(LAST))
    theirs = nn.InstanceNorm1d(6, affine=affine).double()
    theirs.load_state_dict(ours.state_dict())
    torch.testing.assert_close(ours(x), theirs(x.transpose(1, 2)).transpose(1, 2))


def test_instance_norm_of_images_features_between(image: Tensor) -> None:
    component = InstanceNorm(axis=2)
    ours = component.module(IMAGE.with_shape(BATCH, 3, 5, 6))
    torch.testing.assert_close(ours(image), nn.InstanceNorm2d(5)(image.movedim(2, 1)).movedim(1, 2))


def test_group_norm_features_last(x: Tensor) -> None:
    ours = randomized(GroupNorm(groups=3, axis=-1).module(LAST))
    theirs = nn.GroupNorm(3, 6).double()
    theirs.load_state_dict(ours.state_dict())
    torch.testing.assert_close(ours(x), theirs(x.transpose(1, 2)).transpose(1, 2))


def test_layer_norm_features_first(x: Tensor) -> None:
    ours = randomized(LayerNorm(axis=1).module(LAST.with_shape(BATCH, 5, SEQ)))
    theirs = nn.LayerNorm(5).double()
    theirs.load_state_dict(ours.state_dict())
    torch.testing.assert_close(ours(x), theirs(x.transpose(1, 2)).transpose(1, 2))


@pytest.mark.parametrize("axis", [1, 2])
def test_rms_norm_is_its_formula(x: Tensor, axis: int) -> None:
    module = randomized(RmsNorm(axis=axis, eps=1e-3).module(LAST.with_shape(BATCH, 5, 6)))
    a, weight = x.numpy(), module.get_parameter("weight").detach().numpy()
    scaled = a / np.sqrt((a**2).mean(axis=axis, keepdims=True) + 1e-3)
    expected = scaled * np.expand_dims(weight, tuple(i for i in range(2) if i != axis - 1))
    np.testing.assert_allclose(module(x).detach(), expected, rtol=1e-12)


@pytest.mark.parametrize(
    ("component", "x", "expected"),
    [
        (BatchNorm(), LAST.with_shape(BATCH, 6), nn.BatchNorm1d),
        (BatchNorm(axis=1), LAST.with_shape(BATCH, 6, SEQ), nn.BatchNorm1d),
        (BatchNorm(axis=-3), LAST.with_shape(BATCH, 6, SEQ, SEQ), nn.BatchNorm2d),
        (BatchNorm(axis=1), LAST.with_shape(BATCH, 6, SEQ, SEQ, SEQ), nn.BatchNorm3d),
        (InstanceNorm(axis=1), LAST.with_shape(BATCH, 6, SEQ), nn.InstanceNorm1d),
        (InstanceNorm(axis=1), LAST.with_shape(BATCH, 6, SEQ, SEQ), nn.InstanceNorm2d),
        (InstanceNorm(axis=1), LAST.with_shape(BATCH, 6, SEQ, SEQ, SEQ), nn.InstanceNorm3d),
        (GroupNorm(groups=2, axis=1), LAST.with_shape(BATCH, 6, SEQ), nn.GroupNorm),
        (LayerNorm(), LAST, nn.LayerNorm),
        (RmsNorm(), LAST, nn.RMSNorm),
    ],
)
def test_stock_class_where_torch_has_one(component: Component, x: TensorType, expected: type[nn.Module]) -> None:
    assert type(component.module(x)) is expected


def test_limit_of_instance_norm_is_that_of_torch(x: Tensor) -> None:
    component = InstanceNorm(axis=-1)
    reason = "it computes statistics over the positions of a sample"
    assert component.signature(LAST).limits == (Limit(SEQ, reason, minimum=2),)
    with pytest.raises(ValueError, match="Expected more than 1 spatial element"):
        component.module(LAST).eval()(x[:, :1])


def test_limit_of_group_norm_is_that_of_torch(x: Tensor) -> None:
    component = GroupNorm(groups=6, axis=-1)
    assert [limit.dim for limit in component.signature(LAST).limits] == [BATCH * SEQ]
    with pytest.raises(ValueError, match="Expected more than 1 value per channel"):
        component.module(LAST).double()(x[:1, :1])


@pytest.mark.parametrize("component", [BatchNorm(), InstanceNorm(), GroupNorm(groups=2)])
def test_error_ambiguous_axis(refused: Refused, component: Component) -> None:
    error = refused(component, LAST)
    assert error.message == "which axis of float64[batch, seq, 6] is the feature axis?"
    assert (error.code, error.port) == ("T204", "x")
    assert error.hint == "write `axis: 1` for channels first, `axis: -1` for features last"


def test_error_batch_axis(refused: Refused) -> None:
    error = refused(BatchNorm(axis=0), LAST)
    assert (error.message, error.field) == ("the batch axis cannot be the feature axis", "axis")


def test_error_no_feature_axis(refused: Refused) -> None:
    assert refused(BatchNorm(), LAST.with_shape(BATCH)).message == (
        "expects [batch, features, ...], got float64[batch]"
    )


def test_error_features_known_only_at_run_time(refused: Refused) -> None:
    error = refused(LayerNorm(axis=1), LAST)
    assert error.message == ("the feature axis is 'seq', known only at run time, but must be a number here")


def test_error_instance_norm_without_positions(refused: Refused) -> None:
    error = refused(InstanceNorm(), LAST.with_shape(BATCH, 6))
    assert error.message == "a sample of float64[batch, 6] has no positions to compute statistics over"
    assert error.hint == "layer_norm computes them over the features, batch_norm over the batch"


def test_error_groups_do_not_divide(refused: Refused) -> None:
    error = refused(GroupNorm(groups=4, axis=-1), LAST)
    assert (error.code, error.message) == ("T202", "groups 4 does not divide features 6")
    assert (error.field, error.hint) == ("groups", "3 or 6 would work")


@pytest.mark.parametrize("size", [1, 2, 5, 9])
@pytest.mark.parametrize("rank", [3, 4, 5])
def test_local_response_norm_is_that_of_torch(size: int, rank: int) -> None:
    x = torch.randn(2, 6, *range(3, 1 + rank), dtype=torch.float64)
    component = LocalResponseNorm(size=size, alpha=0.3, beta=0.6, k=2.0)
    type_ = TensorType("float64", shape(*x.shape))
    torch.testing.assert_close(
        component.module(type_)(x), nn.LocalResponseNorm(size, 0.3, 0.6, 2.0)(x), rtol=1e-13, atol=0
    )


def test_rms_norm_with_an_offset_is_that_of_gemma(x: Tensor) -> None:
    from transformers.models.gemma2.modeling_gemma2 import Gemma2RMSNorm

    theirs = Gemma2RMSNorm(6, eps=1e-3)
    assert torch.equal(RmsNorm(offset=1.0).module(LAST).get_parameter("weight"), theirs.weight)  # zeros, at first
    randomized(theirs)
    for component, moved in ((RmsNorm(offset=1.0, eps=1e-3), x), (RmsNorm(offset=1.0, eps=1e-3, axis=1), x.mT)):
        ours = component.module(LAST if moved is x else LAST.with_shape(BATCH, 6, SEQ)).double()
        ours.load_state_dict(theirs.state_dict())
        y = ours(moved) if moved is x else ours(moved).mT
        torch.testing.assert_close(y, theirs(x), rtol=1e-6, atol=1e-6)  # it normalizes in float32


def test_error_offset_without_a_weight(refused: Refused) -> None:
    error = refused(RmsNorm(offset=1.0, affine=False), LAST)
    assert (error.message, error.field) == ("offset has no meaning without a weight", "offset")


@pytest.mark.parametrize("axis", [None, 1])
def test_dynamic_tanh(axis: int | None, x: Tensor) -> None:
    type_ = LAST if axis is None else LAST.with_shape(BATCH, 5, SEQ)
    module = randomized(DynamicTanh(axis=axis, initial=0.75).module(type_))
    alpha, weight, bias = (p.detach().numpy() for p in module.parameters())
    aligned = (weight, bias) if axis is None else (weight[:, None], bias[:, None])
    expected = np.tanh(alpha * x.numpy()) * aligned[0] + aligned[1]
    np.testing.assert_allclose(module(x).detach(), expected, rtol=1e-14)
    assert DynamicTanh(initial=0.75).module(LAST).get_parameter("alpha").tolist() == [0.75]
