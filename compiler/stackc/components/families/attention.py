"""Multi-head scaled dot-product attention."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from stackc.components.axes import Axes
from stackc.components.base import (
    Component,
    Port,
    Signature,
    SignatureError,
    features_of,
    require_divisor,
    require_float,
    require_layout,
    require_mask,
)
from stackc.components.construction import ConstructorCall, construct, nested
from stackc.components.families.linear import linear_flops, linear_parameters
from stackc.components.fields import Epsilon, Probability, Range, Size
from stackc.components.registry import component
from stackc.core.types import Dim, TensorType, product

if TYPE_CHECKING:
    from torch import nn

MASK_LAYOUTS = "[batch, keys], [batch, queries, keys] or [batch, heads, queries, keys]"
Rotation = Literal["none", "halves", "interleaved"]
OPTIONAL = [Port(name, optional=True) for name in ("context", "mask", "bias", "value")]


@component("attention", "x", *OPTIONAL)
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
    2021, arXiv:2104.09864; halves as in Llama. qk_norm: an rms_norm of each q_h and k_h before that: Dehghani et al.
    2023, arXiv:2302.05442. window: positions at least that far apart do not attend to each other: Beltagy et al. 2020,
    arXiv:2004.05150.
    Vaswani et al. 2017, arXiv:1706.03762; with kv_heads, groups of heads share keys and values: Ainslie et al. 2023,
    arXiv:2305.13245.
    """

    heads: Annotated[Size, "the number of query heads"]
    kv_heads: Annotated[Size | None, "the number of key and value heads, a divisor of heads; by default heads"] = None
    head_dim: Annotated[Size | None, "features of each head; by default dim / heads"] = None
    causal: Annotated[bool, "a position attends only to itself and to earlier ones"] = False
    bias: Annotated[bool, "learn biases in the four linear layers"] = True
    dropout: Annotated[Probability, "the dropout probability of attention weights, in training"] = 0.0
    scale: Annotated[float | None, "the factor of the scores; by default 1 / √head_dim"] = None
    rotary: Annotated[Rotation, "which features form the pairs that are rotated by position"] = "none"
    rotary_base: Annotated[float, Range(minimum=1.0), "how much slower the last pair rotates than the first"] = 10000.0
    rotary_dim: Annotated[Size | None, "rotated features of each head, an even number; by default all"] = None
    qk_norm: Annotated[
        bool, "normalize each head of queries and keys by its root mean square, with learned weights"
    ] = False
    eps: Annotated[Epsilon, "added to the mean square before the root, with qk_norm"] = 1e-6
    window: Annotated[Size | None, "a position attends only to positions closer than this, including itself"] = None

    def signature(
        self,
        x: TensorType,
        context: TensorType | None = None,
        mask: TensorType | None = None,
        bias: TensorType | None = None,
        value: TensorType | None = None,
    ) -> Signature:
        """Return the type of x; linear parameters under `q`, `k`, `v` and `out`."""
        source = self._source(x, context)
        values = self._values(source, value)
        if mask is not None:
            self._require_mask(mask, x, source)
        if bias is not None:
            self._require_bias(bias, x, source)
        parameters = self._parameters(x, source, values)
        self._rotated_features(x)

        query_width, key_width = self.heads * self._head_dim(x), self._kv_heads * self._head_dim(x)
        queries, keys = product(x.shape[:2]), product(source.shape[:2])
        q_and_out = 2 * linear_flops(x, query_width)
        k_and_v = linear_flops(source, key_width) + linear_flops(values, key_width)
        scores_and_mix = 4 * queries * source.shape[1] * query_width
        workspace = queries * query_width + 2 * keys * key_width + queries * source.shape[1] * self.heads
        return Signature((x,), parameters, flops=q_and_out + k_and_v + scores_and_mix, workspace=workspace)

    def construction(
        self,
        x: TensorType,
        context: TensorType | None = None,
        mask: TensorType | None = None,
        bias: TensorType | None = None,
        value: TensorType | None = None,
    ) -> ConstructorCall[nn.Module]:
        """Return four torch.nn.Linear around torch.nn.functional.scaled_dot_product_attention."""
        from stackc.modules.attention import Attention, Rotary

        source = self._source(x, context)
        dim, key_dim = features_of(x), features_of(source, "context")
        value_dim, rotated = features_of(self._values(source, value), "value"), self._rotated_features(x)
        interleaved = self.rotary == "interleaved"

        return construct(
            Attention,
            dim,
            heads=self.heads,
            kv_heads=None if self._kv_heads == self.heads else self._kv_heads,
            head_dim=None if self.heads * self._head_dim(x) == dim else self._head_dim(x),
            key_dim=None if key_dim == dim else key_dim,
            value_dim=None if value_dim == key_dim else value_dim,
            causal=self.causal,
            bias=self.bias,
            dropout=self.dropout,
            scale=self.scale,
            window=self.window,
            rotary=nested(construct(Rotary, rotated, self.rotary_base, interleaved)) if rotated else None,
            qk_norm=self.eps if self.qk_norm else None,
        )

    def pointwise_axes(self, x: TensorType, *others: TensorType | None) -> tuple[Axes, ...]:
        """Return the batch of all inputs, and the queries of those that have no keys along the same axis."""
        context, mask, bias, value = (*others, *(None,) * 4)[:4]
        batch: dict[int, tuple[int, ...]] = {0: (0,)}
        axes = (
            batch | ({1: (1,)} if context else {}),
            batch if context else {},
            _score_axes(mask),
            _score_axes(bias),
            batch if value else {},
        )
        return axes[: 1 + len(others)]

    @property
    def reach(self) -> int:
        """The window."""
        return self.window or 0

    @property
    def _kv_heads(self) -> int:
        if self.kv_heads is None:
            return self.heads
        require_divisor(self.kv_heads, self.heads, field="kv_heads", of="heads")
        return self.kv_heads

    def _head_dim(self, x: TensorType) -> int:
        if self.head_dim is not None:
            return self.head_dim
        require_divisor(self.heads, features_of(x), field="heads", of="dim")
        return features_of(x) // self.heads

    def _parameters(self, x: TensorType, source: TensorType, values: TensorType) -> dict[str, TensorType]:
        """Return the parameters of the four linear layers and of the two norms."""
        dim, head_dim = features_of(x), self._head_dim(x)
        query_width, key_width = self.heads * head_dim, self._kv_heads * head_dim
        parameters = (
            linear_parameters(dim, query_width, self.bias, x.dtype, "q.")
            | linear_parameters(features_of(source, "context"), key_width, self.bias, x.dtype, "k.")
            | linear_parameters(features_of(values, "value"), key_width, self.bias, x.dtype, "v.")
            | linear_parameters(query_width, dim, self.bias, x.dtype, "out.")
        )
        norms = {"q_norm.weight": x.with_shape(head_dim), "k_norm.weight": x.with_shape(head_dim)}
        return parameters | (norms if self.qk_norm else {})

    def _rotated_features(self, x: TensorType) -> int | None:
        """Return how many features of each head are rotated by position; None without rotary."""
        if self.rotary == "none":
            if self.rotary_dim is not None:
                raise SignatureError(
                    "rotary_dim requires rotary",
                    code="T208",
                    field="rotary_dim",
                    hint="write `rotary: halves`, or remove rotary_dim",
                )
            return None

        head_dim = self._head_dim(x)
        dim, field = (head_dim, "rotary") if self.rotary_dim is None else (self.rotary_dim, "rotary_dim")
        if dim % 2 or dim > head_dim:
            reason = "is odd, but features rotate in pairs" if dim % 2 else f"exceeds head_dim {head_dim}"
            raise SignatureError(f"the number of rotated features, {dim}, {reason}", code="T202", field=field)
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

        # These compare positions of queries with positions of keys.
        positional = {"causal": self.causal, "rotary": self.rotary != "none", "window": self.window is not None}
        if field := next((name for name, is_set in positional.items() if is_set), None):
            written = "causal: true" if field == "causal" else f"{field}: {getattr(self, field)}"
            raise SignatureError(
                f"{field} has no meaning with a context, whose positions are not those of x",
                code="T208",
                field=field,
                hint=f"remove `{written}`, or the arrow into context",
            )
        return context

    def _values(self, source: TensorType, value: TensorType | None) -> TensorType:
        """Return the source of the values: `value`, or that of the keys. Raises SignatureError if they do not fit."""
        if value is None:
            return source
        require_layout(value, "[batch, keys, features]", "value")
        if value.dtype != source.dtype or value.shape[:2] != source.shape[:2]:
            expected = f"{source.dtype}[{source.shape[0]}, {source.shape[1]}, …]"
            raise SignatureError(f"expects values {expected}, one for each key, got {value}", port="value")
        return value

    def _require_bias(self, bias: TensorType, x: TensorType, source: TensorType) -> None:
        """Raise SignatureError unless the bias has a number for each score; batch and heads may be 1, to be shared."""
        batch, queries, keys = x.shape[0], x.shape[1], source.shape[1]
        allowed = ((batch, 1), (self.heads, 1), (queries,), (keys,))
        fits = bias.rank == 4 and all(size in sizes for size, sizes in zip(bias.shape, allowed, strict=True))
        if bias.dtype != x.dtype or not fits:
            expected = f"{x.dtype}[{batch}, {self.heads}, {queries}, {keys}]"
            raise SignatureError(f"expects a bias {expected}, got {bias}", port="bias")

    def _require_mask(self, mask: TensorType, x: TensorType, source: TensorType) -> None:
        """Raise SignatureError unless the mask has one of its three layouts, with the sizes of queries and keys."""
        require_mask(mask)
        batch, queries, keys = x.shape[0], x.shape[1], source.shape[1]
        layouts: dict[int, tuple[tuple[Dim | int, ...], ...]] = {
            2: ((batch,), (keys,)),
            3: ((batch,), (1, queries), (keys,)),
            4: ((batch,), (1, self.heads), (1, queries), (keys,)),
        }

        if mask.rank not in layouts:
            raise SignatureError(f"expects a mask {MASK_LAYOUTS}, got {mask}", port="mask")
        if any(size not in allowed for size, allowed in zip(mask.shape, layouts[mask.rank], strict=True)):
            expected = ", ".join(str(allowed[-1]) for allowed in layouts[mask.rank])
            raise SignatureError(f"expects a mask [{expected}], got {mask}", port="mask")


def _score_axes(scores: TensorType | None) -> Axes:
    """Return batch and queries of a mask or bias, unless they are 1 and repeated."""
    if scores is None:
        return {}
    places = {0: (0,)} | ({scores.rank - 2: (1,)} if scores.rank > 2 else {})
    return {axis: place for axis, place in places.items() if scores.shape[axis] != 1}
