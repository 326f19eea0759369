"""Multi-head attention, and two equivalent forms of it that ONNX Runtime runs faster.

With ONNX's own operators: projections of the same tensor are one matrix product, whose weights are concatenated when
weights are folded, and are split into heads once. With ONNX Runtime's operators: nothing is split into heads.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class ScaledDotProductAttention(nn.Module):
    """Values mixed by the softmax of their scores, on heads, at positions with a nonzero mask.

    `sinks` and `alibi` are the number of heads, for a learned score of no key and for a penalty of distances.
    """

    def __init__(
        self,
        *,
        causal: bool = False,
        bottom_right: bool = False,
        dropout: float = 0.0,
        scale: float | None = None,
        window: int | None = None,
        softcap: float | None = None,
        sinks: int | None = None,
        alibi: int | None = None,
    ) -> None:
        super().__init__()
        self.sinks = None if sinks is None else nn.Parameter(torch.zeros(sinks))
        self.slopes = None if alibi is None else alibi_slopes(alibi)

        self.causal = causal
        self.bottom_right = bottom_right
        self.dropout = dropout
        self.scale = scale
        self.window = window
        self.softcap = softcap

    def forward(
        self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None, bias: Tensor | None = None
    ) -> Tensor:
        """query [batch, heads, queries, head_dim], key and value [batch, kv_heads, keys, head_dim] → like query."""
        return self.attend(query, key, value, self.score_bias(mask, bias, query, key))

    def export_forward(self, opset: int, target: str) -> Callable[..., Tensor] | None:
        """Return the forward for an export, with ONNX's operator where PyTorch has none; None for the same one."""
        if self.softcap is None or opset < 23:
            return None

        def forward(
            query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None, bias: Tensor | None = None
        ) -> Tensor:
            return onnx_attended(self, query, key, value, self.score_bias(mask, bias, query, key), opset)

        return forward

    def attend(self, q: Tensor, k: Tensor, v: Tensor, score_bias: Tensor | None) -> Tensor:
        """q, k, v [batch, heads, positions, head_dim], score_bias added to the scores → like q."""
        if self.sinks is not None:
            k, v, score_bias = self.with_sinks(q, k, v, score_bias)
        if self.softcap is not None:
            return self.capped(q, k, v, score_bias)
        return F.scaled_dot_product_attention(
            q,
            k,
            v,
            attn_mask=score_bias,
            dropout_p=self.dropout if self.training else 0.0,
            is_causal=self.causal and score_bias is None,
            scale=self.scale,
            enable_gqa=q.shape[1] != k.shape[1],
        )

    def capped(self, q: Tensor, k: Tensor, v: Tensor, score_bias: Tensor | None) -> Tensor:
        """Mix the values by softcap · tanh(scores / softcap), which PyTorch's operator does not calculate."""
        return self.mixed(self.weights(q, k, score_bias), v)

    def weights(self, q: Tensor, k: Tensor, score_bias: Tensor | None) -> Tensor:
        """How much each query takes of each key, [batch, heads, queries, keys]."""
        if score_bias is None and self.causal:
            score_bias = self.additive_mask(torch.ones_like(k[:, 0, :, 0], dtype=torch.bool), q)

        # heads that share keys are rows of one product
        rows = q.reshape(*k.shape[:2], -1, q.shape[3])
        scores = (rows @ k.transpose(2, 3)).view(*q.shape[:3], k.shape[2])
        scores = scores * (q.shape[3] ** -0.5 if self.scale is None else self.scale)
        if self.softcap is not None:
            scores = self.softcap * torch.tanh(scores / self.softcap)
        weights = (scores if score_bias is None else scores + score_bias).softmax(dim=-1)
        return F.dropout(weights, self.dropout, self.training)

    def mixed(self, weights: Tensor, v: Tensor) -> Tensor:
        """The values mixed by these weights, [batch, heads, queries, head_dim]."""
        rows = weights.reshape(*v.shape[:2], -1, v.shape[2])  # heads that share values are rows of one product
        return (rows @ v).view(*weights.shape[:3], v.shape[3])

    def with_sinks(self, q: Tensor, k: Tensor, v: Tensor, score_bias: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
        """Return k, v and score_bias with one more key: of value 0, and with the score of the head's sink."""
        assert self.sinks is not None
        if score_bias is None:
            score_bias = q.new_zeros(1, 1, q.shape[2], k.shape[2])
        sinks = self.sinks.view(1, -1, 1, 1).expand(score_bias.shape[0], -1, q.shape[2], 1)
        score_bias = torch.cat((score_bias.expand(-1, q.shape[1], -1, -1), sinks), dim=3)
        return F.pad(k, (0, 0, 0, 1)), F.pad(v, (0, 0, 0, 1)), score_bias

    def score_bias(
        self, mask: Tensor | None, bias: Tensor | None, q: Tensor, k: Tensor, positions: Tensor | None = None
    ) -> Tensor | None:
        """Mask, window, causality and bias as numbers to add to scores, [batch, 1 or heads, queries, keys], or None."""
        if self.slopes is not None:
            distances = self.distance_bias(self.slopes, q, positions)
            bias = distances if bias is None else bias + distances
        is_added = bias is not None or self.sinks is not None or self.bottom_right
        if mask is None and (self.window is not None or (self.causal and is_added)):
            mask = torch.ones_like(k[:, 0, :, 0], dtype=torch.bool)
        masked = None if mask is None else self.additive_mask(mask, q)
        if bias is None:
            return masked

        bias = bias.expand(q.shape[0], -1, -1, -1)
        return bias if masked is None else bias + masked

    def distance_bias(self, slopes: Sequence[float], q: Tensor, positions: Tensor | None) -> Tensor:
        """A slope of each head times the distance of query and key, [batch or 1, heads, positions, positions]."""
        if positions is None:
            positions = torch.arange(q.shape[2], device=q.device).unsqueeze(0)
        distances = (positions.unsqueeze(1) - positions.unsqueeze(2)).abs().unsqueeze(1)
        return distances * q.new_tensor([[[-slope]] for slope in slopes])

    def additive_mask(self, mask: Tensor, q: Tensor) -> Tensor:
        """A mask to add to the scores, [batch, 1 or heads, queries, keys]: 0 to attend, else far below any score.

        It is finite, so that a query without any key stays finite. All masks are combined as booleans first, since the
        sum of two such numbers is −inf. It is half the least number, because ONNX Runtime's Attention returns zeros for
        a query whose scores are all the least one; and queries are expanded, since it does not broadcast over them.
        """
        attend = mask.bool()
        if mask.dim() == 2:
            attend = attend[:, None, None, :]
        elif mask.dim() == 3:
            attend = attend[:, None, :, :]
        attend = attend.expand(-1, -1, q.shape[2], -1)

        if self.bottom_right:
            return self.as_numbers(attend & self.up_to_the_last(attend), q)

        within = attend.new_ones(q.shape[2], attend.shape[3])
        if self.causal:
            attend = attend & within.tril()
        if self.window is not None:
            attend = attend & within.triu(1 - self.window)
            attend = attend if self.causal else attend & within.tril(self.window - 1)

        return self.as_numbers(attend, q)

    def up_to_the_last(self, attend: Tensor) -> Tensor:
        """Whether each query may attend to each key by their places, [queries, keys]: the last query to all keys."""
        queries, keys = (torch.arange(size, device=attend.device) for size in attend.shape[2:])
        last = (queries + (attend.shape[3] - attend.shape[2])).unsqueeze(1)
        within = keys <= last
        return within if self.window is None else within & (keys > last - self.window)

    def as_numbers(self, attend: Tensor, q: Tensor) -> Tensor:
        """0 to attend, else half the least number."""
        return torch.where(attend, q.new_zeros(()), q.new_full((), torch.finfo(q.dtype).min / 2))


class Attention(ScaledDotProductAttention):
    """Scaled dot-product attention from x to itself or to a context, at positions with a nonzero mask."""

    def __init__(
        self,
        dim: int,
        *,
        heads: int,
        kv_heads: int | None = None,
        head_dim: int | None = None,
        key_dim: int | None = None,
        value_dim: int | None = None,
        causal: bool = False,
        bottom_right: bool = False,
        bias: bool | tuple[str, ...] = True,
        dropout: float = 0.0,
        scale: float | None = None,
        window: int | None = None,
        softcap: float | None = None,
        sinks: bool = False,
        alibi: bool = False,
        rotary: nn.Module | None = None,
        q_norm: nn.Module | None = None,
        k_norm: nn.Module | None = None,
    ) -> None:
        super().__init__(
            causal=causal,
            bottom_right=bottom_right,
            dropout=dropout,
            scale=scale,
            window=window,
            softcap=softcap,
            sinks=heads if sinks else None,
            alibi=heads if alibi else None,
        )
        kv_heads, head_dim, key_dim = kv_heads or heads, head_dim or dim // heads, key_dim or dim
        biased = bias if isinstance(bias, tuple) else ("q", "k", "v", "out") if bias else ()

        self.q = nn.Linear(dim, heads * head_dim, "q" in biased)
        self.k = nn.Linear(key_dim, kv_heads * head_dim, "k" in biased)
        self.v = nn.Linear(value_dim or key_dim, kv_heads * head_dim, "v" in biased)
        self.out = nn.Linear(heads * head_dim, dim, "out" in biased)
        self.q_norm = q_norm
        self.k_norm = k_norm
        self.rotary = rotary

        self.head_dim = head_dim
        self.grouped = kv_heads != heads

    def forward(  # type: ignore[override]  # it projects its inputs to heads
        self,
        x: Tensor,
        context: Tensor | None = None,
        mask: Tensor | None = None,
        bias: Tensor | None = None,
        value: Tensor | None = None,
        positions: Tensor | None = None,
    ) -> Tensor:
        """x [batch, queries, dim], context [batch, keys, key_dim], value [batch, keys, value_dim] → like x."""
        source = x if context is None else context
        q, k, v = self.project(x, source, source if value is None else value, positions)
        return self.merged(self.attend(q, k, v, self.score_bias(mask, bias, q, k, positions)))

    def export_forward(self, opset: int, target: str) -> Callable[..., Tensor] | None:
        """Return the forward for an export; None for the same one."""
        return exported(self, opset, target)

    def project(
        self, x: Tensor, source: Tensor, values: Tensor, positions: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """q, k and v of each head, q and k normalized and rotated if configured."""
        q = self.split_heads(self.q(x), self.q_norm, self.rotary, positions)  # [batch, heads, queries, head_dim]
        k = self.split_heads(self.k(source), self.k_norm, self.rotary, positions)  # [batch, kv_heads, keys, head_dim]
        v = self.split_heads(self.v(values))  # [batch, kv_heads, keys, head_dim]
        return q, k, v

    def merged(self, mixed: Tensor) -> Tensor:
        """[batch, heads, queries, head_dim] → [batch, queries, dim], projected."""
        y: Tensor = self.out(mixed.transpose(1, 2).flatten(2))
        return y

    def split_heads(
        self,
        x: Tensor,
        norm: nn.Module | None = None,
        rotary: nn.Module | None = None,
        positions: Tensor | None = None,
    ) -> Tensor:
        """[batch, seq, heads * head_dim] → [batch, heads, seq, head_dim], normalized and rotated if configured."""
        heads = x.view(*x.shape[:2], -1, self.head_dim)  # [batch, seq, heads, head_dim]
        heads = heads if norm is None else norm(heads)
        heads = heads if rotary is None else rotary(heads, positions)
        return heads.transpose(1, 2)


def alibi_slopes(heads: int) -> list[float]:
    """Return a slope for each head: powers of 2^(−8 / n), n a power of two; other numbers of heads take of 2n too."""
    whole = 1 << (heads.bit_length() - 1)
    slopes = [2 ** (-8 * (head + 1) / whole) for head in range(whole)]
    return slopes + [2 ** (-4 * (2 * head + 1) / whole) for head in range(heads - whole)]


def exported(attention: Attention, opset: int, target: str) -> Callable[..., Tensor] | None:
    """Return the forward of an attention for an export; None for its own.

    It is one product for all projections of the same tensor or, if `target` admits them, ONNX Runtime's operators.
    """
    with_positions = attention.q_norm is not None or attention.rotary is not None
    is_capped, is_plain = attention.softcap is not None, attention.softcap is None and attention.sinks is None
    flat = target == "ort" and (opset >= 23 or (is_plain and not attention.grouped)) and attention.sinks is None
    if with_positions and not flat and not (is_capped and opset >= 23):
        return None

    def forward(
        x: Tensor,
        context: Tensor | None = None,
        mask: Tensor | None = None,
        bias: Tensor | None = None,
        value: Tensor | None = None,
        positions: Tensor | None = None,
    ) -> Tensor:
        source = x if context is None else context
        inputs = (x, source, source if value is None else value)
        if flat:
            q, k, v = _flat_heads(attention, inputs, positions)
            score_bias = attention.score_bias(mask, bias, attention.split_heads(q), attention.split_heads(k), positions)
            y: Tensor = attention.out(_mixed_flat(attention, q, k, v, score_bias, opset))
            return y

        if with_positions:
            q, k, v = attention.project(*inputs, positions)
        else:
            q, k, v = joined_heads(attention, inputs)
        return attention.merged(
            onnx_attended(attention, q, k, v, attention.score_bias(mask, bias, q, k, positions), opset)
        )

    return forward


def onnx_attended(
    attention: ScaledDotProductAttention, q: Tensor, k: Tensor, v: Tensor, score_bias: Tensor | None, opset: int
) -> Tensor:
    """Return the values mixed by their scores; capped ones by ONNX's operator, where it exists."""
    if attention.softcap is None or opset < 23:
        return attention.attend(q, k, v, score_bias)
    if attention.sinks is not None:
        k, v, score_bias = attention.with_sinks(q, k, v, score_bias)
    return _onnx_attention(attention, q, k, v, score_bias)


def joined_heads(attention: Attention, inputs: Sequence[Tensor]) -> list[Tensor]:
    """Return q, k, v [batch, heads, positions, head_dim], as parts of one product if they are of the same tensor."""
    pairs = zip(inputs, (attention.q, attention.k, attention.v), strict=True)
    parts: list[Tensor] = []
    for _, group in groupby(pairs, key=lambda pair: id(pair[0])):
        (x, *_), linears = zip(*group, strict=True)
        heads = attention.split_heads(_joined(linears, x))
        parts += heads.split([linear.out_features // attention.head_dim for linear in linears], dim=1)
    return parts


def _joined(linears: Sequence[nn.Linear], x: Tensor) -> Tensor:
    """Return the concatenated outputs of several linear layers."""
    if len(linears) == 1:
        y: Tensor = linears[0](x)
        return y
    weight = torch.cat(tuple(linear.weight for linear in linears))
    if all(linear.bias is None for linear in linears):
        return F.linear(x, weight)
    biases = (x.new_zeros(linear.out_features) if linear.bias is None else linear.bias for linear in linears)
    return F.linear(x, weight, torch.cat(tuple(biases)))


def _flat_heads(attention: Attention, inputs: Sequence[Tensor], positions: Tensor | None) -> list[Tensor]:
    """Return q, k, v [batch, positions, heads * head_dim]."""
    q, k, v = (linear(x) for linear, x in zip((attention.q, attention.k, attention.v), inputs, strict=True))
    if attention.q_norm is not None or attention.rotary is not None:
        q = attention.split_heads(q, attention.q_norm, attention.rotary, positions).transpose(1, 2).flatten(2)
        k = attention.split_heads(k, attention.k_norm, attention.rotary, positions).transpose(1, 2).flatten(2)
    return [q, k, v]


def _mixed_flat(attention: Attention, q: Tensor, k: Tensor, v: Tensor, score_bias: Tensor | None, opset: int) -> Tensor:
    """Return the values mixed by their scores, [batch, queries, heads * head_dim]."""
    plain = score_bias is None and not attention.causal and not attention.grouped and attention.softcap is None
    operator = _onnxruntime_attention if plain or opset < 23 else _onnx_attention
    return operator(attention, q, k, v, score_bias)


def _onnxruntime_attention(attention: Attention, q: Tensor, k: Tensor, v: Tensor, score_bias: Tensor | None) -> Tensor:
    """Call ONNX Runtime's operator, the faster one if nothing is added to the scores."""
    scale = {} if attention.scale is None else {"scale": attention.scale}
    heads, causal = q.shape[2] // attention.head_dim, attention.causal and score_bias is None
    return torch.onnx.ops.symbolic(
        "com.microsoft::MultiHeadAttention",
        (q, k, v) if score_bias is None else (q, k, v, None, None, score_bias),
        {"num_heads": heads, "unidirectional": int(causal), **scale},
        dtype=q.dtype,
        shape=(q.shape[0], q.shape[1], v.shape[2]),
    )


def _onnx_attention(
    attention: ScaledDotProductAttention, q: Tensor, k: Tensor, v: Tensor, score_bias: Tensor | None
) -> Tensor:
    """Call ONNX's operator on heads, or on [batch, positions, heads * head_dim]; PyTorch itself is slow at that."""
    counts: dict[str, Any] = {}
    if isinstance(attention, Attention) and q.dim() == 3:
        counts = {"q_num_heads": q.shape[2] // attention.head_dim, "kv_num_heads": k.shape[2] // attention.head_dim}
    mixed, *_ = torch.onnx.ops.attention(
        q,
        k,
        v,
        score_bias,
        is_causal=attention.causal and score_bias is None,
        scale=attention.scale,
        softcap=attention.softcap or 0.0,
        **counts,
    )
    return mixed
