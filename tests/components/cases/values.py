"""Cases of components that compute or combine values: activations, elementwise, merge, linear, product."""

from __future__ import annotations

import math

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
    masks,
    small,
    with_features,
)

from stackc.core.types import Dim, DimLike, Shape, TensorType, shape


@cases("identity")
def _identity(draw: DrawFn, op: Op) -> Case:
    dtype = draw(st.sampled_from(sorted(DTYPES)))
    return Case(op(), (TensorType(dtype, tuple(dims(draw, draw(st.integers(0, 4))))),))


@cases("relu", "tanh", "sigmoid", "silu", "leaky_relu", "elu", "relu6", "hardswish", "mish", "softplus", "quick_gelu")
@cases("selu", "celu", "softsign", "log_sigmoid", "hardsigmoid", "hardshrink", "softshrink", "threshold")
@cases("exp", "log", "sqrt", "abs", "erf", "floor", "ceil", "round", "sign")
@cases("tan", "asin", "acos", "atan", "sinh", "cosh", "asinh", "acosh", "atanh")
def _elementwise(draw: DrawFn, op: Op) -> Case:
    return Case(op(), (TensorType(draw(floats), tuple(dims(draw, draw(st.integers(0, 4))))),))


@cases("sin", "cos", "log10")
def _elementwise_functions(draw: DrawFn, op: Op) -> Case:
    return Case(op(), (TensorType(draw(floats), tuple(dims(draw, draw(st.integers(0, 4))))),))


@cases("cast")
def _cast(draw: DrawFn, op: Op) -> Case:
    x = TensorType(draw(st.sampled_from(sorted(DTYPES))), tuple(dims(draw, draw(st.integers(0, 4)))))
    return Case(op(dtype=_computed(draw, x)), (x,))


def _computed(draw: DrawFn, x: TensorType | None = None) -> str:
    """Return an element type for an output; float32 stands for the precision of the model, that of a float input."""
    whole = ["int64", "int32", "bool"]
    return draw(st.sampled_from(whole if x and x.dtype == "float64" else ["float32", *whole]))


@cases("constant")
def _constant(draw: DrawFn, op: Op) -> Case:
    dtype, sizes = _computed(draw), tuple(draw(st.lists(small, max_size=3)))
    numbers = st.floats(-2, 2) if dtype == "float32" else st.integers(0, 1)
    match draw(st.sampled_from(["weights", "number", "filled", "list", "shaped"])):
        case "weights":
            return Case(op(shape=sizes, dtype=dtype), ())
        case "number":
            return Case(op(value=draw(numbers), dtype=dtype), ())
        case "filled":
            return Case(op(value=draw(numbers), shape=sizes, dtype=dtype), ())
        case "list":
            return Case(op(value=tuple(draw(st.lists(numbers, min_size=1, max_size=4))), dtype=dtype), ())
    count = math.prod(sizes)
    values = tuple(draw(st.lists(numbers, min_size=count, max_size=count)))
    return Case(op(value=values, shape=sizes, dtype=dtype), ())


@cases("positions")
def _positions(draw: DrawFn, op: Op) -> Case:
    rank, dtype = draw(st.integers(1, 4)), draw(st.sampled_from(["int64", "int32", "float32"]))
    x = TensorType(draw(st.sampled_from(["float32", "int64", "bool"])), tuple(dims(draw, rank)))
    return Case(op(axis=draw(st.integers(-rank, rank - 1)), start=draw(st.integers(-3, 3)), dtype=dtype), (x,))


@cases("relative_positions")
def _relative_positions(draw: DrawFn, op: Op) -> Case:
    x = TensorType(draw(st.sampled_from(["float32", "int64"])), tuple(dims(draw, draw(st.integers(2, 4)))))
    context = draw(st.sampled_from([None, TensorType("float32", shape(BATCH, KEYS, 4))]))
    size = 2 * draw(st.integers(2, 5))
    farthest = draw(st.sampled_from([0, size // 2 + 2, 3 * size]))
    return Case(op(size=size, max_distance=farthest), (x, context))


@cases("coordinates")
def _coordinates(draw: DrawFn, op: Op) -> Case:
    x = TensorType(draw(floats), tuple(dims(draw, draw(st.integers(3, 5)))))
    return Case(op(min=draw(st.sampled_from([-1.0, 0.0])), align_corners=draw(st.booleans())), (x,))


@cases("one_hot")
def _one_hot(draw: DrawFn, op: Op) -> Case:
    x = TensorType(draw(integers), tuple(dims(draw, draw(st.integers(0, 3)))))
    return Case(op(classes=draw(small), dtype=_computed(draw)), (x,))


@cases("equal", "not_equal", "less", "less_equal", "greater", "greater_equal")
def _comparison(draw: DrawFn, op: Op) -> Case:
    full = dims(draw, draw(st.integers(0, 4)))
    if draw(st.booleans()):
        x = TensorType(draw(floats | integers), tuple(full))
        return Case(op(value=draw(st.sampled_from([0, 1, -2]))), (x, None))
    dtype = draw(masks | floats if op.op in ("equal", "not_equal") else floats | integers)
    return Case(op(), (TensorType(dtype, tuple(full)), TensorType(dtype, _broadcast_shape(draw, full))))


def _broadcast_shape(draw: DrawFn, full: list[Dim]) -> Shape:
    """Return a shape that broadcasts to another one."""
    return shape(*(1 if draw(st.booleans()) else d for d in full[draw(st.integers(0, len(full))) :]))


@cases("logical_and", "logical_or", "logical_xor", "logical_not")
def _logical(draw: DrawFn, op: Op) -> Case:
    full = dims(draw, draw(st.integers(0, 4)))
    others = [] if op.op == "logical_not" else [_broadcast_shape(draw, full) for _ in range(draw(st.integers(0, 2)))]
    return Case(op(), tuple(TensorType(draw(masks), sizes) for sizes in (tuple(full), *others)))


@cases("where")
def _where(draw: DrawFn, op: Op) -> Case:
    full, dtype = dims(draw, draw(st.integers(0, 4))), draw(masks | floats)
    x = TensorType(dtype, tuple(full))
    condition = TensorType(draw(masks), _broadcast_shape(draw, full))
    if draw(st.booleans()):
        return Case(op(value=draw(st.sampled_from([0, 1]))), (x, condition, None))
    return Case(op(), (x, condition, TensorType(dtype, _broadcast_shape(draw, full))))


@cases("cumsum")
def _cumsum(draw: DrawFn, op: Op) -> Case:
    rank = draw(st.integers(1, 4))
    x = TensorType(draw(floats | integers), tuple(dims(draw, rank)))
    return Case(op(axis=draw(st.integers(-rank, rank - 1))), (x,))


@cases("argmax", "argmin")
def _arg_reduction(draw: DrawFn, op: Op) -> Case:
    rank = draw(st.integers(1, 4))
    x = TensorType(draw(floats | integers), tuple(dims(draw, rank)))
    return Case(op(axis=draw(st.integers(-rank, rank - 1)), keepdim=draw(st.booleans())), (x,))


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
    return Case(op(bias=draw(st.booleans())), (x, *[branch] * count))


@cases("top_k_mask")
def _top_k_mask(draw: DrawFn, op: Op) -> Case:
    entries = draw(small)
    x = TensorType(draw(floats), shape(*dims(draw, draw(st.integers(0, 3))), entries))
    return Case(op(k=draw(st.integers(1, entries))), (x,))


@cases("routed_sum")
def _routed_sum(draw: DrawFn, op: Op) -> Case:
    dtype, before, count = draw(floats), dims(draw, draw(st.integers(1, 3))), draw(st.integers(1, 4))
    scores, branch = TensorType(dtype, shape(*before, count)), TensorType(dtype, shape(*before, draw(small)))
    mask = TensorType("bool", scores.shape)
    return Case(op(renormalize=draw(st.booleans())), (scores, mask, *[branch] * count))


@cases("stochastic_depth")
def _stochastic_depth(draw: DrawFn, op: Op) -> Case:
    x = TensorType(draw(floats), tuple(dims(draw, draw(st.integers(1, 4)))))
    return Case(op(p=draw(st.sampled_from([0.0, 0.1, 0.9])), mode=draw(st.sampled_from(["row", "batch"]))), (x,))


@cases("dynamic_tanh")
def _dynamic_tanh(draw: DrawFn, op: Op) -> Case:
    sizes, axis = with_features(draw, 1, 4, draw(small))
    return Case(op(axis=axis, initial=draw(st.sampled_from([0.5, -2.0]))), (TensorType(draw(floats), sizes),))


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
        activation=draw(st.sampled_from(["gelu", "gelu_tanh", "quick_gelu", "relu", "silu", "sigmoid", "tanh"])),
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
