"""Cases of embeddings, normalizations, attention, pooling and recurrence."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn
from tests.components.cases.drawing import (
    BATCH,
    DTYPES,
    HEIGHT,
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

from stackc.components.families.attention import Biases
from stackc.components.rope_scaling import RopeScaling
from stackc.core.types import Dim, TensorType, shape


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
    layout = draw(st.sampled_from(["interleaved", "halves"]))
    options = {"start": draw(st.integers(0, 2)), "normalize": draw(st.booleans()), "layout": layout}
    sizes = (SEQ,) if draw(st.booleans()) else (HEIGHT, WIDTH)
    multiple = 2 * len(sizes)
    dim, features = draw(st.none() | small.map(lambda n: multiple * n)), Dim.of(multiple * draw(small))
    x = TensorType(draw(floats), (BATCH, SEQ, features) if len(sizes) == 1 else (BATCH, features, *sizes))
    mask = TensorType(draw(masks), (BATCH, *sizes)) if draw(st.booleans()) else None
    return Case(op(dim=dim, **options), (x, mask))


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
    """Draw features on several axes."""
    rank = draw(st.integers(2, 4))
    axes = draw(st.lists(st.integers(0, rank - 1), min_size=1, max_size=rank, unique=True))
    sizes = [Dim.of(draw(small)) if axis in axes else size for axis, size in enumerate(dims(draw, rank))]
    written = tuple(draw(st.sampled_from([axis, axis - rank])) for axis in axes)
    component = op(axis=written, **_weights(draw, op))
    return Case(component, (TensorType(draw(floats), tuple(sizes)),))


def _weights(draw: DrawFn, op: Op) -> dict[str, Any]:
    affine = draw(st.booleans())
    offset = draw(st.sampled_from([0.0, 1.0])) if affine and op.op == "rms_norm" else 0.0
    return {"affine": affine} | ({"offset": offset} if offset else {})


@cases("layer_norm", "rms_norm")
def _over_features(draw: DrawFn, op: Op) -> Case:
    if draw(st.booleans()):
        return _over_axes(draw, op)
    sizes, axis = with_features(draw, 1, 4, draw(small))
    last = axis in (-1, len(sizes) - 1)
    options: dict[str, Any] = {"bias": draw(st.booleans())} if op.op == "layer_norm" else {}
    component = op(axis=None if last and draw(st.booleans()) else axis, **_weights(draw, op), **options)
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


_biases = st.builds(Biases, q=st.booleans(), k=st.booleans(), v=st.booleans(), out=st.booleans())


_norms = st.just({"qk_norm": False}) | st.fixed_dictionaries(
    {"qk_norm": st.sampled_from([True, "head", "full"]), "qk_norm_offset": st.sampled_from([0.0, 1.0])}
)


@cases("attention")
def _attention(draw: DrawFn, op: Op) -> Case:
    kv_heads, group, width, dtype = draw(st.integers(1, 3)), draw(st.integers(1, 3)), draw(small), draw(floats)
    heads = kv_heads * group
    head_dim = draw(st.none() | small)
    x = TensorType(dtype, shape(BATCH, SEQ, draw(small) if head_dim else heads * width))
    context = TensorType(dtype, shape(BATCH, KEYS, draw(small))) if draw(st.booleans()) else None
    keys = KEYS if context else SEQ

    component = op(
        heads=heads,
        kv_heads=None if group == 1 and draw(st.booleans()) else kv_heads,
        head_dim=head_dim,
        causal=draw(st.booleans()),
        softcap=draw(st.none() | st.just(0.7)),
        sinks=draw(st.booleans()),
        alibi=context is None and draw(st.booleans()),
        probabilities=draw(st.booleans()),
        bias=draw(st.booleans() | _biases),
        scale=draw(st.none() | st.just(1.0)),
        **draw(_norms),
        window=draw(st.none() | small) if context is None else None,
        **(_rotary(draw, head_dim or width) if context is None else {}),
    )

    sizes = draw(st.none() | st.sampled_from(_mask_layouts(draw, heads, keys)))
    mask = None if sizes is None else TensorType(draw(masks), sizes)
    over = draw(st.sampled_from([BATCH, Dim.of(1)])), Dim.of(draw(st.sampled_from([heads, 1])))
    bias = TensorType(dtype, (*over, SEQ, keys)) if draw(st.booleans()) else None
    value = TensorType(dtype, shape(BATCH, keys, draw(small))) if draw(st.booleans()) else None
    positions = TensorType(draw(integers), (draw(st.sampled_from([BATCH, Dim.of(1)])), SEQ))
    placed = (component.rotary != "none" or component.alibi) and draw(st.booleans())
    return Case(component, (x, context, mask, bias, value, positions if placed else None))


def _rotary(draw: DrawFn, head_dim: int) -> dict[str, Any]:
    """Draw rotary positions, if a head has enough features for a pair."""
    rotary = draw(st.sampled_from(["none", "halves", "interleaved"])) if head_dim > 1 else "none"
    pairs = draw(st.integers(1, max(1, head_dim // 2)))
    whole = rotary == "none" or (head_dim % 2 == 0 and draw(st.booleans()))
    scaling = draw(st.none() | _scalings) if rotary != "none" and (head_dim if whole else 2 * pairs) > 2 else None
    return {"rotary": rotary, "rotary_dim": None if whole else 2 * pairs, "rope_scaling": scaling}


_scalings = st.builds(
    RopeScaling,
    rope_type=st.sampled_from(["default", "linear", "dynamic", "llama3", "yarn"]),
    factor=st.floats(1, 8),
    original_max_position_embeddings=st.integers(1, 8),
    truncate=st.booleans(),
)


def _mask_layouts(draw: DrawFn, heads: int, keys: Dim) -> list[tuple[Dim, ...]]:
    queries = draw(st.sampled_from([SEQ, Dim.of(1)]))
    over_heads = draw(st.sampled_from([heads, 1]))
    return [shape(BATCH, keys), shape(BATCH, queries, keys), shape(BATCH, over_heads, queries, keys)]


@cases("rotary")
def _rotary_of_heads(draw: DrawFn, op: Op) -> Case:
    head_dim = 2 * draw(st.integers(1, 4))
    dim = draw(st.none() | st.integers(1, head_dim // 2).map(lambda pairs: 2 * pairs))
    scaling = draw(st.none() | _scalings) if (dim or head_dim) > 2 else None
    x = TensorType(draw(floats), shape(BATCH, draw(small), SEQ, head_dim))
    positions = TensorType(draw(integers), (draw(st.sampled_from([BATCH, Dim.of(1)])), SEQ))
    component = op(dim=dim, base=100.0, interleaved=draw(st.booleans()), rope_scaling=scaling)
    return Case(component, (x, positions if draw(st.booleans()) else None))


@cases("causal_mask")
def _causal_mask(draw: DrawFn, op: Op) -> Case:
    dtype = draw(floats | integers)
    context = TensorType(dtype, shape(BATCH, KEYS)) if draw(st.booleans()) else None
    mask = TensorType(draw(masks), shape(BATCH, KEYS if context else SEQ)) if draw(st.booleans()) else None
    return Case(op(window=draw(st.integers(0, 3))), (TensorType(dtype, shape(BATCH, SEQ, draw(small))), context, mask))


@cases("scaled_dot_product_attention")
def _scaled_dot_product_attention(draw: DrawFn, op: Op) -> Case:
    dtype, kv_heads, group, width = draw(floats), draw(st.integers(1, 3)), draw(st.integers(1, 3)), draw(small)
    heads, keys = kv_heads * group, draw(st.sampled_from([SEQ, KEYS]))
    causal = draw(st.booleans())
    component = op(
        causal=causal, scale=draw(st.none() | st.just(1.0)), window=draw(st.integers(0, 3)) if causal else 0,
        softcap=draw(st.sampled_from([0.0, 0.7])), probabilities=draw(st.booleans()),
    )  # fmt: skip
    source = TensorType(dtype, shape(BATCH, kv_heads, keys, width))
    sizes = draw(st.none() | st.sampled_from(_mask_layouts(draw, heads, keys)))
    mask = None if sizes is None else TensorType(draw(masks), sizes)
    over = draw(st.sampled_from([BATCH, Dim.of(1)])), Dim.of(draw(st.sampled_from([heads, 1])))
    bias = TensorType(dtype, (*over, SEQ, keys)) if draw(st.booleans()) else None
    return Case(component, (TensorType(dtype, shape(BATCH, heads, SEQ, width)), source, source, mask, bias))


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


@cases("gru_cell", "lstm_cell")
def _recurrent_cell(draw: DrawFn, op: Op) -> Case:
    component, hidden = op(bias=draw(st.booleans())), draw(small)
    states = [TensorType("float64", shape(BATCH, hidden))] * (len(component.ports) - 1)
    return Case(component, (TensorType("float64", shape(BATCH, draw(small))), *states))


@cases("lstm", "gru", "rnn")
def _recurrent(draw: DrawFn, op: Op) -> Case:
    """Draw in float64: the FLOP counter of torch does not know the fused float32 kernel."""
    layers = draw(st.integers(1, 3))
    component = op(
        hidden=draw(small), layers=layers, bidirectional=draw(st.booleans()), bias=draw(st.booleans()),
        dropout=draw(st.sampled_from([0.0, 0.5])) if layers > 1 else 0.0,
    )  # fmt: skip
    state = TensorType("float64", shape(layers * component.directions, BATCH, component.hidden))
    states = [draw(st.sampled_from([None, state])) for _ in component.ports[1:-1]]
    lengths = TensorType(draw(integers), shape(BATCH)) if draw(st.booleans()) else None
    x = TensorType("float64", shape(BATCH, SEQ, draw(small)))
    return Case(component, (x, *states, lengths), skips_positions=lengths is not None)
