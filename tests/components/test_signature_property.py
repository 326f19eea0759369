"""Every component's signature is held to its real module: shapes, dtypes, parameters, buffers, FLOPs, at two sizes."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from stackc.components import REGISTRY
from stackc.components.base import Component, Signature
from stackc.components.extents import Variable
from stackc.emit.support import support_of
from stackc.emit.values import Made, classes_in, expression, leaves, made
from stackc.types import FLOATS, Dim, DimLike, TensorType, shape

SYMBOLS = [Dim.symbol(name) for name in ("batch", "seq", "keys", "width", "height")]
BATCH, SEQ, KEYS, WIDTH, HEIGHT = SYMBOLS
DTYPES = {name: getattr(torch, name) for name in ("float32", "float64", "int64", "int32", "bool")}


@dataclass(frozen=True)
class Case:
    """A component and the types of its inputs, None at an open port."""

    component: Component
    inputs: tuple[TensorType | None, ...]

    @property
    def signature(self) -> Signature:
        return self.component.signature(*self.inputs)


# -- legal configurations

CASES: dict[str, SearchStrategy[Case]] = {}
Op = type[Any]  # the fields are different in each class
Draw = Callable[[DrawFn, Op], Case]

small = st.integers(1, 6)
floats = st.sampled_from(["float32", "float64"])
integers = st.sampled_from(["int64", "int32"])
masks = st.sampled_from(["int64", "int32", "bool"])


def cases(*ops: str) -> Callable[[Draw], Draw]:
    """Register a way to draw cases for these ops."""

    def register(draw_case: Draw) -> Draw:
        for op in ops:
            CASES[op] = st.composite(draw_case)(REGISTRY[op])
        return draw_case

    return register


def dims(draw: DrawFn, rank: int) -> list[Dim]:
    """Different symbols, numbers among them now and then."""
    symbols = draw(st.permutations(SYMBOLS))[:rank]
    return [Dim.of(draw(small)) if draw(st.integers(0, 4)) == 0 else symbol for symbol in symbols]


def with_features(draw: DrawFn, least: int, most: int, size: int, lowest_axis: int = 0) -> tuple[tuple[Dim, ...], int]:
    """A shape with `size` at some axis, and that axis, counted from either end."""
    rank = draw(st.integers(least, most))
    axis = draw(st.integers(lowest_axis, rank - 1))
    sizes = dims(draw, rank)
    sizes[axis] = Dim.of(size)
    return tuple(sizes), draw(st.sampled_from([axis, axis - rank]))


@cases("identity")
def _identity(draw: DrawFn, op: Op) -> Case:
    dtype = draw(st.sampled_from(sorted(DTYPES)))
    return Case(op(), (TensorType(dtype, tuple(dims(draw, draw(st.integers(0, 4))))),))


@cases("relu", "tanh", "sigmoid", "silu", "leaky_relu", "elu", "relu6", "hardswish", "mish", "softplus")
@cases("exp", "log", "sqrt", "abs")
def _elementwise(draw: DrawFn, op: Op) -> Case:
    return Case(op(), (TensorType(draw(floats), tuple(dims(draw, draw(st.integers(0, 4))))),))


@cases("gelu")
def _gelu(draw: DrawFn, op: Op) -> Case:
    x = TensorType(draw(floats), tuple(dims(draw, draw(st.integers(0, 4)))))
    return Case(op(approximate=draw(st.sampled_from(["none", "tanh"]))), (x,))


@cases("prelu")
def _prelu(draw: DrawFn, op: Op) -> Case:
    if draw(st.booleans()):
        return Case(op(), (TensorType(draw(floats), tuple(dims(draw, draw(st.integers(0, 4))))),))
    x = TensorType(draw(floats), shape(BATCH, draw(small), *dims(draw, 4)[: draw(st.integers(0, 2))]))
    return Case(op(per_channel=True), (x,))


@cases("glu")
def _glu(draw: DrawFn, op: Op) -> Case:
    sizes, axis = with_features(draw, 1, 4, 1)
    halved = list(sizes)
    halved[axis] = 2 * (Dim.of(draw(small)) if draw(st.booleans()) else WIDTH)
    return Case(op(axis=axis), (TensorType(draw(floats), tuple(halved)),))


@cases("scale")
def _scale(draw: DrawFn, op: Op) -> Case:
    x = TensorType(draw(floats), tuple(dims(draw, draw(st.integers(0, 4)))))
    return Case(op(factor=draw(st.sampled_from([0.0, 0.5, -3.0])), offset=draw(st.sampled_from([0.0, 1.5]))), (x,))


@cases("pow")
def _pow(draw: DrawFn, op: Op) -> Case:
    x = TensorType(draw(floats), tuple(dims(draw, draw(st.integers(0, 4)))))
    return Case(op(exponent=draw(st.sampled_from([0.5, 2.0, -1.0]))), (x,))


@cases("clamp")
def _clamp(draw: DrawFn, op: Op) -> Case:
    x = TensorType(draw(floats), tuple(dims(draw, draw(st.integers(0, 4)))))
    least, most = draw(st.sampled_from([(None, 1.0), (-0.5, None), (-0.5, 0.25)]))
    return Case(op(min=least, max=most), (x,))


@cases("learned_scale")
def _learned_scale(draw: DrawFn, op: Op) -> Case:
    sizes, axis = with_features(draw, 1, 4, draw(small))
    options = {"initial": draw(st.sampled_from([1.0, 1e-4])), "exponential": draw(st.booleans())}
    if draw(st.booleans()):
        return Case(op(per="all", **options), (TensorType(draw(floats), sizes),))
    return Case(op(axis=axis, **options), (TensorType(draw(floats), sizes),))


@cases("dropout")
def _dropout(draw: DrawFn, op: Op) -> Case:
    x = TensorType(draw(floats), tuple(dims(draw, draw(st.integers(0, 4)))))
    return Case(op(p=draw(st.sampled_from([0.0, 0.1, 0.9]))), (x,))


@cases("softmax", "log_softmax", "l2_normalize")
def _along_an_axis(draw: DrawFn, op: Op) -> Case:
    rank = draw(st.integers(1, 4))
    x = TensorType(draw(floats), tuple(dims(draw, rank)))
    if op.op == "l2_normalize" and draw(st.booleans()):
        return Case(op(axis=tuple(draw(st.permutations(range(rank)))[: draw(st.integers(1, rank))])), (x,))
    return Case(op(axis=draw(st.integers(-rank, rank - 1))), (x,))


@cases("add", "mul", "mean", "weighted_sum", "maximum", "minimum", "sub", "div")
def _broadcast(draw: DrawFn, op: Op) -> Case:
    dtype = draw(floats if op.op in ("mean", "weighted_sum", "div") else floats | integers)
    full = dims(draw, draw(st.integers(0, 4)))
    inputs = []
    for _ in range(2 if op.op in ("sub", "div") else draw(st.integers(1, 4))):
        dropped = draw(st.integers(0, len(full)))
        inputs.append(TensorType(dtype, shape(*(1 if draw(st.booleans()) else d for d in full[dropped:]))))
    return Case(op(), tuple(inputs))


@cases("concat")
def _concat(draw: DrawFn, op: Op) -> Case:
    dtype = draw(st.sampled_from(sorted(DTYPES)))
    sizes, axis = with_features(draw, 1, 4, 1)
    inputs = []
    for _ in range(draw(st.integers(1, 4))):
        joined: list[DimLike] = list(sizes)
        joined[axis] = draw(small) + draw(st.sampled_from([Dim.of(0), SEQ, 2 * KEYS]))
        inputs.append(TensorType(dtype, shape(*joined)))
    return Case(op(axis=axis), tuple(inputs))


@cases("gated_sum")
def _gated_sum(draw: DrawFn, op: Op) -> Case:
    dtype, before = draw(floats), dims(draw, draw(st.integers(1, 3)))
    x, branch = (TensorType(dtype, shape(*before, draw(small))) for _ in range(2))
    count = draw(st.integers(1, 4))
    return Case(op(bias=draw(st.booleans()), top_k=draw(st.none() | st.integers(1, count))), (x, *[branch] * count))


@cases("linear")
def _linear(draw: DrawFn, op: Op) -> Case:
    # From rank 2 on: the counter of torch knows no matrix-vector product.
    x = TensorType(draw(floats), shape(*dims(draw, draw(st.integers(1, 3))), draw(small)))
    return Case(op(out=draw(small), bias=draw(st.booleans())), (x,))


@cases("mlp")
def _mlp(draw: DrawFn, op: Op) -> Case:
    x = TensorType(draw(floats), shape(*dims(draw, draw(st.integers(1, 3))), draw(small)))
    component = op(
        hidden=draw(small),
        out=draw(st.none() | small),
        activation=draw(st.sampled_from(["gelu", "gelu_tanh", "relu", "silu", "sigmoid", "tanh"])),
        dropout=draw(st.sampled_from([0.0, 0.5])),
        bias=draw(st.booleans()),
        gated=draw(st.booleans()),
    )
    return Case(component, (x,))


@cases("dot", "cosine_similarity")
def _pair(draw: DrawFn, op: Op) -> Case:
    sizes, axis = with_features(draw, 1, 4, draw(small))
    dtype = draw(floats)
    from_end = axis if axis < 0 else axis - len(sizes)
    other = shape(*(1 if i != from_end % len(sizes) and draw(st.booleans()) else d for i, d in enumerate(sizes)))
    lower = other[draw(st.integers(0, len(sizes) + from_end)) :] if axis < 0 else other
    return Case(op(axis=axis), (TensorType(dtype, sizes), TensorType(dtype, lower)))


@cases("matmul")
def _matmul(draw: DrawFn, op: Op) -> Case:
    dtype, transposed, before = draw(floats), draw(st.booleans()), draw(st.integers(0, 2))
    m, k, n = (draw(st.sampled_from([SEQ, KEYS, Dim.of(draw(small))])) for _ in range(3))
    outer = shape(BATCH, 3)[:before]
    x = TensorType(dtype, (*outer, m, k))
    other = TensorType(dtype, (*outer, *((n, k) if transposed else (k, n))))
    return Case(op(transposed=transposed), (x, other))


# -- images and sequences, channels first


def positions(draw: DrawFn, rank: int) -> list[Dim]:
    """Sizes of length, or of depth, height and width: symbols, multiples of them, and numbers."""
    sizes = [Dim.of(draw(st.integers(4, 9))), SEQ, 4 * SEQ, WIDTH + 2, 8 * HEIGHT]
    return [draw(st.sampled_from(sizes)) for _ in range(rank - 2)]


def along(draw: DrawFn, numbers: SearchStrategy[int], axes: int) -> int | tuple[int, ...]:
    """A number for all axes, or one for each of them."""
    return draw(numbers | st.tuples(*[numbers] * axes))


@cases("conv1d", "conv2d", "conv3d")
def _conv(draw: DrawFn, op: Op) -> Case:
    rank = {"conv1d": 3, "conv2d": 4, "conv3d": 5}[op.op]
    groups, same = draw(st.integers(1, 3)), draw(st.booleans())
    if rank == 3 and draw(st.booleans()):
        x = TensorType(draw(floats), shape(BATCH, groups * draw(small), *positions(draw, rank)))
        options = {"kernel": draw(st.integers(1, 4)), "dilation": draw(st.integers(1, 3)), "stride": draw(small)}
        return Case(op(out=groups, padding="causal", groups=groups, **options), (x,))
    x = TensorType(draw(floats), shape(BATCH, groups * draw(small), *positions(draw, rank)))
    component = op(
        out=groups * draw(small),
        kernel=along(draw, st.sampled_from([1, 3]) if same else st.integers(1, 4), rank - 2),
        stride=1 if same else along(draw, st.integers(1, 3), rank - 2),
        padding="same" if same else along(draw, st.integers(0, 3), rank - 2),
        dilation=along(draw, st.integers(1, 2), rank - 2) if same else 1,
        groups=groups,
        bias=draw(st.booleans()),
    )
    return Case(component, (x,))


@cases("conv_transpose1d", "conv_transpose2d")
def _conv_transpose(draw: DrawFn, op: Op) -> Case:
    axes = {"conv_transpose1d": 1, "conv_transpose2d": 2}[op.op]
    groups, kernel = draw(st.integers(1, 3)), draw(st.tuples(*[st.integers(1, 4)] * axes))
    stride = along(draw, st.integers(1, 3), axes)
    least = min(stride) if isinstance(stride, tuple) else stride
    x = TensorType(draw(floats), shape(BATCH, groups * draw(small), *positions(draw, 2 + axes)))
    component = op(
        out=groups * draw(small),
        kernel=kernel,
        stride=stride,
        padding=tuple(draw(st.integers(0, (size - 1) // 2)) for size in kernel),
        output_padding=along(draw, st.integers(0, least - 1), axes),
        groups=groups,
        bias=draw(st.booleans()),
    )
    return Case(component, (x,))


@cases("patch_embed")
def _patch_embed(draw: DrawFn, op: Op) -> Case:
    patch = along(draw, st.integers(1, 3), 2)
    height, width = patch if isinstance(patch, tuple) else (patch, patch)
    x = TensorType(draw(floats), shape(BATCH, draw(small), height * SEQ, width * draw(small)))
    return Case(op(patch=patch, dim=draw(small), bias=draw(st.booleans())), (x,))


@cases("max_pool1d", "max_pool2d", "avg_pool1d", "avg_pool2d")
def _window_pool(draw: DrawFn, op: Op) -> Case:
    axes = int(op.op[-2])
    x = TensorType(draw(floats), shape(BATCH, draw(small), *positions(draw, 2 + axes)))
    kernel = along(draw, st.integers(1, 4), axes)
    least = min(kernel) if isinstance(kernel, tuple) else kernel
    if "max" in op.op and draw(st.booleans()):
        padding = draw(st.integers(0, least // 2))
        overlapping = along(draw, st.integers(1, least - padding), axes)
        return Case(op(kernel=kernel, stride=overlapping, padding=padding, ceil_mode=True), (x,))
    stride = along(draw, st.integers(1, 3), axes) if draw(st.booleans()) else None
    component = op(kernel=kernel, stride=stride, padding=along(draw, st.integers(0, least // 2), axes))
    return Case(component, (x,))


@cases("adaptive_avg_pool2d")
def _adaptive_avg_pool2d(draw: DrawFn, op: Op) -> Case:
    size = along(draw, st.integers(1, 3), 2)
    rows, columns = size if isinstance(size, tuple) else (size, size)
    equal = [rows * HEIGHT, columns * draw(st.sampled_from([WIDTH, Dim.of(2)]))]
    positions = draw(st.sampled_from([equal, [Dim.of(draw(small)), Dim.of(draw(small))]]))
    return Case(op(size=size), (TensorType(draw(floats), shape(BATCH, draw(small), *positions)),))


@cases("pixel_shuffle")
def _pixel_shuffle(draw: DrawFn, op: Op) -> Case:
    factor = draw(st.integers(1, 3))
    return Case(op(factor=factor), (TensorType(draw(floats), shape(BATCH, factor**2 * draw(small), SEQ, WIDTH)),))


@cases("pad")
def _pad(draw: DrawFn, op: Op) -> Case:
    mode, margins = draw(st.sampled_from(["constant", "reflect", "replicate"])), st.integers(0, 3)
    if mode == "constant":
        rank = draw(st.integers(1, 4))
        axes = tuple(draw(st.permutations(range(rank)))[: draw(st.integers(1, rank))])
        added = {name: draw(margins | st.tuples(*[margins] * len(axes))) for name in ("before", "after")}
        x = TensorType(draw(floats), tuple(dims(draw, rank)))
        return Case(op(axis=axes, value=draw(st.sampled_from([0.0, -1.5])), **added), (x,))
    rank = draw(st.integers(3, 4))
    x = TensorType(draw(floats), shape(BATCH, draw(small), *[SEQ + 3, WIDTH + 4][: rank - 2]))
    axes = (-1,) if rank == 3 else draw(st.sampled_from([(-1,), (2,), (2, 3), (-1, -2)]))
    return Case(op(axis=axes, mode=mode, before=draw(margins), after=draw(margins)), (x,))


@cases("global_avg_pool", "global_max_pool")
def _global_pool(draw: DrawFn, op: Op) -> Case:
    return Case(op(), (TensorType(draw(floats), tuple(dims(draw, draw(st.integers(3, 5))))),))


@cases("upsample")
def _upsample(draw: DrawFn, op: Op) -> Case:
    x = TensorType(draw(floats), shape(BATCH, draw(small), *positions(draw, 4)))
    return Case(op(scale=along(draw, st.integers(1, 3), 2), mode=draw(st.sampled_from(["nearest", "bilinear"]))), (x,))


# -- layout


@cases("flatten")
def _flatten(draw: DrawFn, op: Op) -> Case:
    rank = draw(st.integers(1, 4))
    start = draw(st.integers(0, rank - 1))
    end = draw(st.integers(start, rank - 1))
    component = op(start=draw(st.sampled_from([start, start - rank])), end=draw(st.sampled_from([end, end - rank])))
    return Case(component, (TensorType(draw(st.sampled_from(sorted(DTYPES))), tuple(dims(draw, rank))),))


@cases("unflatten")
def _unflatten(draw: DrawFn, op: Op) -> Case:
    if draw(st.booleans()):
        return _parted(draw, op)
    size = draw(st.integers(1, 4) | st.tuples(st.integers(1, 3), st.integers(1, 3)))
    sizes, axis = with_features(draw, 1, 4, 1)
    split = list(sizes)
    split[axis] = (math.prod(size) if isinstance(size, tuple) else size) * (
        Dim.of(draw(small)) if draw(st.booleans()) else WIDTH
    )
    return Case(op(axis=axis, size=size), (TensorType(draw(st.sampled_from(sorted(DTYPES))), tuple(split)),))


def _parted(draw: DrawFn, op: Op) -> Case:
    """An axis of two dims and a number, whose dims another tensor tells."""
    x = TensorType(draw(floats), shape(3 * BATCH * SEQ, draw(small)))
    like = TensorType(draw(integers), draw(st.sampled_from([shape(SEQ, BATCH), shape(2, SEQ), shape(2 * SEQ + 1)])))
    return Case(
        op(axis=draw(st.sampled_from([0, -2])), size=draw(st.sampled_from([SEQ, (3, SEQ), (SEQ, 1)]))), (x, like)
    )


@cases("reshape")
def _reshape(draw: DrawFn, op: Op) -> Case:
    """Axes copied, then a number split in two, and a dim and a number joined, of which one may be left over."""
    if draw(st.booleans()):
        return _joined(draw, op)
    first, second, third = (draw(small) for _ in range(3))
    kept = [BATCH, SEQ][: draw(st.integers(0, 2))]
    x = TensorType(draw(st.sampled_from(sorted(DTYPES))), shape(*kept, first * second, third * WIDTH))
    return Case(op(shape=(*(0 for _ in kept), first, second * third, -1)), (x,))


def _joined(draw: DrawFn, op: Op) -> Case:
    """Sizes by their dims, told by x, or by another tensor."""
    x = TensorType(draw(floats), shape(BATCH, SEQ, 4))
    if draw(st.booleans()):
        return Case(
            op(shape=draw(st.sampled_from([(BATCH * SEQ, 4), (2, SEQ, 2 * BATCH), (SEQ, -1), (0, 2 * SEQ, 2)]))), (x,)
        )
    like = TensorType(
        "int64", draw(st.sampled_from([shape(SEQ, BATCH), shape(SEQ * 2, 1, BATCH), shape(BATCH, SEQ + 3)]))
    )
    joined = x.with_shape(BATCH * SEQ, 4)
    return Case(op(shape=draw(st.sampled_from([(BATCH, SEQ, 4), (SEQ, -1), (4 * BATCH, -1, 1)]))), (joined, like))


@cases("squeeze")
def _squeeze(draw: DrawFn, op: Op) -> Case:
    sizes, axis = with_features(draw, 1, 4, 1)
    return Case(op(axis=axis), (TensorType(draw(st.sampled_from(sorted(DTYPES))), sizes),))


@cases("unsqueeze")
def _unsqueeze(draw: DrawFn, op: Op) -> Case:
    rank = draw(st.integers(0, 4))
    x = TensorType(draw(st.sampled_from(sorted(DTYPES))), tuple(dims(draw, rank)))
    return Case(op(axis=draw(st.integers(-rank - 1, rank))), (x,))


@cases("split")
def _split(draw: DrawFn, op: Op) -> Case:
    size = draw(small)
    sizes, axis = with_features(draw, 1, 4, size + draw(small))
    split = list(sizes)
    split[axis] = draw(st.sampled_from([split[axis], SEQ + size]))
    return Case(op(axis=axis, size=size), (TensorType(draw(st.sampled_from(sorted(DTYPES))), tuple(split)),))


@cases("transpose")
def _transpose(draw: DrawFn, op: Op) -> Case:
    rank = draw(st.integers(1, 4))
    axes = st.integers(-rank, rank - 1)
    x = TensorType(draw(st.sampled_from(sorted(DTYPES))), tuple(dims(draw, rank)))
    return Case(op(axis0=draw(axes), axis1=draw(axes)), (x,))


@cases("permute")
def _permute(draw: DrawFn, op: Op) -> Case:
    rank = draw(st.integers(1, 4))
    order = [draw(st.sampled_from([axis, axis - rank])) for axis in draw(st.permutations(range(rank)))]
    return Case(op(order=tuple(order)), (TensorType(draw(st.sampled_from(sorted(DTYPES))), tuple(dims(draw, rank))),))


@cases("select")
def _select(draw: DrawFn, op: Op) -> Case:
    size = draw(small)
    sizes, axis = with_features(draw, 1, 4, size)
    index = draw(st.integers(-size, size - 1))
    return Case(op(axis=axis, index=index), (TensorType(draw(st.sampled_from(sorted(DTYPES))), sizes),))


@cases("slice")
def _slice(draw: DrawFn, op: Op) -> Case:
    if draw(st.booleans()):
        return _slice_of_dims(draw, op)
    size, rest = draw(small), draw(st.integers(0, 3))
    sizes, axis = with_features(draw, 1, 4, size + rest)
    start = draw(st.integers(0, rest))
    component = op(axis=axis, start=draw(st.sampled_from([start, start - size - rest])), size=size)
    return Case(component, (TensorType(draw(st.sampled_from(sorted(DTYPES))), sizes),))


def _slice_of_dims(draw: DrawFn, op: Op) -> Case:
    """All but some at either end, and shares that are rounded down."""
    x = TensorType(draw(floats), shape(2, 2 * SEQ + draw(st.integers(0, 2)), 3))
    start, size = draw(
        st.sampled_from([(0, 2 * SEQ - 1), (1, None), (-1, None), (0, SEQ), (1, SEQ - 1), (0, (2 * SEQ + 1) // 3)])
    )
    return Case(op(axis=draw(st.sampled_from([1, -2])), start=start, size=size), (x, None))


# -- embeddings


@cases("embedding")
def _embedding(draw: DrawFn, op: Op) -> Case:
    x = TensorType(draw(integers), tuple(dims(draw, draw(st.integers(0, 3)))))
    return Case(op(vocab=draw(small), dim=draw(small)), (x,))


@cases("learned_position")
def _learned_position(draw: DrawFn, op: Op) -> Case:
    longest, dim = draw(st.integers(1, 8)), draw(small)
    if draw(st.booleans()):
        return Case(op(max=longest, dim=dim), (TensorType(draw(integers), shape(BATCH, SEQ)),))
    x = TensorType(draw(floats), shape(BATCH, SEQ, draw(small)))
    return Case(op(max=longest, dim=draw(st.none() | st.just(dim))), (x,))


@cases("sinusoidal_position")
def _sinusoidal_position(draw: DrawFn, op: Op) -> Case:
    if draw(st.booleans()):
        x = TensorType(draw(floats), shape(BATCH, SEQ, 2 * draw(small)))
        return Case(op(dim=draw(st.none() | small.map(lambda n: 2 * n))), (x,))
    x = TensorType(draw(floats), shape(BATCH, 4 * draw(small), HEIGHT, WIDTH))
    return Case(op(dim=draw(st.none() | small.map(lambda n: 4 * n))), (x,))


@cases("relative_position_bias")
def _relative_position_bias(draw: DrawFn, op: Op) -> Case:
    dtype = draw(floats | integers)
    component = op(
        heads=draw(small),
        buckets=2 * draw(st.integers(2, 6)),
        max_distance=draw(st.integers(7, 20)),
        bidirectional=draw(st.booleans()),
    )
    context = TensorType(dtype, shape(BATCH, KEYS)) if draw(st.booleans()) else None
    return Case(component, (TensorType(dtype, shape(BATCH, SEQ, draw(small))), context))


@cases("learned_query")
def _learned_query(draw: DrawFn, op: Op) -> Case:
    x = TensorType(draw(floats | integers), (BATCH, *dims(draw, 4)[: draw(st.integers(0, 2))]))
    return Case(op(count=draw(small), dim=draw(small)), (x,))


def _over_axes(draw: DrawFn, op: Op) -> Case:
    """Features on several axes."""
    rank = draw(st.integers(2, 4))
    axes = draw(st.lists(st.integers(0, rank - 1), min_size=1, max_size=rank, unique=True))
    sizes = [Dim.of(draw(small)) if axis in axes else size for axis, size in enumerate(dims(draw, rank))]
    given = tuple(draw(st.sampled_from([axis, axis - rank])) for axis in axes)
    return Case(op(axis=given, affine=draw(st.booleans())), (TensorType(draw(floats), tuple(sizes)),))


@cases("layer_norm", "rms_norm")
def _over_features(draw: DrawFn, op: Op) -> Case:
    if draw(st.booleans()):
        return _over_axes(draw, op)
    sizes, axis = with_features(draw, 1, 4, draw(small))
    last = axis in (-1, len(sizes) - 1)
    options: dict[str, Any] = {"bias": draw(st.booleans())} if op.op == "layer_norm" else {}
    component = op(axis=None if last and draw(st.booleans()) else axis, affine=draw(st.booleans()), **options)
    return Case(component, (TensorType(draw(floats), sizes),))


@cases("batch_norm", "instance_norm", "group_norm")
def _over_positions(draw: DrawFn, op: Op) -> Case:
    groups, share = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    least = 3 if op.op == "instance_norm" else 2
    sizes, axis = with_features(draw, least, 5, groups * share, lowest_axis=1)
    options: dict[str, Any] = {"groups": groups} if op.op == "group_norm" else {}
    component = op(
        axis=None if len(sizes) == 2 and draw(st.booleans()) else axis, affine=draw(st.booleans()), **options
    )
    return Case(component, (TensorType(draw(floats), sizes),))


@cases("attention")
def _attention(draw: DrawFn, op: Op) -> Case:
    kv_heads, group, width, dtype = draw(st.integers(1, 3)), draw(st.integers(1, 3)), draw(small), draw(floats)
    heads = kv_heads * group
    head_dim = draw(st.none() | small)
    x = TensorType(dtype, shape(BATCH, SEQ, draw(small) if head_dim else heads * width))
    context = TensorType(dtype, shape(BATCH, KEYS, draw(small))) if draw(st.booleans()) else None
    layouts = _mask_layouts(draw, heads, KEYS if context else SEQ)
    component = op(
        heads=heads,
        kv_heads=None if group == 1 and draw(st.booleans()) else kv_heads,
        head_dim=head_dim,
        causal=context is None and draw(st.booleans()),
        bias=draw(st.booleans()),
        scale=draw(st.none() | st.just(1.0)),
        qk_norm=draw(st.booleans()),
        window=draw(st.none() | small) if context is None else None,
        **(_rotary(draw, head_dim or width) if context is None else {}),
    )
    sizes = draw(st.none() | st.sampled_from(layouts))
    mask = None if sizes is None else TensorType(draw(masks), sizes)
    keys = KEYS if context else SEQ
    over = draw(st.sampled_from([BATCH, Dim.of(1)])), Dim.of(draw(st.sampled_from([heads, 1])))
    bias = TensorType(dtype, (*over, SEQ, keys)) if draw(st.booleans()) else None
    value = TensorType(dtype, shape(BATCH, keys, draw(small))) if draw(st.booleans()) else None
    return Case(component, (x, context, mask, bias, value))


def _rotary(draw: DrawFn, head_dim: int) -> dict[str, Any]:
    """Rotary positions, where a head has features enough for a pair."""
    rotary = draw(st.sampled_from(["none", "halves", "interleaved"])) if head_dim > 1 else "none"
    pairs = draw(st.integers(1, max(1, head_dim // 2)))
    whole = rotary == "none" or (head_dim % 2 == 0 and draw(st.booleans()))
    return {"rotary": rotary, "rotary_dim": None if whole else 2 * pairs}


def _mask_layouts(draw: DrawFn, heads: int, keys: Dim) -> list[tuple[Dim, ...]]:
    queries = draw(st.sampled_from([SEQ, Dim.of(1)]))
    over_heads = draw(st.sampled_from([heads, 1]))
    return [shape(BATCH, keys), shape(BATCH, queries, keys), shape(BATCH, over_heads, queries, keys)]


@cases("mean_pool", "max_pool")
def _mean_pool(draw: DrawFn, op: Op) -> Case:
    x = TensorType(draw(floats), shape(BATCH, SEQ, draw(small)))
    return Case(op(), (x, TensorType(draw(masks), x.shape[:2]) if draw(st.booleans()) else None))


@cases("reduce_mean", "reduce_sum", "reduce_max", "reduce_min")
def _reduction(draw: DrawFn, op: Op) -> Case:
    rank = draw(st.integers(1, 4))
    several = st.lists(st.integers(0, rank - 1), min_size=1, max_size=rank, unique=True).map(tuple)
    axis = draw(st.integers(-rank, rank - 1) | several)
    return Case(op(axis=axis, keepdim=draw(st.booleans())), (TensorType(draw(floats), tuple(dims(draw, rank))),))


@cases("cls_pool")
def _cls_pool(draw: DrawFn, op: Op) -> Case:
    return Case(op(), (TensorType(draw(st.sampled_from(sorted(DTYPES))), tuple(dims(draw, 3))),))


@cases("lstm", "gru", "rnn")
def _recurrent(draw: DrawFn, op: Op) -> Case:
    """In float64, since torch counts the FLOPs of its float32 kernel as one operation that it does not know."""
    layers = draw(st.integers(1, 3))
    component = op(
        hidden=draw(small), layers=layers, bidirectional=draw(st.booleans()), bias=draw(st.booleans()),
        dropout=draw(st.sampled_from([0.0, 0.5])) if layers > 1 else 0.0,
    )  # fmt: skip
    state = TensorType("float64", shape(layers * component.directions, BATCH, component.hidden))
    states = [draw(st.sampled_from([None, state])) for _ in component.ports[1:]]
    return Case(component, (TensorType("float64", shape(BATCH, SEQ, draw(small))), *states))


# -- the real thing


class NoFloat32(TorchDispatchMode):
    """Fails as soon as any operation makes a float32 tensor."""

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        made = func(*args, **(kwargs or {}))
        for tensor in made if isinstance(made, tuple | list) else (made,):
            assert not isinstance(tensor, Tensor) or tensor.dtype != torch.float32, f"{func} makes float32"
        return made


def element_type(case: Case) -> str:
    """The floating-point type that the model is held in: that of the inputs, float32 where they have none."""
    return next((x.dtype for x in case.inputs if x and x.is_float), "float32")


def filled(case: Case, sizes: Mapping[str, int], dtype: str) -> list[Tensor | None]:
    """Random inputs at these sizes; floats in `dtype`, whole numbers below what the component allows."""
    below = getattr(case.component, "vocab", 2)

    def fill(x: TensorType | None) -> Tensor | None:
        if x is None:
            return None
        size = [d.evaluate(sizes) for d in x.shape]
        return torch.randn(size, dtype=DTYPES[dtype]) if x.is_float else torch.randint(below, size).to(DTYPES[x.dtype])

    return [fill(x) for x in case.inputs]


def said(types: Mapping[str, TensorType], sizes: Mapping[str, int]) -> list[tuple[str, tuple[int, ...], torch.dtype]]:
    return [(name, tuple(d.evaluate(sizes) for d in t.shape), DTYPES[t.dtype]) for name, t in types.items()]


def seen(tensors: Any) -> list[tuple[str, tuple[int, ...], torch.dtype]]:
    return [(name, tuple(t.shape), t.dtype) for name, t in tensors]


def run(module: nn.Module, inputs: list[Tensor | None]) -> tuple[tuple[Tensor, ...], int]:
    """The outputs, and the FLOPs that torch counts; fused attention kernels are off, since it knows only some."""
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        outputs = several(module(*inputs))
    return outputs, counter.get_total_flops()


def several(outputs: Any) -> tuple[Tensor, ...]:
    """One output or more, as a module gives them."""
    return outputs if isinstance(outputs, tuple) else (outputs,)


def draw_sizes(draw: DrawFn, signature: Signature) -> dict[str, int]:
    """A size for each symbol, all different, within the limits."""
    numbers = draw(st.permutations(range(1, 8)))
    sizes = {symbol: number for s, number in zip(SYMBOLS, numbers, strict=False) for symbol in s.symbols()}
    for limit in signature.limits:
        size = limit.dim.evaluate(sizes)
        assume(limit.minimum <= size and (limit.maximum is None or size <= limit.maximum))
    return sizes


def test_every_component_has_cases() -> None:
    assert CASES.keys() == REGISTRY.keys()


@pytest.mark.parametrize("op", sorted(REGISTRY))
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_signature_is_what_the_module_does(op: str, data: st.DataObject) -> None:
    case = data.draw(CASES[op])
    signature, dtype = case.signature, element_type(case)
    module = case.component.module(*case.inputs).eval().to(DTYPES[dtype])
    assert seen(module.named_parameters()) == said(signature.parameters, {})
    assert seen(module.named_buffers()) == said(signature.buffers, {})
    for _ in range(2):
        sizes = data.draw(st.composite(draw_sizes)(signature), label="sizes")
        outputs, flops = run(module, filled(case, sizes, dtype))
        names = case.component.outputs
        assert seen(zip(names, outputs, strict=True)) == said(dict(zip(names, signature.outputs, strict=True)), sizes)
        assert flops == signature.flops.evaluate(sizes)


@pytest.mark.parametrize("op", sorted(REGISTRY))
@settings(max_examples=10, deadline=None)
@given(data=st.data())
def test_module_is_float64_all_through_and_keeps_no_state_in_eval(op: str, data: st.DataObject) -> None:
    case = data.draw(CASES[op])
    module = case.component.module(*case.inputs).eval().double()
    before = {name: t.clone() for name, t in module.state_dict().items()}
    inputs = filled(case, data.draw(st.composite(draw_sizes)(case.signature), label="sizes"), "float64")
    with NoFloat32():  # type: ignore[no-untyped-call]  # as above
        first, second = module(*inputs), module(*inputs)
    torch.testing.assert_close(first, second, rtol=0, atol=0, equal_nan=True)
    torch.testing.assert_close(module.state_dict(), before, rtol=0, atol=0)
    dtypes = [y.dtype for y in several(first)]
    assert all(d == torch.float64 or t.dtype not in FLOATS for d, t in zip(dtypes, case.signature.outputs, strict=True))


@pytest.mark.parametrize("op", sorted(REGISTRY))
@settings(max_examples=5, deadline=None)
@given(data=st.data())
def test_every_parameter_takes_part(op: str, data: st.DataObject) -> None:
    case = data.draw(CASES[op])
    module = case.component.module(*case.inputs).eval().double()
    y = several(module(*filled(case, data.draw(st.composite(draw_sizes)(case.signature), label="sizes"), "float64")))
    if case.signature.parameters:
        y[0].sum().backward()
        assert [name for name, p in module.named_parameters() if p.grad is None or not p.grad.isfinite().all()] == []


@pytest.mark.parametrize("op", sorted(REGISTRY))
@settings(max_examples=10, deadline=None)
@given(data=st.data())
def test_what_is_printed_is_the_module(op: str, data: st.DataObject) -> None:
    case = data.draw(CASES[op])
    dtype, sizes = element_type(case), data.draw(st.composite(draw_sizes)(case.signature), label="sizes")
    construction = case.component.construction(*case.inputs)
    module, inputs = construction.build().eval().to(DTYPES[dtype]), filled(case, sizes, dtype)
    expected = several(module(*inputs))

    printed = printed_module(made(construction)).eval().to(DTYPES[dtype])
    assert repr(printed) == repr(module)
    printed.load_state_dict(module.state_dict(), strict=True)
    torch.testing.assert_close(several(printed(*inputs)), expected, rtol=0, atol=0, equal_nan=True)

    names = {f"x{i}": x for i, x in enumerate(inputs) if x is not None}
    if written := case.component.expression(*(Variable.of(name, case.inputs[int(name[1:])]) for name in names)):
        assert not module.state_dict()
        by_hand = eval(written, {"torch": torch, "F": nn.functional, **names})
        torch.testing.assert_close((by_hand,), expected, rtol=0, atol=0, equal_nan=True)


def printed_module(value: Made) -> nn.Module:
    """The module that the printed source of a value builds, in a namespace without stackc."""
    support = support_of(classes_in(value))
    imports = (
        f"from {module} import {name} as {bound}" if name else f"import {module}"
        for bound, (module, name, _) in support.imports.items()
    )
    namespace: dict[str, Any] = {"nn": nn, "__name__": "printed"}
    exec("\n".join([*imports, *support.sources.values()]), namespace)
    module = eval(str(expression(value, leaves(value))), namespace)
    assert isinstance(module, nn.Module)
    assert not type(module).__module__.startswith("stackc")
    return module
