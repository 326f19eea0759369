"""Scaled dot-product attention with several heads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

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
OPTIONAL = [Port(name, optional=True) for name in ("context", "mask", "bias", "value")]


@component("attention", "x", *OPTIONAL)
class Attention(Component):
    """y = W_o·concat_h(softmax(scale·q_h·k_hᵀ + bias_h)·v_h) + b_o with q = W_q·x, k = W_k·c, v = W_v·c′, biases added.

    x: [batch, queries, dim], context c: [batch, keys, …], by default x itself → y: [batch, queries, dim].
    mask: [batch, keys], [batch, queries, keys] or [batch, heads, queries, keys], where queries and heads may be 1; a
    query attends to a key where it is nonzero, and to all keys alike where a query has none.
    bias: [batch, heads, queries, keys], where batch and heads may be 1, added to the scores: Raffel et al. 2019,
    arXiv:1910.10683. value c′: [batch, keys, …], by default c: keys may know positions that values do not, as in
    Carion et al. 2020, arXiv:2005.12872.
    rotary: the features 2k and 2k + 1 of q_h and k_h (k and k + rotary_dim / 2 with halves) are turned, as points of a
    plane, by i / rotary_base^(2k / rotary_dim) at position i, so that scores know distances: Su et al. 2021,
    arXiv:2104.09864; halves as in Llama. qk_norm: an rms_norm of each q_h and k_h before that: Dehghani et al. 2023,
    arXiv:2302.05442. window: positions that far apart do not see each other: Beltagy et al. 2020, arXiv:2004.05150.
    Vaswani et al. 2017, arXiv:1706.03762; with kv_heads, groups of heads share keys and values: Ainslie et al. 2023,
    arXiv:2305.13245.
    """

    heads: Annotated[Size, "heads of the queries"]
    kv_heads: Annotated[Size | None, "heads of the keys and values, a divisor of heads; by default as many"] = None
    head_dim: Annotated[Size | None, "features of a head; by default dim / heads"] = None
    causal: Annotated[bool, "a position attends to itself and those before it only"] = False
    bias: Annotated[bool, "learn biases in the four linear maps"] = True
    dropout: Annotated[Probability, "the probability of dropout of an attention weight, in training"] = 0.0
    scale: Annotated[float | None, "what the scores are multiplied by; by default 1 / √head_dim"] = None
    rotary: Annotated[Literal["none", "halves", "interleaved"], "which features are turned by position, as pairs"] = (
        "none"
    )
    rotary_base: Annotated[float, Range(minimum=1.0), "how much slower the last pair turns than the first"] = 10000.0
    rotary_dim: Annotated[Size | None, "features of a head that are turned, even; by default all"] = None
    qk_norm: Annotated[
        bool, "normalize each head of queries and keys by its root mean square, with learned weights"
    ] = False
    eps: Annotated[Epsilon, "added to the mean square before its root is taken, with qk_norm"] = 1e-6
    window: Annotated[Size | None, "a position attends to those less than this far away, itself included"] = None

    def signature(
        self,
        x: TensorType,
        context: TensorType | None = None,
        mask: TensorType | None = None,
        bias: TensorType | None = None,
        value: TensorType | None = None,
    ) -> Signature:
        """The type of x; linear parameters under `q`, `k`, `v` and `out`."""
        source = self._source(x, context)
        values = self._values(source, value)
        if mask is not None:
            self._require_fitting(mask, x, source)
        if bias is not None:
            self._require_bias(bias, x, source)
        dim, wide, narrow = features_of(x), self.heads * self._head_dim(x), self._kv_heads * self._head_dim(x)
        parameters = (
            linear_parameters(dim, wide, self.bias, x.dtype, "q.")
            | linear_parameters(features_of(source, "context"), narrow, self.bias, x.dtype, "k.")
            | linear_parameters(features_of(values, "value"), narrow, self.bias, x.dtype, "v.")
            | linear_parameters(wide, dim, self.bias, x.dtype, "out.")
        )
        if self.qk_norm:
            weight = x.with_shape(self._head_dim(x))
            parameters |= {"q_norm.weight": weight, "k_norm.weight": weight}
        self._turned(x)
        projections = 2 * linear_flops(x, wide) + linear_flops(source, narrow) + linear_flops(values, narrow)
        scores_and_mix = 4 * product(x.shape[:2]) * source.shape[1] * wide
        queries, keys = product(x.shape[:2]), product(source.shape[:2])
        workspace = queries * wide + 2 * keys * narrow + queries * source.shape[1] * self.heads
        return Signature((x,), parameters, flops=projections + scores_and_mix, workspace=workspace)

    def construction(
        self,
        x: TensorType,
        context: TensorType | None = None,
        mask: TensorType | None = None,
        bias: TensorType | None = None,
        value: TensorType | None = None,
    ) -> ConstructorCall[nn.Module]:
        """Four torch.nn.Linear around torch.nn.functional.scaled_dot_product_attention."""
        from stackc.modules.attention import Attention, Rotary

        source = self._source(x, context)
        dim, keys = features_of(x), features_of(source, "context")
        values, turned = features_of(self._values(source, value), "value"), self._turned(x)
        interleaved = self.rotary == "interleaved"
        return construct(
            Attention,
            dim,
            heads=self.heads,
            kv_heads=None if self._kv_heads == self.heads else self._kv_heads,
            head_dim=None if self.heads * self._head_dim(x) == dim else self._head_dim(x),
            key_dim=None if keys == dim else keys,
            value_dim=None if values == keys else values,
            causal=self.causal,
            bias=self.bias,
            dropout=self.dropout,
            scale=self.scale,
            window=self.window,
            rotary=nested(construct(Rotary, turned, self.rotary_base, interleaved)) if turned else None,
            qk_norm=self.eps if self.qk_norm else None,
        )

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

    def _turned(self, x: TensorType) -> int | None:
        """How many features of a head are turned by position; None where none are."""
        if self.rotary == "none":
            if self.rotary_dim is not None:
                raise SignatureError(
                    "rotary_dim has no meaning without rotary",
                    code="T208",
                    field="rotary_dim",
                    hint="write `rotary: halves`, or take it out",
                )
            return None
        head_dim = self._head_dim(x)
        dim, field = (head_dim, "rotary") if self.rotary_dim is None else (self.rotary_dim, "rotary_dim")
        if dim % 2 or dim > head_dim:
            reason = "is odd, and features are turned in pairs" if dim % 2 else f"is more than the {head_dim} of a head"
            raise SignatureError(f"the number of features to turn, {dim}, {reason}", code="T202", field=field)
        return dim

    def _source(self, x: TensorType, context: TensorType | None) -> TensorType:
        """Where keys and values come from: the context, or x itself."""
        require_float(x)
        require_layout(x, "[batch, queries, dim]")
        if context is None:
            return x
        require_layout(context, "[batch, keys, features]", "context")
        if context.dtype != x.dtype:
            raise SignatureError(
                f"x is {x} and context {context}: one element type is needed", code="T203", port="context"
            )
        if context.shape[0] != x.shape[0]:
            raise SignatureError(f"x is {x} and context {context}: the batch has to be the same", port="context")
        by_place = {"causal": self.causal, "rotary": self.rotary != "none", "window": self.window is not None}
        if field := next((name for name, given in by_place.items() if given), None):
            written = "causal: true" if field == "causal" else f"{field}: {getattr(self, field)}"
            raise SignatureError(
                f"{field} has no meaning with a context, whose positions are not those of x",
                code="T208",
                field=field,
                hint=f"take out `{written}`, or the arrow into context",
            )
        return context

    def _values(self, source: TensorType, value: TensorType | None) -> TensorType:
        """Where values come from: a place of their own, or that of the keys."""
        if value is None:
            return source
        require_layout(value, "[batch, keys, features]", "value")
        if value.dtype != source.dtype or value.shape[:2] != source.shape[:2]:
            needed = f"{source.dtype}[{source.shape[0]}, {source.shape[1]}, …]"
            raise SignatureError(f"needs values {needed}, one for each key, and gets {value}", port="value")
        return value

    def _require_bias(self, bias: TensorType, x: TensorType, source: TensorType) -> None:
        """A SignatureError unless the bias has a number for each score, shared by all samples or heads where that axis is 1."""
        batch, queries, keys = x.shape[0], x.shape[1], source.shape[1]
        allowed = ((batch, 1), (self.heads, 1), (queries,), (keys,))
        fits = bias.rank == 4 and all(size in sizes for size, sizes in zip(bias.shape, allowed, strict=True))
        if bias.dtype != x.dtype or not fits:
            raise SignatureError(
                f"needs a bias {x.dtype}[{batch}, {self.heads}, {queries}, {keys}], and gets {bias}", port="bias"
            )

    def _require_fitting(self, mask: TensorType, x: TensorType, source: TensorType) -> None:
        """A SignatureError unless the mask has one of its three layouts, in the sizes of the queries and keys."""
        require_mask(mask)
        batch, queries, keys = x.shape[0], x.shape[1], source.shape[1]
        layouts: dict[int, tuple[tuple[Dim | int, ...], ...]] = {
            2: ((batch,), (keys,)),
            3: ((batch,), (1, queries), (keys,)),
            4: ((batch,), (1, self.heads), (1, queries), (keys,)),
        }
        if mask.rank not in layouts:
            raise SignatureError(f"needs a mask {MASK_LAYOUTS}, and gets {mask}", port="mask")
        if any(size not in allowed for size, allowed in zip(mask.shape, layouts[mask.rank], strict=True)):
            needed = ", ".join(str(allowed[-1]) for allowed in layouts[mask.rank])
            raise SignatureError(f"needs a mask [{needed}], and gets {mask}", port="mask")
