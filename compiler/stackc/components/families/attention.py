"""Multi-head scaled dot-product attention."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from stackc.components.along import Along, Followed, Mixes, State, pointwise_along, static_beside
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
    features_of,
    require_divisor,
    require_float,
    require_integer,
    require_layout,
)
from stackc.components.construction import ConstructorCall, construct, nested
from stackc.components.families.linear import linear_flops, linear_parameters
from stackc.components.fields import Epsilon, Natural, Probability, Range, Size
from stackc.components.registry import component
from stackc.components.rope_scaling import RopeScaling
from stackc.core.types import TensorType, product

if TYPE_CHECKING:
    from torch import nn

Rotation = Literal["none", "halves", "interleaved"]
PROJECTIONS = ("q", "k", "v", "out")
PROBABILITIES = "probabilities"
Probabilities = Annotated[bool, "return the probabilities too, as where `NODE.probabilities` is read"]
OPTIONAL = [Port(name, optional=True) for name in ("context", "mask", "bias", "value", "positions")]


@dataclass(frozen=True, kw_only=True)
class Biases:
    """Which of the four linear layers learn a bias."""

    q: Annotated[bool, "learn a bias of the queries"] = True
    k: Annotated[bool, "learn a bias of the keys"] = True
    v: Annotated[bool, "learn a bias of the values"] = True
    out: Annotated[bool, "learn a bias of the output"] = True


@component("attention", "x", *OPTIONAL, outputs=("y", PROBABILITIES))
class Attention(Component):
    """y = W_o·concat_h(softmax(scale·q_h·k_hᵀ + bias_h)·v_h) + b_o with q = W_q·x, k = W_k·c, v = W_v·c′, plus biases.

    x: [batch, queries, dim], context c: [batch, keys, …], by default x itself → y: [batch, queries, dim].
    mask: [batch, keys], [batch, queries, keys] or [batch, heads, queries, keys], where queries and heads may be 1: a
    query attends to a key if the mask is nonzero there; a query without any key attends equally to all keys.
    bias: [batch, heads, queries, keys], where batch and heads may be 1, added to the scores: Raffel et al. 2019,
    arXiv:1910.10683. value c′: [batch, keys, …], by default c; keys can then contain positions that values do not, as
    in Carion et al. 2020, arXiv:2005.12872.
    rotary: at position i, each pair of features 2k, 2k + 1 of q_h and k_h (with halves: k, k + rotary_dim / 2) is
    rotated in the plane by the angle i / rotary_base^(2k / rotary_dim), so that scores depend on distances: Su et al.
    2021, arXiv:2104.09864; halves as in Llama. positions: [batch or 1, queries], those positions i, by default
    0, 1, …; a batch that is padded on the left needs others. rope_scaling: for sequences longer than those of the
    training, see the keys of its mapping.
    qk_norm: an rms_norm of each q_h and k_h before that, as in Dehghani et al. 2023, arXiv:2302.05442; or of all q and
    of all k, as in OLMo 2, arXiv:2501.00656. window: positions at least that far apart do not attend to each other:
    Beltagy et al. 2020, arXiv:2004.05150.
    softcap: as in Gemma 2, arXiv:2408.00118. sinks: as in gpt-oss, arXiv:2508.10925. alibi: −2^(−8h / heads)·|i − j| is
    added to the scores of head h = 1, 2, …, where heads are a power of two: Press et al. 2021, arXiv:2108.12409.
    causal with a context: x is the end of it; query i attends to key j if j ≤ i + keys − queries.
    probabilities: [batch, heads, queries, keys], what each query takes of each key, in a file of primitive operators.
    Vaswani et al. 2017, arXiv:1706.03762; with kv_heads, groups of heads share keys and values: Ainslie et al. 2023,
    arXiv:2305.13245.
    """

    heads: Annotated[Size, "the number of query heads"]
    kv_heads: Annotated[Size | None, "the number of key and value heads, a divisor of heads; by default heads"] = None
    head_dim: Annotated[Size | None, "features of each head; by default dim / heads"] = None
    causal: Annotated[
        bool, "a position attends only to itself and to earlier ones; in a context, the last query to all keys"
    ] = False
    bias: Annotated[bool | Biases, "learn biases in the four linear layers, or in those of a mapping"] = True
    dropout: Annotated[Probability, "the dropout probability of attention weights, in training"] = 0.0
    scale: Annotated[float | None, "the factor of the scores; by default 1 / √head_dim"] = None
    rotary: Annotated[Rotation, "which features form the pairs that are rotated by position"] = "none"
    rotary_base: Annotated[float, Range(minimum=1.0), "how much slower the last pair rotates than the first"] = 10000.0
    rotary_dim: Annotated[Size | None, "rotated features of each head, an even number; by default all"] = None
    rope_scaling: Annotated[RopeScaling | None, "scales rotary positions, under the keys of a config.json"] = None
    qk_norm: Annotated[
        bool | Literal["head", "full"],
        "normalize queries and keys by their root mean square, with learned weights: true or head, each head by itself;"
        " full, all heads together",
    ] = False
    qk_norm_offset: Annotated[float, "added to the weights of qk_norm, as `offset` of rms_norm"] = 0.0
    eps: Annotated[Epsilon, "added to the mean square before the root, with qk_norm"] = 1e-6
    window: Annotated[
        Natural | None, "a position attends only to positions closer than this, including itself; 0 is no window"
    ] = None
    softcap: Annotated[
        Epsilon | None, "scores s become softcap · tanh(s / softcap), before masks and biases; 0 is no cap"
    ] = None
    sinks: Annotated[bool, "learn a score of no key for each head, in `sinks`: weight that goes to no value"] = False
    alibi: Annotated[bool, "subtract the distance of query and key from the score, times a slope of the head"] = False
    probabilities: Probabilities = False

    on_demand = (PROBABILITIES,)

    def signature(
        self,
        x: TensorType,
        context: TensorType | None = None,
        mask: TensorType | None = None,
        bias: TensorType | None = None,
        value: TensorType | None = None,
        positions: TensorType | None = None,
    ) -> Signature:
        """Return the type of x; linear parameters under `q`, `k`, `v` and `out`."""
        source = self._source(x, context)
        values = self._value_input(source, value)
        if mask is not None:
            require_score_mask(mask, x.shape[0], self.heads, x.shape[1], source.shape[1])
        if bias is not None:
            require_score_bias(bias, x.dtype, x.shape[0], self.heads, x.shape[1], source.shape[1])
        if positions is not None:
            self._require_positions(positions, x)
        parameters = self._parameters(x, source, values)
        self._rotated_features(x)
        if self.qk_norm_offset and not self.qk_norm:
            raise SignatureError(
                "qk_norm_offset requires qk_norm",
                code="T208",
                field="qk_norm_offset",
                hint="write `qk_norm: head`, or remove qk_norm_offset",
            )

        query_width, key_width = self.heads * self._head_dim(x), self._kv_heads * self._head_dim(x)
        queries, keys = product(x.shape[:2]), product(source.shape[:2])
        q_and_out = 2 * linear_flops(x, query_width)
        k_and_v = linear_flops(source, key_width) + linear_flops(values, key_width)
        scored = source.shape[1] + (1 if self.sinks else 0)
        scores_and_mix = 4 * queries * scored * query_width
        workspace = queries * query_width + 2 * keys * key_width + queries * scored * self.heads
        outputs = (x, x.with_shape(x.shape[0], self.heads, x.shape[1], source.shape[1]))[: len(self.outputs)]
        return Signature(outputs, parameters, flops=q_and_out + k_and_v + scores_and_mix, workspace=workspace)

    def construction(
        self,
        x: TensorType,
        context: TensorType | None = None,
        mask: TensorType | None = None,
        bias: TensorType | None = None,
        value: TensorType | None = None,
        positions: TensorType | None = None,
    ) -> ConstructorCall[nn.Module]:
        """Return four torch.nn.Linear around torch.nn.functional.scaled_dot_product_attention."""
        from stackc.modules.attention import Attention
        from stackc.modules.attention_probabilities import AttentionWithProbabilities

        source = self._source(x, context)
        dim, key_dim = features_of(x), features_of(source, "context")
        value_dim, rotated = features_of(self._value_input(source, value), "value"), self._rotated_features(x)
        interleaved = self.rotary == "interleaved"
        return construct(
            AttentionWithProbabilities if self.probabilities else Attention,
            dim,
            heads=self.heads,
            kv_heads=None if self._kv_heads == self.heads else self._kv_heads,
            head_dim=None if self.heads * self._head_dim(x) == dim else self._head_dim(x),
            key_dim=None if key_dim == dim else key_dim,
            value_dim=None if value_dim == key_dim else value_dim,
            causal=self.causal,
            bottom_right=self.causal and context is not None,
            bias=self.bias if isinstance(self.bias, bool) else self._biased,
            dropout=self.dropout,
            scale=self.scale,
            window=self.window or None,
            softcap=self.softcap or None,
            sinks=self.sinks,
            alibi=self.alibi,
            rotary=nested(self._scaling.rotary(rotated, self.rotary_base, interleaved)) if rotated else None,
            q_norm=nested(self._norm(self.heads, x)) if self.qk_norm else None,
            k_norm=nested(self._norm(self._kv_heads, x)) if self.qk_norm else None,
        )

    def _norm(self, heads: int, x: TensorType) -> ConstructorCall[nn.RMSNorm]:
        """Return the norm of heads [batch, positions, heads, head_dim]."""
        from torch import nn

        from stackc.modules.norm import HeadsRMSNorm, OffsetRMSNorm

        if self.qk_norm == "full":
            return construct(HeadsRMSNorm, (heads * self._head_dim(x),), self.eps, offset=self.qk_norm_offset)
        if self.qk_norm_offset:
            return construct(OffsetRMSNorm, (self._head_dim(x),), self.eps, offset=self.qk_norm_offset)
        return construct(nn.RMSNorm, self._head_dim(x), self.eps)

    def pointwise_axes(self, x: TensorType, *others: TensorType | None) -> tuple[Axes, ...]:
        """Return the batch of all inputs, and the queries of those that have no keys along the same axis."""
        context, mask, bias, value, positions = (*others, *(None,) * 5)[:5]
        batch: dict[int, tuple[int, ...]] = {0: (0,)}
        positional = self.causal or bool(self.window)
        axes = (
            batch | ({1: (1,)} if context and not positional else {}),
            batch if context else {},
            score_axes(mask, positional=positional),
            score_axes(bias, positional=positional),
            batch if value else {},
            batch if positions and positions.shape[0] != 1 and not self._scaling.reach else {},
        )
        return with_probabilities(self, axes[: 1 + len(others)], queries=1)

    def along(
        self,
        followed: Followed,
        x: TensorType,
        context: TensorType | None = None,
        mask: TensorType | None = None,
        bias: TensorType | None = None,
        value: TensorType | None = None,
        positions: TensorType | None = None,
    ) -> Along | Mixes:
        """Return that it keeps keys and values, if it is causal towards x itself or a context that x is the end of."""
        inputs = (x, context, mask, bias, value, positions)
        of_x, of_context, of_mask, of_bias, of_value, of_positions = (*followed.axes, *({},) * 5)[:6]
        beside = pointwise_along(self, followed.axes, inputs[: len(followed.axes)])
        if self._scaling.reach and (1 in of_x or of_positions):
            return Mixes("scales its angles by the length of the sequence", field="rope_scaling")
        if isinstance(beside, Along) or any(axes.keys() - {1} for axes in (of_x, of_context, of_value, of_positions)):
            return beside

        keys = (of_x if context is None else of_context).get(1)
        if value is not None and of_value.get(1) != keys:
            return static_beside("value")
        if positions is not None and of_positions.get(1) != of_x.get(1):
            return static_beside("positions")
        scores = score_inputs(mask=(mask, of_mask), bias=(bias, of_bias))
        axis = AttendedAxis(of_x.get(1), keys, self.causal, self.window or None, scores)
        counts = positions is None and (self.rotary != "none" or self.alibi)
        return axis.answer(self, 1, self._states(axis, x, context, positions), needs_positions=counts)

    def step_form(self, along: Along, *inputs: TensorType | None) -> Component | None:
        """Return the attention that appends to keys and values, if it keeps nothing else and attends to x itself."""
        from stackc.components.steps.attention import AttentionStep

        if not along.states:
            return self
        _, context, _, _, value, _ = inputs
        kept = [state.name for state in along.states]
        fits = kept == ["keys", "values"] and context is None and value is None and not self.probabilities
        return AttentionStep(of=self, heads=self.heads) if fits else None

    def _states(
        self, axis: AttendedAxis, x: TensorType, context: TensorType | None, positions: TensorType | None
    ) -> list[State]:
        """Return what is kept of earlier entries: their keys and values, and their positions for distances."""
        source = x if context is None else context
        keys = source.with_shape(source.shape[0], self._kv_heads, source.shape[1], self._head_dim(x))
        states = [State(name, keys, axis=2, last=axis.last) for name in ("keys", "values")]
        if self.alibi and positions is not None:
            states.append(State("positions", positions, axis=1, last=axis.last))
        return states

    @property
    def reach(self) -> int:
        """The window, and the length from which the base of rotary positions grows."""
        return max(self.window or 0, self._scaling.reach)

    @property
    def _scaling(self) -> RopeScaling:
        return self.rope_scaling or RopeScaling(rope_type="default", factor=1.0)

    @property
    def _kv_heads(self) -> int:
        if self.kv_heads is None:
            return self.heads
        require_divisor(self.kv_heads, self.heads, field="kv_heads", of="heads")
        return self.kv_heads

    @property
    def _biased(self) -> tuple[str, ...]:
        """The linear layers that learn a bias."""
        if isinstance(self.bias, bool):
            return PROJECTIONS if self.bias else ()
        return tuple(name for name in PROJECTIONS if getattr(self.bias, name))

    def _head_dim(self, x: TensorType) -> int:
        if self.head_dim is not None:
            return self.head_dim
        require_divisor(self.heads, features_of(x), field="heads", of="dim")
        return features_of(x) // self.heads

    def _parameters(self, x: TensorType, source: TensorType, values: TensorType) -> dict[str, TensorType]:
        """Return the parameters of the four linear layers and of the two norms."""
        dim, head_dim = features_of(x), self._head_dim(x)
        query_width, key_width = self.heads * head_dim, self._kv_heads * head_dim
        sizes = {
            "q": (dim, query_width),
            "k": (features_of(source, "context"), key_width),
            "v": (features_of(values, "value"), key_width),
            "out": (query_width, dim),
        }
        parameters = {"sinks": x.with_shape(self.heads)} if self.sinks else {}
        for name, (inputs, outputs) in sizes.items():
            parameters |= linear_parameters(inputs, outputs, name in self._biased, x.dtype, f"{name}.")
        if not self.qk_norm:
            return parameters
        widths = (query_width, key_width) if self.qk_norm == "full" else (head_dim, head_dim)
        return parameters | {
            f"{name}.weight": x.with_shape(w) for name, w in zip(("q_norm", "k_norm"), widths, strict=True)
        }

    def _rotated_features(self, x: TensorType) -> int | None:
        """Return how many features of each head are rotated by position; None without rotary."""
        if self.rotary == "none":
            options = ("rotary_dim", "rope_scaling")
            if field := next((name for name in options if getattr(self, name) is not None), None):
                raise SignatureError(
                    f"{field} requires rotary",
                    code="T208",
                    field=field,
                    hint=f"write `rotary: halves`, or remove {field}",
                )
            return None

        head_dim = self._head_dim(x)
        dim, field = (head_dim, "rotary") if self.rotary_dim is None else (self.rotary_dim, "rotary_dim")
        if dim % 2 or dim > head_dim:
            reason = "is odd, but features rotate in pairs" if dim % 2 else f"exceeds head_dim {head_dim}"
            raise SignatureError(f"the number of rotated features, {dim}, {reason}", code="T202", field=field)
        self._scaling.require_fit(dim, self.rotary_base)
        return dim

    def _source(self, x: TensorType, context: TensorType | None) -> TensorType:
        """Return the source of the keys: the context, or x itself. Raises SignatureError if they do not fit."""
        require_float(x)
        require_layout(x, "[batch, queries, dim]")
        if context is None:
            return x

        require_layout(context, "[batch, keys, features]", "context")
        if context.dtype != x.dtype:
            message = f"x is {x}, but context is {context}: they must have the same element type"
            raise SignatureError(message, code="T203", port="context")
        if context.shape[0] != x.shape[0]:
            message = f"x is {x}, but context is {context}: they must have the same batch size"
            raise SignatureError(message, port="context")

        # These compare positions of queries with positions of keys; with `causal`, the last of both is the same.
        positional = {
            "rotary": self.rotary != "none",
            "alibi": self.alibi,
            "window": bool(self.window) and not self.causal,
        }
        if field := next((name for name, is_set in positional.items() if is_set), None):
            written = "alibi: true" if field == "alibi" else f"{field}: {getattr(self, field)}"
            raise SignatureError(
                f"{field} has no meaning with a context, whose positions are not those of x",
                code="T208",
                field=field,
                hint=f"remove `{written}`, or the arrow into context",
            )
        return context

    def _value_input(self, source: TensorType, value: TensorType | None) -> TensorType:
        """Return the source of the values: `value`, or that of the keys. Raises SignatureError if they do not fit."""
        if value is None:
            return source
        require_layout(value, "[batch, keys, features]", "value")
        if value.dtype != source.dtype or value.shape[:2] != source.shape[:2]:
            expected = f"{source.dtype}[{source.shape[0]}, {source.shape[1]}, …]"
            raise SignatureError(f"expects values {expected}, one for each key, got {value}", port="value")
        return value

    def _require_positions(self, positions: TensorType, x: TensorType) -> None:
        """Raise SignatureError unless each query has a position, and positions have a meaning."""
        if self.rotary == "none" and not self.alibi:
            raise SignatureError(
                "positions have no meaning without rotary or alibi",
                code="T208",
                port="positions",
                hint="write `rotary: halves`, or remove the arrow into positions",
            )
        require_integer(positions, "positions")
        batch, queries = x.shape[:2]
        if positions.rank != 2 or positions.shape[0] not in (batch, 1) or positions.shape[1] != queries:
            message = f"expects positions {positions.dtype}[{batch}, {queries}], got {positions}"
            raise SignatureError(message, port="positions")
