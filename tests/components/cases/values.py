"""Cases of components that compute or combine values: activations, elementwise, merge, linear, product."""

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
    # From rank 2 on: the FLOP counter of torch does not know matrix-vector products.
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
