"""Custom modules: their derived signatures agree with the real modules at two sizes; errors are explained."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any, Literal

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from stackc.components.base import Port, SignatureError
from stackc.components.custom.module import CustomModule, Unfit, custom_module
from stackc.components.fields import fields_of
from stackc.core.types import Dim, TensorType, shape

Refused = Callable[..., SignatureError]
BATCH, SEQ, HEIGHT = Dim.symbol("batch"), Dim.symbol("seq"), Dim.symbol("height", 4)
VECTORS = TensorType("float32", shape(BATCH, SEQ, 16))
SIGNALS = TensorType("float32", shape(BATCH, 6, SEQ))
IMAGES = TensorType("float32", shape(BATCH, 3, HEIGHT, HEIGHT * 2))
IDS = TensorType("int64", shape(BATCH, SEQ))
SIZES = ({"batch": 2, "seq": 8, "height": 16}, {"batch": 3, "seq": 13, "height": 20})


def custom(make: type[nn.Module], *outputs: str, **arguments: Any) -> CustomModule:
    return custom_module(make, f"somewhere.{make.__name__}", outputs or ("y",)).of_fields(arguments)


class Scored(nn.Module):
    """Ties two of its parameters, keeps a count, and returns floats and integers."""

    table: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.one, self.other = nn.Linear(16, 16), nn.Linear(16, 16)
        self.other.weight = self.one.weight
        self.register_buffer("count", torch.tensor(0))
        self.register_buffer("table", torch.arange(16.0), persistent=False)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
        scores = self.other(self.one(x)) @ (x + self.table).transpose(1, 2)
        return scores[:, 1:], scores.argmax(-1)


class ResizedLike(nn.Module):
    """Resizes an image to the size of another."""

    def forward(self, x: Tensor, like: Tensor) -> Tensor:
        return F.interpolate(x, size=like.shape[-2:], mode="bilinear")


REAL: list[tuple[CustomModule, tuple[TensorType | None, ...]]] = [
    (custom(nn.Linear, in_features=16, out_features=5), (VECTORS,)),
    (custom(nn.Softplus, beta=2.0), (VECTORS,)),
    (custom(nn.Embedding, num_embeddings=50, embedding_dim=4), (IDS,)),
    (custom(nn.Conv1d, in_channels=6, out_channels=4, kernel_size=3, stride=2, padding=1), (SIGNALS,)),
    (custom(nn.Conv2d, in_channels=3, out_channels=4, kernel_size=(3, 5), stride=2, dilation=2, padding=4), (IMAGES,)),
    (custom(nn.ConvTranspose2d, in_channels=3, out_channels=2, kernel_size=4, stride=2, padding=1), (IMAGES,)),
    (custom(nn.MaxPool2d, kernel_size=3, stride=2, padding=1), (IMAGES,)),
    (custom(nn.BatchNorm2d, num_features=3), (IMAGES,)),
    (custom(nn.Flatten, start_dim=1), (IMAGES,)),
    (custom(nn.Upsample, scale_factor=2, mode="bilinear"), (IMAGES,)),
    (custom(nn.Upsample, scale_factor=1.5, mode="nearest"), (IMAGES,)),
    (custom(nn.Upsample, scale_factor=3, mode="bicubic"), (IMAGES,)),
    (custom(nn.Upsample, scale_factor=2, mode="linear"), (SIGNALS,)),
    (custom(nn.UpsamplingNearest2d, scale_factor=2), (IMAGES,)),
    (custom(nn.ZeroPad2d, padding=1), (IMAGES,)),
    (custom(nn.Unfold, kernel_size=3, padding=1), (IMAGES,)),
    (custom(nn.Fold, output_size=(8, 8), kernel_size=3), (VECTORS.with_shape(BATCH, 18, 36),)),
    (custom(nn.LocalResponseNorm, size=3), (IMAGES,)),
    (custom(nn.Conv2d, in_channels=3, out_channels=4, kernel_size=4, padding="same"), (IMAGES,)),
    (custom(ResizedLike), (IMAGES, VECTORS.with_shape(BATCH, 1, SEQ, 9))),
    (custom(nn.PixelUnshuffle, downscale_factor=4), (IMAGES,)),
    (custom(nn.TransformerEncoderLayer, d_model=16, nhead=4, dim_feedforward=24, batch_first=True), (VECTORS,)),
    (custom(nn.MultiheadAttention, "y", "weights", embed_dim=16, num_heads=2, batch_first=True), (VECTORS,) * 3),
    (custom(Scored, "scores", "best"), (VECTORS, None)),
]


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths")
@pytest.mark.parametrize(("component", "inputs"), REAL, ids=[component.op for component, _ in REAL])
def test_signature_is_what_the_real_module_does(component: CustomModule, inputs: tuple[TensorType | None, ...]) -> None:
    signature, module = component.signature(*inputs), component.module(*inputs).eval()
    assert {name: str(t) for name, t in signature.parameters.items()} == {
        name: f"float32[{', '.join(map(str, p.shape))}]" for name, p in module.named_parameters()
    }
    assert signature.buffers.keys() == module.state_dict().keys() - dict(
        module.named_parameters(remove_duplicate=False)
    )

    for sizes in SIZES:
        tensors = [None if x is None else at(x, sizes) for x in inputs]
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            result = module(*tensors)
        outputs = result if isinstance(result, tuple) else (result,)
        assert [(str(y.dtype), list(y.shape)) for y in outputs] == [
            (f"torch.{t.dtype}", [dim.evaluate(sizes) for dim in t.shape]) for t in signature.outputs
        ]
        assert signature.flops.evaluate(sizes) == counter.get_total_flops()


def at(x: TensorType, sizes: Mapping[str, int]) -> Tensor:
    return torch.zeros([dim.evaluate(sizes) for dim in x.shape], dtype=getattr(torch, x.dtype))


def test_dims_that_are_multiples_stay_exact() -> None:
    halved = custom(nn.MaxPool2d, kernel_size=2).signature(IMAGES)
    assert halved.outputs == (TensorType("float32", shape(BATCH, 3, HEIGHT // 2, HEIGHT)),)


class Described(nn.Module):
    def __init__(  # type: ignore[no-untyped-def]  # some arguments have no annotation, as in users' code
        self, dim: int, kind: Literal["a", "b"] = "a", rate: float | None = None, rates: tuple[float, ...] = (), *,
        scale=3, bias=True, name="x", anything=None, **more: Any,
    ) -> None:  # fmt: skip
        super().__init__()

    def forward(self, x: Tensor, memory: Tensor, mask: Tensor | None = None, causal: bool = False) -> Tensor:
        return x


def test_ports_and_fields_are_arguments() -> None:
    component = custom_module(Described, "layers.Described", ("y",))
    assert component.ports == (Port("x"), Port("memory"), Port("mask", optional=True))
    fields = fields_of(component)
    kinds = {"dim": {"int"}, "kind": set(), "rate": {"float", "none"}, "rates": {"float"}, "scale": {"int", "float"},
             "bias": {"bool"}, "name": {"str"}, "anything": {"int", "float", "bool", "str", "none"}}  # fmt: skip
    assert {name: set(field.kinds) for name, field in fields.items()} == kinds
    assert [name for name, field in fields.items() if field.required] == ["dim"]
    assert fields["kind"].choices == ("a", "b")
    assert fields["rates"].listed
    assert not fields["rates"].single


def test_it_is_one_component_for_one_class() -> None:
    assert custom(nn.GELU) == custom(nn.GELU)
    assert custom(nn.GELU) != custom(nn.ReLU)
    assert custom(nn.ELU, alpha=1.0) != custom(nn.ELU, alpha=2.0)


class Variadic(nn.Module):
    def forward(self, *xs: Tensor) -> Tensor:
        return torch.stack(xs).sum(0)


class NoForward(nn.Module):
    pass


class Nothing(nn.Module):
    def forward(self) -> Tensor:
        return torch.zeros(1)


class ByName(nn.Module):
    def forward(self, x: Tensor, *, mask: Tensor) -> Tensor:
        return x * mask


class ByPlace(nn.Module):
    def __init__(self, dim: int, /) -> None:
        super().__init__()

    def forward(self, x: Tensor) -> Tensor:
        return x


def test_a_port_for_any_number_of_arrows() -> None:
    component = custom(Variadic)
    assert component.ports == (Port("xs", variadic=True),)
    assert component.signature(VECTORS, VECTORS, VECTORS).outputs == (VECTORS,)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (Nothing, "the forward of here.Nothing takes no tensors"),
        (ByName, "the forward of here.ByName takes 'mask' by keyword only, but arrows are positional"),
        (ByPlace, "the constructor of here.ByPlace takes 'dim' by position only"),
    ],
)
def test_error_classes_that_cannot_be_components(make: type[nn.Module], message: str) -> None:
    with pytest.raises(Unfit) as caught:
        custom_module(make, f"here.{make.__name__}", ("y",))
    assert str(caught.value) == message


class Branching(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x if x.sum() > 0 else -x


class Found(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.nonzero(x)


class Looping(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.stack([x[i] for i in range(x.shape[0])])


class Mapped(nn.Module):
    def forward(self, x: Tensor) -> dict[str, Tensor]:
        return {"y": x}


class Exiting(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        sys.exit("enough")


class Lazy(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.LazyLinear(3)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.inner(x)
        return y


LINE = Branching.forward.__code__.co_firstlineno + 1


@pytest.mark.parametrize(
    ("component", "code", "message"),
    [
        (custom(Branching), "T211",
         f"its computation depends on the values of its inputs (test_module.py, line {LINE})"),
        (custom(Found), "T211", "the shape of its output 'y' depends on the values of its inputs"),
        (custom(Looping), "T211", "it works for only one size of 'batch'"),
        (custom(Mapped), "T210", "it returns a dict, but must return a tensor or a tuple of tensors"),
        (custom(Scored), "T210", "it returns 2 outputs, but 1 is named"),
        (custom(nn.GELU, "y", "z"), "T210", "it returns 1 output, but 2 are named"),
        (custom(Lazy), "T210", "its parameters have no shape before the first run"),
        (custom(nn.Linear, in_features=5, out_features=3), "T210",
         "it fails on these inputs: RuntimeError: a and b must have same reduction dim, but got "
         "[batch*seq, 16] X [5, 3]."),
        (custom(nn.Conv1d, in_channels=6, out_channels=4, kernel_size=3, groups=4), "T210",
         "it cannot be constructed: ValueError: in_channels must be divisible by groups"),
    ],
)  # fmt: skip
def test_error_modules_without_a_signature(component: CustomModule, code: str, message: str, refused: Refused) -> None:
    error = refused(component, VECTORS)
    assert (error.code, error.message) == (code, message)


def test_error_code_that_ends_the_program(refused: Refused) -> None:
    message = refused(custom(Exiting), VECTORS).message
    assert message.startswith("it fails on these inputs: SystemExit: enough (test_module.py, line ")


def test_error_a_module_without_a_forward(refused: Refused) -> None:
    message = refused(custom(NoForward), VECTORS).message
    assert message.startswith("it fails on these inputs: NotImplementedError: Module [NoForward] is missing")


@pytest.mark.parametrize(("make", "op"), [(nn.LSTM, "lstm"), (nn.GRU, "gru"), (nn.RNN, "rnn")])
def test_error_recurrent_layers_have_a_component(make: type[nn.Module], op: str, refused: Refused) -> None:
    """Their constructors take `*args`; the names are those of the overloads."""
    component = custom(make, input_size=16, hidden_size=5, batch_first=True)
    assert [name for name, field in fields_of(type(component)).items() if field.required] == [
        "input_size",
        "hidden_size",
    ]
    error = refused(component, VECTORS, None)
    assert error.hint == f"the component `{op}` computes the same at any size: write `op: {op}`"


class Tagger(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.along = nn.LSTM(16, 4, batch_first=True, bidirectional=True)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.along(input=x)[0]
        return y


class Pooled(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return F.adaptive_avg_pool1d(x, 3)


@pytest.mark.parametrize(
    ("component", "x", "op"),
    [
        (custom(Tagger), VECTORS, "lstm"),
        (custom(Pooled), VECTORS, None),
        (custom(Pooled), SIGNALS, "adaptive_avg_pool1d"),
        (custom(nn.AdaptiveAvgPool2d, output_size=3), IMAGES, "adaptive_avg_pool2d"),
        (custom(nn.AdaptiveMaxPool2d, output_size=(2, 3)), IMAGES, "adaptive_max_pool2d"),
        (custom(nn.EmbeddingBag, num_embeddings=9, embedding_dim=4), IDS, "embedding_bag"),
    ],
)
def test_error_what_is_exported_for_one_size_names_its_component(
    component: CustomModule, x: TensorType, op: str | None, refused: Refused
) -> None:
    """An adaptive pool over an axis that is a number is no such thing."""
    if op is None:
        assert component.signature(x).outputs[0].shape == shape(BATCH, SEQ, 3)
    else:
        error = refused(component, x)
        assert (error.code, error.hint) == (
            "T211",
            f"the component `{op}` computes the same at any size: write `op: {op}`",
        )


def test_a_recurrent_layer_of_a_fixed_length_is_taken() -> None:
    fixed = VECTORS.with_shape(BATCH, 5, 16)
    assert custom(Tagger).signature(fixed).outputs == (VECTORS.with_shape(BATCH, 5, 8),)


class Config:
    """Sizes, as libraries hold them."""


class Configured(nn.Module):
    def __init__(self, config: Config, dropout: float = 0.0) -> None:
        super().__init__()

    def forward(self, x: Tensor) -> Tensor:
        return x


def test_error_an_argument_that_no_spec_can_write() -> None:
    with pytest.raises(Unfit) as caught:
        custom_module(Configured, "library.Configured", ("y",))
    assert (
        str(caught.value) == "the constructor of library.Configured takes 'config', a Config, which no spec can write"
    )
    assert caught.value.hint is not None
    assert caught.value.hint.startswith("name instead a torch.nn.Module of your own that makes it")


def test_error_sizes_with_a_rest(refused: Refused) -> None:
    odd = VECTORS.with_shape(BATCH, 4, SEQ, SEQ)
    error = refused(custom(nn.PixelUnshuffle, downscale_factor=2), odd)
    assert error.hint == "it divides sizes without a rest: write `dims: {seq: {multiple_of: 2}}`"


def test_error_a_factor_that_is_rounded(refused: Refused) -> None:
    error = refused(custom(nn.Upsample, scale_factor=1.1), IMAGES)
    assert (error.code, "which dims cannot express" in error.message) == ("T211", True)
