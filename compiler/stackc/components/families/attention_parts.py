"""Parts of attention for use by themselves: rotary positions, masks, and the mixing of values on heads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from stackc.components.along import (
    Along,
    Followed,
    Mixes,
    Portion,
    State,
    counted_along,
    only_axes,
    pointwise_along,
    static_beside,
)
from stackc.components.attended import (
    AttendedAxis,
    require_score_bias,
    require_score_mask,
    score_axes,
    score_inputs,
    with_probabilities,
)
from stackc.components.axes import Axes
from stackc.components.base import (
    Component,
    Port,
    Signature,
    SignatureError,
    TypePreserving,
    features_of,
    fixed,
    require_float,
    require_integer,
    require_layout,
    require_mask,
)
from stackc.components.construction import ConstructorCall, construct, nested
from stackc.components.families.attention import PROBABILITIES, Probabilities
from stackc.components.fields import Epsilon, Natural, Probability, Range, Size
from stackc.components.registry import component
from stackc.components.rope_scaling import RopeScaling
from stackc.core.types import TensorType, product

if TYPE_CHECKING:
    from torch import nn

HEADS = "[batch, heads, positions, head_dim]"


@component("rotary", "x", Port("positions", optional=True))
class Rotary(TypePreserving):
    """y[b, h, i] = x[b, h, i], each pair of features k, k + dim / 2 rotated in the plane by p_i / base^(2k / dim).

    x: [batch, heads, seq, head_dim] → y: the same. positions p: [batch, seq], where batch may be 1; by default 0, 1, ….
    interleaved: pairs are 2k, 2k + 1. Su et al. 2021, arXiv:2104.09864.
    """

    dim: Annotated[Size | None, "rotated features of each head, an even number; by default all"] = None
    base: Annotated[float, Range(minimum=1.0), "how much slower the last pair rotates than the first"] = 10000.0
    interleaved: Annotated[bool, "pairs are neighbours, not features of two halves"] = False
    rope_scaling: Annotated[RopeScaling | None, "scales positions, under the keys of a config.json"] = None

    def signature(self, x: TensorType, positions: TensorType | None = None) -> Signature:
        """Return the same type."""
        require_float(x)
        require_layout(x, "[batch, heads, seq, head_dim]")
        dim = self._dim(x)
        self._scaling.require_fit(dim, self.base)
        if positions is None:
            return Signature((x,))

        require_integer(positions, "positions")
        batch, seq = x.shape[0], x.shape[2]
        if positions.rank != 2 or positions.shape[0] not in (batch, 1) or positions.shape[1] != seq:
            message = f"expects positions {positions.dtype}[{batch}, {seq}], got {positions}"
            raise SignatureError(message, port="positions")
        return Signature((x,))

    def construction(self, x: TensorType, positions: TensorType | None = None) -> ConstructorCall[nn.Module]:
        """Return the rotation as a module."""
        from stackc.modules.rotary import RotaryOfHeads

        return construct(RotaryOfHeads, nested(self._scaling.rotary(self._dim(x), self.base, self.interleaved)))

    def pointwise_axes(self, x: TensorType, positions: TensorType | None = None) -> tuple[Axes, ...]:
        """Return batch and heads; with positions of its own, each place stands by itself."""
        if positions is None or self._scaling.reach:
            return ({0: (0,), 1: (1,)}, {})
        over_batch = {0: (0,)} if positions.shape[0] != 1 else {}
        return ({0: (0,), 1: (1,), 2: (2,)}, over_batch | {1: (2,)})

    def along(self, followed: Followed, x: TensorType, positions: TensorType | None = None) -> Along | Mixes:
        """Return that it counts the positions of a sequence, if no others enter."""
        if self._scaling.reach and (2 in followed.axes[0] or any(followed.axes[1:])):
            return Mixes("scales its angles by the length of the sequence", field="rope_scaling")
        if followed.axes[0].keys() == {2} and positions is None:
            return counted_along(followed.axes[0])
        return pointwise_along(self, followed.axes, (x, positions))

    @property
    def reach(self) -> int:
        """The length from which the base grows."""
        return self._scaling.reach

    @property
    def _scaling(self) -> RopeScaling:
        return self.rope_scaling or RopeScaling(rope_type="default", factor=1.0)

    def _dim(self, x: TensorType) -> int:
        head_dim = features_of(x)
        dim = self.dim or head_dim
        if dim % 2 or dim > head_dim:
            reason = "is odd, but features rotate in pairs" if dim % 2 else f"exceeds head_dim {head_dim}"
            raise SignatureError(f"the number of rotated features, {dim}, {reason}", code="T202", field="dim")
        return dim


@component("causal_mask", "x", Port("context", optional=True), Port("mask", optional=True))
class CausalMask(Component):
    """y[b, i, j] = j ≤ i + keys − queries, whether query i may attend to key j: the last query to all keys.

    x: [batch, queries, ...], context: [batch, keys, ...], by default x itself; only their sizes are read → y: booleans
    [batch, queries, keys], for the port `mask` of attention. mask: [batch, keys], 0 at keys that nothing attends to.
    """

    window: Annotated[Natural, "only keys closer than this to the query's own place; 0 is no window"] = 0

    def signature(self, x: TensorType, context: TensorType | None = None, mask: TensorType | None = None) -> Signature:
        """Return a boolean for each query and key."""
        source = x if context is None else context
        for port, t in (("x", x), ("context", source)):
            if t.rank < 2:
                raise SignatureError(f"expects [batch, positions, ...], got {t}", port=port)
        if source.shape[0] != x.shape[0]:
            message = f"x is {x}, but context is {context}: they must have the same batch size"
            raise SignatureError(message, port="context")

        if mask is not None:
            require_mask(mask)
            if mask.shape != source.shape[:2]:
                expected = f"[{source.shape[0]}, {source.shape[1]}]"
                raise SignatureError(f"expects a mask {expected}, got {mask}", port="mask")
        return Signature((TensorType("bool", (*x.shape[:2], source.shape[1])),))

    def construction(
        self, x: TensorType, context: TensorType | None = None, mask: TensorType | None = None
    ) -> ConstructorCall[nn.Module]:
        """Return the comparison of places as a module."""
        from stackc.modules.causal_mask import CausalMask

        return construct(CausalMask, self.window)

    def pointwise_axes(self, x: TensorType, *others: TensorType | None) -> tuple[Axes, ...]:
        """Return the batch of each input."""
        return ({0: (0,)}, *({0: (0,)} if other else {} for other in others))

    def along(self, followed: Followed, x: TensorType, *others: TensorType | None) -> Along | Mixes:
        """Return that it makes a row of all keys for each new query, from a context that x is the end of."""
        context, mask = (*others, None, None)[:2]
        read = [only_axes(axes, 0, 1) for axes in (*followed.axes, {}, {})[:3]]
        queries, keys = read[0], read[1] if context is not None else read[0]
        if not any(1 in axes for axes in read):
            return pointwise_along(self, read[: 1 + len(others)], (x, *others))
        if queries != {1: Portion.NEW} or not keys or 0 in keys:
            return static_beside("context" if context is not None else "x")
        if mask is not None and read[2].keys() != {1}:
            return static_beside("mask")
        kept = score_inputs(mask=(mask, read[2]))
        states = [state for score in kept for state in score.kept(self.window - 1 if self.window else None)]
        return Along(({1: Portion.NEW, 2: Portion.WHOLE},), tuple(states), needs_positions=True)

    @property
    def reach(self) -> int:
        """The window."""
        return self.window


@component(
    "scaled_dot_product_attention",
    *("query", "key", "value", Port("mask", optional=True), Port("bias", optional=True)),
    outputs=("y", PROBABILITIES),
)
class ScaledDotProductAttention(Component):
    """y = softmax(scale·q·kᵀ + bias)·v for each head, whose queries attend to keys where the mask is nonzero.

    query: [batch, heads, queries, head_dim], key: [batch, kv_heads, keys, head_dim], value: the same as key, where
    kv_heads divides heads → y: like query. mask: [batch, keys], [batch, queries, keys] or [batch, heads, queries,
    keys], where queries and heads may be 1; a query without any key attends equally to all. bias: [batch, heads,
    queries, keys], where batch and heads may be 1. causal: query i attends to key j if j ≤ i + keys − queries.
    probabilities: [batch, heads, queries, keys], what each query takes of each key, in a file of primitive operators.
    Vaswani et al. 2017, arXiv:1706.03762.
    """

    causal: Annotated[bool, "a query attends to keys up to its own place; the last query to all keys"] = False
    dropout: Annotated[Probability, "the dropout probability of attention weights, in training"] = 0.0
    scale: Annotated[float | None, "the factor of the scores; by default 1 / √head_dim"] = None
    window: Annotated[Natural, "with causal, only keys closer than this to the query's own place; 0 is no window"] = 0
    softcap: Annotated[Epsilon, "scores s become softcap · tanh(s / softcap), before masks and biases; 0 is no cap"] = (
        0.0
    )
    probabilities: Probabilities = False

    on_demand = (PROBABILITIES,)

    def signature(
        self,
        query: TensorType,
        key: TensorType,
        value: TensorType,
        mask: TensorType | None = None,
        bias: TensorType | None = None,
    ) -> Signature:
        """Return the type of the query."""
        heads = self._heads(query, key, value)
        batch, _, queries, head_dim = query.shape
        keys = key.shape[2]

        if mask is not None:
            require_score_mask(mask, batch, heads, queries, keys)
        if bias is not None:
            require_score_bias(bias, query.dtype, batch, heads, queries, keys)
        if self.window and not self.causal:
            raise SignatureError(
                "window requires causal", code="T208", field="window", hint="write `causal: true`, or remove window"
            )

        scores = product((batch, query.shape[1], queries, keys))
        outputs = (query, query.with_shape(batch, query.shape[1], queries, keys))[: len(self.outputs)]
        return Signature(outputs, flops=4 * scores * head_dim, workspace=scores)

    def construction(
        self,
        query: TensorType,
        key: TensorType,
        value: TensorType,
        mask: TensorType | None = None,
        bias: TensorType | None = None,
    ) -> ConstructorCall[nn.Module]:
        """Return torch.nn.functional.scaled_dot_product_attention as a module."""
        from stackc.modules.attention import ScaledDotProductAttention
        from stackc.modules.attention_probabilities import ScaledDotProductAttentionWithProbabilities

        return construct(
            ScaledDotProductAttentionWithProbabilities if self.probabilities else ScaledDotProductAttention,
            causal=self.causal,
            bottom_right=self.causal and query.shape[2] != key.shape[2],
            dropout=self.dropout,
            scale=self.scale,
            window=self.window or None,
            softcap=self.softcap or None,
        )

    def pointwise_axes(self, query: TensorType, *others: TensorType | None) -> tuple[Axes, ...]:
        """Return the batch of all inputs, and the queries where they are no keys too."""
        key, value, mask, bias = (*others, *(None,) * 4)[:4]
        batch: dict[int, tuple[int, ...]] = {0: (0,)}
        is_positional = self.causal or key is None or key.shape[2] == query.shape[2]
        axes = (
            batch | ({} if is_positional else {2: (2,)}),
            batch if key else {},
            batch if value else {},
            score_axes(mask, positional=self.causal, queries=2),
            score_axes(bias, positional=self.causal, queries=2),
        )
        return with_probabilities(self, axes[: 1 + len(others)], queries=2)

    def along(self, followed: Followed, query: TensorType, *others: TensorType | None) -> Along | Mixes:
        """Return that it keeps keys and values, if it is causal and they come with the queries."""
        beside = pointwise_along(self, followed.axes, (query, *others))
        own = [*followed.axes, {}, {}][:5]
        if isinstance(beside, Along) or any(axes.keys() - {2} for axes in own[:3]):
            return beside

        queries, keys, values = (axes.get(2) for axes in own[:3])
        if keys != values:
            return beside
        key, value, mask, bias = (*others, None, None)[:4]
        scores = score_inputs(mask=(mask, own[3]), bias=(bias, own[4]))
        axis = AttendedAxis(queries, keys, self.causal, self.window or None, scores)
        pairs = [(name, x) for name, x in (("keys", key), ("values", value)) if x is not None]
        states = [State(name, x, axis=2, last=axis.last) for name, x in pairs]
        return axis.answer(self, 2, states, needs_positions=False)

    @property
    def reach(self) -> int:
        """The window."""
        return self.window

    def _heads(self, query: TensorType, key: TensorType, value: TensorType) -> int:
        """Return the number of heads. Raises SignatureError if the inputs do not fit."""
        require_float(query, "query")
        for port, t in (("query", query), ("key", key), ("value", value)):
            require_layout(t, HEADS, port)
        heads = fixed(query.shape[1], "the head axis", port="query")
        kv_heads = fixed(key.shape[1], "the head axis", port="key")
        if heads % kv_heads:
            message = f"the {kv_heads} heads of the key do not divide the {heads} of the query"
            raise SignatureError(message, code="T202", port="key")

        features_of(query, "query")
        wanted = TensorType(query.dtype, (query.shape[0], key.shape[1], key.shape[2], query.shape[3]))
        for port, t in (("key", key), ("value", value)):
            if t != wanted:
                raise SignatureError(f"expects a {port} {wanted}, got {t}", port=port)
        return heads
