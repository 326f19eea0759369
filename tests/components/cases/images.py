"""Cases of components on images and sequences, channels first: conv, pool, image, padding."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy
from tests.components.cases.drawing import (
    BATCH,
    HEIGHT,
    SEQ,
    WIDTH,
    Case,
    Op,
    cases,
    dims,
    floats,
    small,
)

from stackc.core.types import Dim, TensorType, shape


def positions(draw: DrawFn, rank: int) -> list[Dim]:
    """Return sizes of length, or of depth, height and width: symbols, multiples of them, and numbers."""
    sizes = [Dim.of(draw(st.integers(4, 9))), SEQ, 4 * SEQ, WIDTH + 2, 8 * HEIGHT]
    return [draw(st.sampled_from(sizes)) for _ in range(rank - 2)]


def along(draw: DrawFn, numbers: SearchStrategy[int], axes: int) -> int | tuple[int, ...]:
    """Draw a number for all axes, or one for each of them."""
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
