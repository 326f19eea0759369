"""Cases of components on images and sequences, channels first: conv, pool, image, padding."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy
from tests.components.cases.drawing import (
    BATCH,
    HEIGHT,
    KEYS,
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
    margins = along(draw, st.integers(0, 3), rank - 2) if draw(st.booleans()) else margins_of_all(draw, 2 * rank - 4)
    stride = along(draw, st.integers(1, 3), rank - 2)
    component = op(
        out=groups * draw(small),
        kernel=along(draw, st.integers(1, 4), rank - 2),
        stride=stride,
        padding="same" if same else margins,
        padding_mode="zeros" if same else draw(st.sampled_from(["zeros", "reflect", "replicate", "circular"])),
        dilation=along(draw, st.integers(1, 2), rank - 2) if same and stride == 1 else 1,
        groups=groups,
        bias=draw(st.booleans()),
    )
    return Case(component, (x,))


def margins_of_all(draw: DrawFn, count: int) -> tuple[int, ...]:
    """Draw a margin before and one after each axis."""
    return draw(st.tuples(*[st.integers(0, 3)] * count))


@cases("conv_transpose1d", "conv_transpose2d", "conv_transpose3d")
def _conv_transpose(draw: DrawFn, op: Op) -> Case:
    axes = int(op.op[-2])
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


@cases("max_pool1d", "max_pool2d", "max_pool3d", "avg_pool1d", "avg_pool2d", "avg_pool3d")
def _window_pool(draw: DrawFn, op: Op) -> Case:
    axes = int(op.op[-2])
    x = TensorType(draw(floats), shape(BATCH, draw(small), *positions(draw, 2 + axes)))
    kernel = along(draw, st.integers(1, 4), axes)
    least = min(kernel) if isinstance(kernel, tuple) else kernel
    counted = {} if "max" in op.op else {"count_include_pad": draw(st.booleans())}
    if draw(st.booleans()):
        padding = draw(st.integers(0, least // 2))
        overlapping = along(draw, st.integers(1, least - padding), axes)
        return Case(op(kernel=kernel, stride=overlapping, padding=padding, ceil_mode=True, **counted), (x,))
    stride = along(draw, st.integers(1, 3), axes) if draw(st.booleans()) else None
    same_or_size = "same" if draw(st.booleans()) else along(draw, st.integers(0, least // 2), axes)
    component = op(kernel=kernel, stride=stride, padding=same_or_size, **counted)
    return Case(component, (x,))


@cases("adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_max_pool1d", "adaptive_max_pool2d")
def _adaptive_pool(draw: DrawFn, op: Op) -> Case:
    axes = int(op.op[-2])
    size = along(draw, st.integers(1, 4), axes)
    parts = size if isinstance(size, tuple) else (size,) * axes
    equal = [number * HEIGHT for number in parts]
    sizes = draw(st.sampled_from([equal, positions(draw, 2 + axes)]))
    return Case(op(size=size), (TensorType(draw(floats), shape(BATCH, draw(small), *sizes)),))


@cases("pixel_shuffle")
def _pixel_shuffle(draw: DrawFn, op: Op) -> Case:
    factor = draw(st.integers(1, 3))
    return Case(op(factor=factor), (TensorType(draw(floats), shape(BATCH, factor**2 * draw(small), SEQ, WIDTH)),))


@cases("pad")
def _pad(draw: DrawFn, op: Op) -> Case:
    mode = draw(st.sampled_from(["constant", "reflect", "replicate", "circular"]))
    margins = st.integers(0, 3) | st.sampled_from([4 * ((WIDTH + 3) // 4) - WIDTH, KEYS])
    like = TensorType("float32", shape(KEYS, WIDTH))
    if mode == "constant":
        rank = draw(st.integers(1, 4))
        axes = tuple(draw(st.permutations(range(rank)))[: draw(st.integers(1, rank))])
        added = {name: draw(margins | st.tuples(*[margins] * len(axes))) for name in ("before", "after")}
        x = TensorType(draw(floats), tuple(dims(draw, rank)))
        component = op(axis=axes, value=draw(st.sampled_from([0.0, -1.5])), **added)
    else:
        rank = draw(st.integers(3, 4))
        x = TensorType(draw(floats), shape(BATCH, draw(small), *[SEQ + KEYS + 3, WIDTH + KEYS + 4][: rank - 2]))
        axes = (-1,) if rank == 3 else draw(st.sampled_from([(-1,), (2,), (2, 3), (-1, -2)]))
        numbers = margins if mode == "replicate" else st.integers(0, 3)
        component = op(axis=axes, mode=mode, before=draw(numbers), after=draw(numbers))
    is_dynamic = any(isinstance(size, Dim) for each in (component.before, component.after) for size in listed(each))
    return Case(component, (x, like if is_dynamic else None))


def listed(value: object) -> tuple[object, ...]:
    """Return one value or several as a tuple."""
    return value if isinstance(value, tuple) else (value,)


@cases("global_avg_pool", "global_max_pool")
def _global_pool(draw: DrawFn, op: Op) -> Case:
    x = TensorType(draw(floats), tuple(dims(draw, draw(st.integers(3, 5)))))
    return Case(op(keepdim=draw(st.booleans())), (x,))


@cases("upsample")
def _upsample(draw: DrawFn, op: Op) -> Case:
    x = TensorType(draw(floats), shape(BATCH, draw(small), *positions(draw, 4)))
    return Case(op(scale=along(draw, st.integers(1, 3), 2), mode=draw(st.sampled_from(["nearest", "bilinear"]))), (x,))


@cases("local_response_norm")
def _local_response_norm(draw: DrawFn, op: Op) -> Case:
    rank = draw(st.integers(3, 5))
    x = TensorType(draw(floats), shape(BATCH, draw(small), *positions(draw, rank)))
    return Case(
        op(size=draw(small), alpha=draw(st.sampled_from([1e-4, 0.5])), k=draw(st.sampled_from([1.0, 2.0]))), (x,)
    )


@cases("grid_sample")
def _grid_sample(draw: DrawFn, op: Op) -> Case:
    dtype = draw(floats)
    component = op(
        mode=draw(st.sampled_from(["bilinear", "nearest", "bicubic"])),
        padding_mode=draw(st.sampled_from(["zeros", "border", "reflection"])),
        align_corners=draw(st.booleans()),
    )
    x = TensorType(dtype, shape(BATCH, draw(small), *positions(draw, 4)))
    return Case(component, (x, TensorType(dtype, shape(BATCH, KEYS, draw(small), 2))))


@cases("resize")
def _resize(draw: DrawFn, op: Op) -> Case:
    rank = draw(st.sampled_from([3, 4]))
    x = TensorType(draw(floats), shape(BATCH, draw(small), *positions(draw, rank)))
    mode = draw(st.sampled_from(["nearest", "nearest-exact", *({3: ["linear"], 4: ["bilinear", "bicubic"]}[rank])]))
    smooth = {} if "nearest" in mode else {"align_corners": draw(st.booleans())}
    if draw(st.booleans()):
        return Case(op(scale=along(draw, st.sampled_from([1, 2, 1.5, 2.25]), rank - 2), mode=mode, **smooth), (x, None))

    if mode[:2] == "bi" and draw(st.booleans()):
        smooth = {"antialias": True}
    sizes = st.integers(2, 9) | st.sampled_from([KEYS + 1, 2 * KEYS])
    size = draw(st.none() | sizes | st.tuples(*[sizes] * (rank - 2)))
    like = TensorType("float32", shape(*dims(draw, 2), *[KEYS + 1, 2 * KEYS, WIDTH + 1][: rank - 2]))
    needs_like = size is None or any(isinstance(each, Dim) for each in listed(size))
    return Case(op(size=size, mode=mode, **smooth), (x, like if needs_like else None))


@cases("non_max_suppression")
def _non_max_suppression(draw: DrawFn, op: Op) -> Case:
    dtype, n = draw(floats), draw(st.sampled_from([Dim.of(5), SEQ, SEQ + 3]))
    component = op(
        max=draw(small),
        iou_threshold=draw(st.sampled_from([0.0, 0.3, 0.5])),
        score_threshold=draw(st.sampled_from([None, 0.0, 0.2])),
        center_point_box=draw(st.booleans()),
    )
    boxes = TensorType(dtype, shape(BATCH, n, 4))
    return Case(component, (boxes, TensorType(dtype, shape(BATCH, draw(small), n))))


@cases("normalize")
def _normalize(draw: DrawFn, op: Op) -> Case:
    rank = draw(st.integers(1, 4))
    axis = draw(st.integers(0, rank - 1))
    sizes = dims(draw, rank)
    sizes[axis] = Dim.of(3)
    numbers = st.sampled_from([0.5, (0.485, 0.456, 0.406)])
    component = op(axis=axis, mean=draw(numbers), std=draw(numbers), scale=draw(st.sampled_from([1.0, 1 / 255])))
    return Case(component, (TensorType(draw(floats), tuple(sizes)),))
