"""Convolutions, against sums written out and the sizes of torch, and what they refuse."""

import math
import warnings
from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import onnx.helper
import onnx.reference
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from stackc.components.base import Component, SignatureError
from stackc.components.families.conv import Conv1d, Conv2d, Conv3d, ConvTranspose1d, ConvTranspose2d, PatchEmbed
from stackc.core.types import Bounds, Dim, DimRange, TensorType, shape

Refused = Callable[..., SignatureError]

BATCH, LENGTH = Dim.symbol("batch"), Dim.symbol("length")
H16, W16 = Dim.symbol("height", 16), Dim.symbol("width", 16)
IMAGE = TensorType("float32", shape(BATCH, 3, H16, W16))
SEQUENCE = TensorType("float32", shape(BATCH, 4, LENGTH))


def test_conv1d_is_the_sum_of_its_docstring() -> None:
    torch.manual_seed(0)
    component = Conv1d(out=2, kernel=3, stride=2, padding=2, dilation=2)
    module = component.module(SEQUENCE).double()
    x = torch.randn(1, 4, 7, dtype=torch.float64)
    w, b = (p.detach().numpy() for p in module.parameters())
    padded = np.pad(x[0].numpy(), ((0, 0), (2, 2)))
    expected = [[(w[o] * padded[:, 2 * i : 2 * i + 5 : 2]).sum() + b[o] for i in range(4)] for o in range(2)]
    np.testing.assert_allclose(module(x)[0].detach(), expected, rtol=1e-12)


def test_sizes_are_halved_and_doubled_without_a_remainder() -> None:
    half = Conv2d(out=8, kernel=3, stride=2, padding=1).signature(IMAGE).outputs[0]
    assert str(half) == "float32[batch, 8, height/2, width/2]"
    assert ConvTranspose2d(out=3, kernel=2, stride=2).signature(half).outputs == (IMAGE,)
    assert ConvTranspose2d(out=3, kernel=3, stride=2, padding=1, output_padding=1).signature(half).outputs == (IMAGE,)


def test_each_axis_may_have_numbers_of_its_own() -> None:
    """Height before width, against torch.nn.functional with the weights of the module."""
    x = torch.randn(2, 4, 16, 17, dtype=torch.float64)
    image = TensorType("float32", shape(2, 4, 16, 17))
    forward = Conv2d(out=6, kernel=(3, 2), stride=(2, 3), padding=(1, 0), dilation=(1, 4), groups=2)
    back = ConvTranspose2d(out=6, kernel=(3, 1), stride=(2, 3), padding=(1, 0), output_padding=(0, 2))
    patches = PatchEmbed(patch=(4, 17), dim=5)

    def agree(component: Component, expected: Callable[[Tensor, Tensor], Tensor]) -> None:
        module = component.module(image).double()
        y = module(x)
        torch.testing.assert_close(y, expected(*module.parameters()))
        assert component.signature(image).outputs == (image.with_shape(*y.shape),)

    agree(forward, lambda w, b: F.conv2d(x, w, b, (2, 3), (1, 0), (1, 4), 2))
    agree(back, lambda w, b: F.conv_transpose2d(x, w, b, (2, 3), (1, 0), (0, 2)))
    agree(patches, lambda w, b: F.conv2d(x, w, b, (4, 17)).flatten(2).mT)
    assert Conv2d(out=3, kernel=(3, 5), dilation=(2, 1), padding="same").margins(image) == ((2, 2), (2, 2))


def test_error_a_list_of_another_length(refused: Refused) -> None:
    error = refused(Conv1d(out=3, kernel=(3, 1)), SEQUENCE)
    assert error.message == "kernel [3, 1] has 2 numbers, but x has 1 axis to slide along, length"
    error = refused(Conv2d(out=3, kernel=3, padding=(1,)), IMAGE)
    assert error.message == ("padding [1] has 1 number, but x has 2 axes to slide along, height and width")
    assert error.field == "padding"


@pytest.mark.parametrize(("kernel", "dilation"), [(1, 1), (3, 1), (5, 3), (2, 2)])
def test_same_keeps_the_sizes(kernel: int, dilation: int) -> None:
    component = Conv2d(out=3, kernel=kernel, dilation=dilation, padding="same")
    assert component.signature(IMAGE).outputs == (IMAGE,)


def test_depthwise_weights_see_one_channel() -> None:
    signature = Conv2d(out=3, kernel=3, groups=3, padding="same", bias=False).signature(IMAGE)
    assert {name: str(t) for name, t in signature.parameters.items()} == {"weight": "float32[3, 1, 3, 3]"}
    assert signature.flops == 2 * 9 * 3 * BATCH * H16 * W16


def test_patches_go_row_by_row() -> None:
    module = PatchEmbed(patch=2, dim=4, bias=False).module(IMAGE.with_shape(1, 1, 4, 6)).double()
    x = torch.arange(24, dtype=torch.float64).reshape(1, 1, 4, 6)
    w = module.get_parameter("proj.weight").detach().flatten(1)
    patches = [x[0, 0, i : i + 2, j : j + 2].flatten() for i in (0, 2) for j in (0, 2, 4)]
    torch.testing.assert_close(module(x)[0].detach(), torch.stack(patches) @ w.T)
    y = PatchEmbed(patch=16, dim=4).signature(IMAGE).outputs[0]
    assert y.shape[1] == (H16 // 16) * (W16 // 16)


@pytest.mark.parametrize("kernel", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("stride", [1, 2, 3])
def test_same_is_tensorflow_s_padding_at_any_size(kernel: int, stride: int) -> None:
    """TensorFlow's closed form: (⌈n / stride⌉ − 1)·stride + kernel − n zeros in all, the odd one behind."""
    torch.manual_seed(0)
    dynamic, w = Conv2d(out=2, kernel=(kernel, 3), stride=(stride, 1), padding="same"), torch.randn(2, 3, kernel, 3)
    for size in range(1, 12):
        x = torch.randn(1, 3, size, 6)
        added = max((math.ceil(size / stride) - 1) * stride + kernel - size, 0)
        expected = F.conv2d(F.pad(x, (1, 1, added // 2, added - added // 2)), w, stride=(stride, 1))
        assert expected.shape[2] == math.ceil(size / stride)
        for image in (IMAGE.with_shape(1, 3, LENGTH, 6), IMAGE.with_shape(1, 3, size, 6)):
            module = dynamic.module(image)
            module.load_state_dict({"weight": w, "bias": torch.zeros(2)})
            torch.testing.assert_close(module(x), expected)
            (y,) = dynamic.signature(image).outputs
            assert [d.evaluate({"length": size}) for d in y.shape] == [*expected.shape]


def test_same_with_an_even_kernel_is_pytorch_s() -> None:
    x = torch.randn(1, 3, 9)
    sequence = SEQUENCE.with_shape(1, 3, LENGTH)
    for kernel, dilation in ((4, 1), (2, 1), (2, 3)):
        module = Conv1d(out=2, kernel=kernel, dilation=dilation, padding="same").module(sequence)
        reference = torch.nn.Conv1d(3, 2, kernel, padding="same", dilation=dilation)
        module.load_state_dict(reference.state_dict())
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # PyTorch warns that it copies the input to pad it
            torch.testing.assert_close(module(x), reference(x))


def test_margins_before_and_after_are_those_of_onnx() -> None:
    """ONNX lists all beginnings before all ends."""
    x, component = torch.randn(2, 3, 16, 16), Conv2d(out=4, kernel=3, stride=2, padding=(0, 1, 2, 3))
    module = component.module(IMAGE.with_shape(2, 3, 16, 16))
    w, b = module.parameters()
    node = onnx.helper.make_node("Conv", ["x", "w", "b"], ["y"], strides=[2, 2], pads=[0, 1, 2, 3])
    feeds = {"x": x.numpy(), "w": w.detach().numpy(), "b": b.detach().numpy()}
    results: Any = onnx.reference.ReferenceEvaluator(node).run(None, feeds)
    expected = results[0]
    np.testing.assert_allclose(module(x).detach(), expected, atol=1e-5)
    assert str(component.signature(IMAGE).outputs[0]) == "float32[batch, 4, height/2, width/2 + 1]"


@pytest.mark.parametrize("mode", ["reflect", "replicate", "circular"])
def test_margins_of_other_modes_are_pytorch_s(mode: Any) -> None:
    x = torch.randn(2, 3, 16, 16)
    even = Conv2d(out=4, kernel=3, padding=(1, 2), padding_mode=mode).module(IMAGE)
    reference = torch.nn.Conv2d(3, 4, 3, padding=(1, 2), padding_mode=mode)
    even.load_state_dict(reference.state_dict())
    torch.testing.assert_close(even(x), reference(x))
    uneven = Conv2d(out=4, kernel=3, padding=(0, 2, 1, 3), padding_mode=mode).module(IMAGE)
    uneven.load_state_dict(reference.state_dict())
    torch.testing.assert_close(uneven(x), F.conv2d(F.pad(x, (2, 3, 0, 1), mode), reference.weight, reference.bias))


def test_margins_need_what_they_repeat(refused: Refused) -> None:
    sequence = SEQUENCE.with_shape(1, 4, LENGTH)
    modes: list[tuple[Literal["reflect", "circular"], int]] = [("reflect", 4), ("circular", 3)]
    for mode, least in modes:
        limit = Conv1d(out=2, kernel=3, padding=3, padding_mode=mode).signature(sequence).limits[-1]
        assert (str(limit.dim), limit.minimum) == ("length", least)
    error = refused(Conv1d(out=2, kernel=3, padding=3, padding_mode="reflect"), SEQUENCE.with_shape(1, 4, 3))
    assert error.message == "cannot mirror 3 entries of an axis of 3: it must be longer"


def test_error_same_beside_what_onnx_lacks(refused: Refused) -> None:
    """The help is the same padding in numbers, which is accepted."""
    image = IMAGE.with_shape(1, 3, LENGTH, LENGTH)
    error = refused(Conv2d(out=3, kernel=(3, 4), stride=2, dilation=2, padding="same"), image)
    message = "padding same cannot be combined with stride and dilation if sizes are no multiples of the stride"
    assert (error.message, error.field) == (message, "padding")
    assert error.hint == "write `padding: [1, 2, 2, 3]`, which is the same where they are"
    written = Conv2d(out=3, kernel=(3, 4), stride=2, dilation=2, padding=(1, 2, 2, 3))
    assert written.margins(image) == Conv2d(out=3, kernel=(3, 4), stride=2, dilation=2, padding="same").margins(IMAGE)
    error = refused(Conv2d(out=3, kernel=3, stride=2, padding="same", padding_mode="reflect"), image)
    assert "stride and padding_mode reflect" in error.message


def test_error_kernel_longer_than_the_image(refused: Refused) -> None:
    error = refused(Conv2d(out=3, kernel=7), IMAGE.with_shape(BATCH, 3, 32, 5))
    assert error.message == "a window of 7 is longer than the width of float32[batch, 3, 32, 5] with its padding"
    (limit,) = Conv1d(out=3, kernel=3, dilation=2, padding=1).signature(SEQUENCE).limits
    assert (limit.dim, limit.minimum) == (LENGTH, 3)
    assert Bounds({"length": DimRange(3)}).least(limit.dim) == 3


def test_error_groups(refused: Refused) -> None:
    error = refused(Conv2d(out=4, kernel=3, groups=2), IMAGE)
    assert (error.message, error.code, error.field) == ("groups 2 does not divide channels 3", "T202", "groups")
    assert refused(Conv2d(out=4, kernel=3, groups=3), IMAGE).message == "groups 3 does not divide out 4"


def test_error_layout(refused: Refused) -> None:
    error = refused(Conv2d(out=4, kernel=3), SEQUENCE)
    assert error.message == "expects [batch, channels, height, width], got float32[batch, 4, length]"
    assert refused(Conv1d(out=4, kernel=3), IMAGE).message.startswith("expects [batch, channels, length], got")


def test_error_output_padding(refused: Refused) -> None:
    error = refused(ConvTranspose2d(out=4, kernel=3, stride=2, output_padding=2), IMAGE)
    assert (error.message, error.field) == (
        "output_padding 2 must be less than stride or dilation",
        "output_padding",
    )


def test_error_patches_do_not_fit(refused: Refused) -> None:
    error = refused(PatchEmbed(patch=32, dim=4), IMAGE)
    assert (error.message, error.code) == ("patch 32 does not divide the height height", "T202")
    assert error.hint == "declare it in the contract: `dims: {height: {multiple_of: 32}}`"


def test_causal_convolution_sees_nothing_later() -> None:
    torch.manual_seed(0)
    component = Conv1d(out=2, kernel=3, padding="causal", dilation=2)
    module, x = component.module(SEQUENCE), torch.randn(1, 4, 9)
    expected = F.conv1d(F.pad(x, (4, 0)), module.get_parameter("weight"), module.get_parameter("bias"), dilation=2)
    torch.testing.assert_close(module(x), expected)
    changed = x.clone()
    changed[:, :, 5:] += 1
    torch.testing.assert_close(module(changed)[:, :, :5], module(x)[:, :, :5])
    assert str(component.signature(SEQUENCE).outputs[0]) == "float32[batch, 2, length]"


def test_transposed_convolution_of_a_sequence_is_the_transpose_of_conv1d() -> None:
    """<y, conv(x)> = <conv_transpose(y), x>."""
    torch.manual_seed(0)
    fields: dict[str, Any] = {"kernel": 4, "stride": 2, "padding": 1, "bias": False}
    module = ConvTranspose1d(out=3, **fields).module(SEQUENCE).double()
    x, y = torch.randn(1, 3, 10, dtype=torch.float64), torch.randn(1, 4, 5, dtype=torch.float64)
    there = F.conv1d(x, module.get_parameter("weight"), stride=2, padding=1)
    torch.testing.assert_close((y * there).sum(), (module(y) * x).sum())
    assert str(ConvTranspose1d(out=3, **fields).signature(SEQUENCE).outputs[0]) == "float32[batch, 3, 2*length]"


def test_conv3d_over_one_slice_is_conv2d() -> None:
    torch.manual_seed(0)
    volume = TensorType("float32", shape(BATCH, 2, 1, 5, 6))
    module, x = Conv3d(out=3, kernel=(1, 3, 3), padding=(0, 1, 1)).module(volume), torch.randn(2, 2, 1, 5, 6)
    expected = F.conv2d(x[:, :, 0], module.get_parameter("weight")[:, :, 0], module.get_parameter("bias"), padding=1)
    torch.testing.assert_close(module(x)[:, :, 0], expected)
