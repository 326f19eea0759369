"""Cases of components that pick, order and combine entries of an axis."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn
from tests.components.cases.drawing import (
    BATCH,
    DTYPES,
    KEYS,
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

from stackc.core.types import Dim, DimLike, TensorType, shape

numbers = st.sampled_from(["float32", "float64", "int64", "int32"])


@cases("flip")
def _flip(draw: DrawFn, op: Op) -> Case:
    rank = draw(st.integers(1, 4))
    axes = tuple(draw(st.permutations(range(rank)))[: draw(st.integers(1, rank))])
    x = TensorType(draw(st.sampled_from(sorted(DTYPES))), tuple(dims(draw, rank)))
    return Case(op(axis=draw(st.sampled_from([axes, axes[0], axes[0] - rank]))), (x,))


@cases("roll")
def _roll(draw: DrawFn, op: Op) -> Case:
    rank, shift = draw(st.integers(1, 4)), st.integers(-9, 9)
    axes = tuple(draw(st.permutations(range(rank)))[: draw(st.integers(1, rank))])
    x = TensorType(draw(st.sampled_from(sorted(DTYPES))), tuple(dims(draw, rank)))
    if draw(st.booleans()):
        return Case(op(axis=axes[0] - rank, shift=draw(shift)), (x,))
    return Case(op(axis=axes, shift=tuple(draw(shift) for _ in axes)), (x,))


@cases("sort")
def _sort(draw: DrawFn, op: Op) -> Case:
    rank = draw(st.integers(1, 4))
    x = TensorType(draw(numbers), tuple(dims(draw, rank)))
    return Case(op(axis=draw(st.integers(-rank, rank - 1)), descending=draw(st.booleans())), (x,))


@cases("topk")
def _topk(draw: DrawFn, op: Op) -> Case:
    k = draw(small)
    sizes, axis = with_features(draw, 1, 4, k + draw(st.integers(0, 3)))
    searched = list(sizes)
    searched[axis] = draw(st.sampled_from([searched[axis], SEQ + k - 1]))
    x = TensorType(draw(numbers), tuple(searched))
    return Case(op(k=k, axis=axis, largest=draw(st.booleans())), (x,))


@cases("gather")
def _gather(draw: DrawFn, op: Op) -> Case:
    rank = draw(st.integers(1, 4))
    x = TensorType(draw(st.sampled_from(sorted(DTYPES))), tuple(dims(draw, rank)))
    batch = draw(st.integers(0, rank - 1))
    own = shape(*(draw(small) for _ in range(draw(st.integers(0, 2)))))
    index = TensorType(draw(integers), x.shape[:batch] + own)
    if draw(st.booleans()):
        return Case(op(batch_dims=batch), (x, index))
    axis = draw(st.integers(batch, rank - 1))
    return Case(op(batch_dims=batch, axis=draw(st.sampled_from([axis, axis - rank]))), (x, index))


@cases("gather_elements")
def _gather_elements(draw: DrawFn, op: Op) -> Case:
    sizes, axis = with_features(draw, 1, 4, draw(small))
    x = TensorType(draw(st.sampled_from(sorted(DTYPES))), sizes)
    picked = [draw(st.sampled_from([size, Dim.of(1)])) for size in sizes]
    picked[axis] = Dim.of(draw(small))
    return Case(op(axis=axis), (x, TensorType(draw(integers), tuple(picked))))


@cases("take")
def _take(draw: DrawFn, op: Op) -> Case:
    size = draw(small)
    sizes, axis = with_features(draw, 1, 4, size)
    longer = list(sizes)
    longer[axis] = draw(st.sampled_from([longer[axis], SEQ + size - 1]))
    indices = draw(st.lists(st.integers(-size, size - 1), min_size=1, max_size=5))
    x = TensorType(draw(st.sampled_from(sorted(DTYPES))), tuple(longer))
    return Case(op(indices=tuple(indices), axis=axis), (x,))


@cases("segment_sum", "segment_mean", "segment_max", "segment_min", "segment_softmax")
def _segments(draw: DrawFn, op: Op) -> Case:
    """Draw entries along some axis, a number of segments, or as many as another tensor has rows."""
    sizes, axis = with_features(draw, 1, 3, 1)
    entries: list[DimLike] = list(sizes)
    entries[axis] = draw(st.sampled_from([KEYS, Dim.of(draw(small))]))
    x = TensorType(draw(floats), shape(*entries))
    index = TensorType(draw(integers), (x.shape[axis],))
    if draw(st.booleans()):
        return Case(op(size=draw(small), axis=axis), (x, index, None))
    like = TensorType("float32", shape(SEQ, 2))
    return Case(op(size=draw(st.sampled_from([SEQ, 2 * SEQ])), axis=axis), (x, index, like))


@cases("scatter_add")
def _scatter_add(draw: DrawFn, op: Op) -> Case:
    sizes, axis = with_features(draw, 1, 3, draw(small))
    x = TensorType(draw(floats), sizes)
    added = list(sizes)
    added[axis] = draw(st.sampled_from([KEYS, Dim.of(draw(small))]))
    source = x.with_shape(*added)
    return Case(op(axis=axis), (x, TensorType(draw(integers), (source.shape[axis],)), source))


@cases("degree")
def _degree(draw: DrawFn, op: Op) -> Case:
    like = TensorType(draw(floats), shape(*dims(draw, draw(st.integers(1, 3)))))
    return Case(op(), (TensorType(draw(integers), shape(KEYS)), like))


@cases("embedding_bag")
def _embedding_bag(draw: DrawFn, op: Op) -> Case:
    ids = TensorType(draw(integers), shape(BATCH, draw(st.sampled_from([SEQ, Dim.of(draw(small))]))))
    fields = {"vocab": draw(small), "dim": draw(small)}
    if draw(st.booleans()):
        return Case(op(mode=draw(st.sampled_from(["sum", "mean", "max"])), **fields), (ids, None))
    return Case(op(mode="sum", **fields), (TensorType("int64", ids.shape), TensorType("float32", ids.shape)))


EQUATIONS = {
    "bid,bjd->bij": (shape(BATCH, SEQ, 3), shape(BATCH, KEYS, 3)),
    "ij->ji": (shape(SEQ, WIDTH),),
    "ij->i": (shape(SEQ, 4),),
    "ii->i": (shape(3, 3),),
    "i,j->ij": (shape(SEQ), shape(4)),
    "bnd,bnd->bn": (shape(BATCH, SEQ, 3), shape(BATCH, SEQ, 3)),
    "bhid,hde->bihe": (shape(BATCH, 2, SEQ, 3), shape(2, 3, WIDTH)),
    "ij, kj -> ": (shape(SEQ, 4), shape(KEYS, 4)),
    "ab,bc,cd->ad": (shape(SEQ, 4), shape(4, 3), shape(3, WIDTH)),
}


@cases("einsum")
def _einsum(draw: DrawFn, op: Op) -> Case:
    dtype, equation = draw(floats), draw(st.sampled_from(sorted(EQUATIONS)))
    return Case(op(equation=equation), tuple(TensorType(dtype, sizes) for sizes in EQUATIONS[equation]))
