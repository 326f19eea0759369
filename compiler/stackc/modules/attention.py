"""Multi-head attention, and two equivalent forms of it that ONNX Runtime runs faster.

With ONNX's own operators: projections of the same tensor are one matrix product, whose weights are concatenated when
weights are folded, and are split into heads once. With ONNX Runtime's operators: nothing is split into heads.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Rotary(nn.Module):
    """Rotary positions: pairs of the first features of each head, rotated by position times a frequency of the pair."""

    def __init__(self, dim: int, base: float = 10000.0, interleaved: bool = False) -> None:
        super().__init__()
        self.dim = dim
        self.base = base
        self.interleaved = interleaved

    def forward(self, x: Tensor) -> Tensor:
        """[batch, seq, heads, head_dim] → the same shape."""
        frequencies = x.new_tensor([self.base ** (-2 * k / self.dim) for k in range(self.dim // 2)])
        positions = torch.arange(x.shape[1], dtype=x.dtype, device=x.device)
        angles = (positions.unsqueeze(1) * frequencies).unsqueeze(1)  # [seq, 1, dim / 2]
        cos, sin = angles.cos(), angles.sin()

        features, rest = x[..., : self.dim], x[..., self.dim :]
        if self.interleaved:
            first, second = features[..., 0::2], features[..., 1::2]
        else:
            first, second = features.chunk(2, dim=-1)

        rotated = (first * cos - second * sin, second * cos + first * sin)
        y = torch.stack(rotated, dim=-1).flatten(-2) if self.interleaved else torch.cat(rotated, dim=-1)
        return y if self.dim == x.shape[-1] else torch.cat((y, rest), dim=-1)


class Attention(nn.Module):
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
        bias: bool = True,
        dropout: float = 0.0,
        scale: float | None = None,
        window: int | None = None,
        rotary: nn.Module | None = None,
        qk_norm: float | None = None,
    ) -> None:
        super().__init__()
        kv_heads, head_dim, key_dim = kv_heads or heads, head_dim or dim // heads, key_dim or dim

        self.q = nn.Linear(dim, heads * head_dim, bias)
        self.k = nn.Linear(key_dim, kv_heads * head_dim, bias)
        self.v = nn.Linear(value_dim or key_dim, kv_heads * head_dim, bias)
        self.out = nn.Linear(heads * head_dim, dim, bias)
        self.q_norm = None if qk_norm is None else nn.RMSNorm(head_dim, qk_norm)
        self.k_norm = None if qk_norm is None else nn.RMSNorm(head_dim, qk_norm)
        self.rotary = rotary

        self.head_dim = head_dim
        self.grouped = kv_heads != heads
        self.causal = causal
        self.dropout = dropout
        self.scale = scale
        self.window = window

    def forward(
        self,
        x: Tensor,
        context: Tensor | None = None,
        mask: Tensor | None = None,
        bias: Tensor | None = None,
        value: Tensor | None = None,
    ) -> Tensor:
        """x [batch, queries, dim], context [batch, keys, key_dim], value [batch, keys, value_dim] → like x."""
        source = x if context is None else context
        q = self.split_heads(self.q(x), self.q_norm, self.rotary)  # [batch, heads, queries, head_dim]
        k = self.split_heads(self.k(source), self.k_norm, self.rotary)  # [batch, kv_heads, keys, head_dim]
        v = self.split_heads(self.v(source if value is None else value))
        return self.attend(q, k, v, self.score_bias(mask, bias, q, k))

    def export_forward(self, opset: int, target: str) -> Callable[..., Tensor] | None:
        """Return the forward for an export; None for the same one."""
        return exported(self, opset, target)

    def attend(self, q: Tensor, k: Tensor, v: Tensor, score_bias: Tensor | None) -> Tensor:
        """q, k, v [batch, heads, positions, head_dim], score_bias added to the scores → [batch, queries, dim]."""
        mixed = F.scaled_dot_product_attention(
            q,
            k,
            v,
            attn_mask=score_bias,
            dropout_p=self.dropout if self.training else 0.0,
            is_causal=self.causal and score_bias is None,
            scale=self.scale,
            enable_gqa=self.grouped,
        )
        y: Tensor = self.out(mixed.transpose(1, 2).flatten(2))
        return y

    def split_heads(self, x: Tensor, norm: nn.Module | None = None, rotary: nn.Module | None = None) -> Tensor:
        """[batch, seq, heads * head_dim] → [batch, heads, seq, head_dim], normalized and rotated if configured."""
        heads = x.view(*x.shape[:2], -1, self.head_dim)  # [batch, seq, heads, head_dim]
        for module in (norm, rotary):
            heads = heads if module is None else module(heads)
        return heads.transpose(1, 2)

    def score_bias(self, mask: Tensor | None, bias: Tensor | None, q: Tensor, k: Tensor) -> Tensor | None:
        """Mask, window, causality and bias as numbers to add to scores, [batch, 1 or heads, queries, keys], or None."""
        if mask is None and (self.window is not None or (self.causal and bias is not None)):
            mask = torch.ones_like(k[:, 0, :, 0], dtype=torch.bool)
        masked = None if mask is None else self.additive_mask(mask, q)
        if bias is None:
            return masked

        bias = bias.expand(q.shape[0], -1, -1, -1)
        return bias if masked is None else bias + masked

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

        within = attend.new_ones(q.shape[2], attend.shape[3])
        if self.causal:
            attend = attend & within.tril()
        if self.window is not None:
            attend = attend & within.triu(1 - self.window)
            attend = attend if self.causal else attend & within.tril(self.window - 1)

        return torch.where(attend, q.new_zeros(()), q.new_full((), torch.finfo(q.dtype).min / 2))


def exported(attention: Attention, opset: int, target: str) -> Callable[..., Tensor] | None:
    """Return the forward of an attention for an export; None for its own.

    It is one product for all projections of the same tensor or, if `target` admits them, ONNX Runtime's operators.
    """
    with_positions = attention.q_norm is not None or attention.rotary is not None
    flat = target == "ort" and (opset >= 23 or not attention.grouped)
    if with_positions and not flat:
        return None

    def forward(
        x: Tensor,
        context: Tensor | None = None,
        mask: Tensor | None = None,
        bias: Tensor | None = None,
        value: Tensor | None = None,
    ) -> Tensor:
        source = x if context is None else context
        inputs = (x, source, source if value is None else value)
        if flat:
            y: Tensor = attention.out(_mixed_flat(attention, inputs, mask, bias, opset))
            return y

        q, k, v = _joined_heads(attention, inputs)
        return attention.attend(q, k, v, attention.score_bias(mask, bias, q, k))

    return forward


def _joined_heads(attention: Attention, inputs: Sequence[Tensor]) -> list[Tensor]:
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
    biases = tuple(linear.bias for linear in linears if linear.bias is not None)
    return F.linear(x, weight, torch.cat(biases) if biases else None)


def _mixed_flat(
    attention: Attention, inputs: Sequence[Tensor], mask: Tensor | None, bias: Tensor | None, opset: int
) -> Tensor:
    """Return the values mixed by their scores, [batch, queries, heads * head_dim]."""
    q, k, v = (linear(x) for linear, x in zip((attention.q, attention.k, attention.v), inputs, strict=True))
    if attention.q_norm is not None or attention.rotary is not None:
        q = attention.split_heads(q, attention.q_norm, attention.rotary).transpose(1, 2).flatten(2)
        k = attention.split_heads(k, attention.k_norm, attention.rotary).transpose(1, 2).flatten(2)

    score_bias = attention.score_bias(mask, bias, attention.split_heads(q), attention.split_heads(k))
    plain = score_bias is None and not attention.causal and not attention.grouped
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


def _onnx_attention(attention: Attention, q: Tensor, k: Tensor, v: Tensor, score_bias: Tensor | None) -> Tensor:
    """Call ONNX's operator on [batch, positions, heads * head_dim], which is slow in PyTorch itself."""
    mixed, *_ = torch.onnx.ops.attention(
        q,
        k,
        v,
        score_bias,
        is_causal=attention.causal and score_bias is None,
        q_num_heads=q.shape[2] // attention.head_dim,
        kv_num_heads=k.shape[2] // attention.head_dim,
        scale=attention.scale,
    )
    return mixed
