"""Cases of components that move or select values."""

from __future__ import annotations

import math

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn
from tests.components.cases.drawing import (
    BATCH,
    DTYPES,
    SEQ,
    WIDTH,
    Case,
    Op,
    cases,
    dims,
    floats,
    integers,
    small,
    with_features,
)

from stackc.core.types import Dim, TensorType, shape


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
        return _unflatten_by_dims(draw, op)
    size = draw(st.integers(1, 4) | st.tuples(st.integers(1, 3), st.integers(1, 3)))
    sizes, axis = with_features(draw, 1, 4, 1)
    split = list(sizes)
    split[axis] = (math.prod(size) if isinstance(size, tuple) else size) * (
        Dim.of(draw(small)) if draw(st.booleans()) else WIDTH
    )
    return Case(op(axis=axis, size=size), (TensorType(draw(st.sampled_from(sorted(DTYPES))), tuple(split)),))


def _unflatten_by_dims(draw: DrawFn, op: Op) -> Case:
    """Draw an axis of two dims and a number; another tensor determines the dims."""
    x = TensorType(draw(floats), shape(3 * BATCH * SEQ, draw(small)))
    like = TensorType(draw(integers), draw(st.sampled_from([shape(SEQ, BATCH), shape(2, SEQ), shape(2 * SEQ + 1)])))
    return Case(
        op(axis=draw(st.sampled_from([0, -2])), size=draw(st.sampled_from([SEQ, (3, SEQ), (SEQ, 1)]))), (x, like)
    )


@cases("reshape")
def _reshape(draw: DrawFn, op: Op) -> Case:
    """Draw copied axes, then a number split in two, and a dim and a number joined; one size may be -1."""
    if draw(st.booleans()):
        return _reshape_by_dims(draw, op)
    first, second, third = (draw(small) for _ in range(3))
    kept = [BATCH, SEQ][: draw(st.integers(0, 2))]
    x = TensorType(draw(st.sampled_from(sorted(DTYPES))), shape(*kept, first * second, third * WIDTH))
    return Case(op(shape=(*(0 for _ in kept), first, second * third, -1)), (x,))


def _reshape_by_dims(draw: DrawFn, op: Op) -> Case:
    """Draw sizes with dims, which x or another tensor determines."""
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
    """Draw slices that omit entries at either end, and fractions that are rounded down."""
    x = TensorType(draw(floats), shape(2, 2 * SEQ + draw(st.integers(0, 2)), 3))
    start, size = draw(
        st.sampled_from([(0, 2 * SEQ - 1), (1, None), (-1, None), (0, SEQ), (1, SEQ - 1), (0, (2 * SEQ + 1) // 3)])
    )
    return Case(op(axis=draw(st.sampled_from([1, -2])), start=start, size=size), (x, None))
