"""Attention with several heads, and the two other ways to its numbers that ONNX Runtime runs faster than the plain one.

Of ONNX's own operators: what is projected from the same tensor is one product, of weights that the prologue lays side
by side, and is moved to heads at once. Where ONNX Runtime's operators may be used: nothing is moved to heads.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Rotary(nn.Module):
    """Pairs of the first features of each head, turned by their position times a frequency of their own."""

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
        turning, rest = x[..., : self.dim], x[..., self.dim :]
        if self.interleaved:
            first, second = turning[..., 0::2], turning[..., 1::2]
        else:
            first, second = turning.chunk(2, dim=-1)
        turned = (first * cos - second * sin, second * cos + first * sin)
        y = torch.stack(turned, dim=-1).flatten(-2) if self.interleaved else torch.cat(turned, dim=-1)
        return y if self.dim == x.shape[-1] else torch.cat((y, rest), dim=-1)


class Attention(nn.Module):
    """Scaled dot-product attention, of x to itself or to a context, where a mask is nonzero."""

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
        return self.attend(q, k, v, self.added(mask, bias, q, k))

    def export_forward(self, opset: int, target: str) -> Callable[..., Tensor] | None:
        """One product for all that is projected from the same tensor, or ONNX Runtime's own operators."""
        return exported(self, opset, target)

    def attend(self, q: Tensor, k: Tensor, v: Tensor, added: Tensor | None) -> Tensor:
        """[batch, heads, positions, head_dim] each, and what is added to the scores → [batch, queries, dim]."""
        mixed = F.scaled_dot_product_attention(
            q,
            k,
            v,
            attn_mask=added,
            dropout_p=self.dropout if self.training else 0.0,
            is_causal=self.causal and added is None,
            scale=self.scale,
            enable_gqa=self.grouped,
        )
        y: Tensor = self.out(mixed.transpose(1, 2).flatten(2))
        return y

    def split_heads(self, x: Tensor, norm: nn.Module | None = None, rotary: nn.Module | None = None) -> Tensor:
        """[batch, seq, heads * head_dim] → [batch, heads, seq, head_dim], normalized and turned if at all."""
        heads = x.view(*x.shape[:2], -1, self.head_dim)  # [batch, seq, heads, head_dim]
        for each in (norm, rotary):
            heads = heads if each is None else each(heads)
        return heads.transpose(1, 2)

    def added(self, mask: Tensor | None, bias: Tensor | None, q: Tensor, k: Tensor) -> Tensor | None:
        """What is added to the scores, [batch, 1 or heads, queries, keys]; None where nothing is."""
        if mask is None and (self.window is not None or (self.causal and bias is not None)):
            mask = torch.ones_like(k[:, 0, :, 0], dtype=torch.bool)
        limits = None if mask is None else self.additive_mask(mask, q)
        if bias is None:
            return limits
        bias = bias.expand(q.shape[0], -1, -1, -1)
        return bias if limits is None else bias + limits

    def additive_mask(self, mask: Tensor, q: Tensor) -> Tensor:
        """What to add to the scores, [batch, 1 or heads, queries, keys]: 0 to attend, else far below any score.

        So a row without any key stays finite. All masks are joined as booleans before, since two such numbers added are
        −inf; half the least number, because ONNX Runtime's Attention makes zeros of a row that holds the least one
        only; and the queries are written out, since it does not broadcast over them.
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
    """The forward of an attention for an export; None for its own."""
    placed = attention.q_norm is not None or attention.rotary is not None
    flat = target == "ort" and (opset >= 23 or not attention.grouped)
    if placed and not flat:
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
        return attention.attend(q, k, v, attention.added(mask, bias, q, k))

    return forward


def _joined_heads(attention: Attention, inputs: Sequence[Tensor]) -> list[Tensor]:
    """q, k and v, [batch, heads, positions, head_dim] each: parts of one product where they come from one tensor."""
    pairs = zip(inputs, (attention.q, attention.k, attention.v), strict=True)
    parts: list[Tensor] = []
    for _, group in groupby(pairs, key=lambda pair: id(pair[0])):
        (x, *_), linears = zip(*group, strict=True)
        heads = attention.split_heads(_joined(linears, x))
        parts += heads.split([linear.out_features // attention.head_dim for linear in linears], dim=1)
    return parts


def _joined(linears: Sequence[nn.Linear], x: Tensor) -> Tensor:
    """The outputs of several linear maps side by side."""
    if len(linears) == 1:
        y: Tensor = linears[0](x)
        return y
    weight = torch.cat(tuple(linear.weight for linear in linears))
    biases = tuple(linear.bias for linear in linears if linear.bias is not None)
    return F.linear(x, weight, torch.cat(biases) if biases else None)


def _mixed_flat(
    attention: Attention, inputs: Sequence[Tensor], mask: Tensor | None, bias: Tensor | None, opset: int
) -> Tensor:
    """The values mixed by their scores, [batch, queries, heads * head_dim]."""
    q, k, v = (linear(x) for linear, x in zip((attention.q, attention.k, attention.v), inputs, strict=True))
    if attention.q_norm is not None or attention.rotary is not None:
        q = attention.split_heads(q, attention.q_norm, attention.rotary).transpose(1, 2).flatten(2)
        k = attention.split_heads(k, attention.k_norm, attention.rotary).transpose(1, 2).flatten(2)
    added = attention.added(mask, bias, attention.split_heads(q), attention.split_heads(k))
    plain = added is None and not attention.causal and not attention.grouped
    operator = _of_onnxruntime if plain or opset < 23 else _of_onnx
    return operator(attention, q, k, v, added)


def _of_onnxruntime(attention: Attention, q: Tensor, k: Tensor, v: Tensor, added: Tensor | None) -> Tensor:
    """ONNX Runtime's operator, the faster one where nothing is added to the scores."""
    scale = {} if attention.scale is None else {"scale": attention.scale}
    heads, causal = q.shape[2] // attention.head_dim, attention.causal and added is None
    return torch.onnx.ops.symbolic(
        "com.microsoft::MultiHeadAttention",
        (q, k, v) if added is None else (q, k, v, None, None, added),
        {"num_heads": heads, "unidirectional": int(causal), **scale},
        dtype=q.dtype,
        shape=(q.shape[0], q.shape[1], v.shape[2]),
    )


def _of_onnx(attention: Attention, q: Tensor, k: Tensor, v: Tensor, added: Tensor | None) -> Tensor:
    """ONNX's operator on [batch, positions, heads * head_dim], slow in PyTorch itself."""
    mixed, *_ = torch.onnx.ops.attention(
        q,
        k,
        v,
        added,
        is_causal=attention.causal and added is None,
        q_num_heads=q.shape[2] // attention.head_dim,
        kv_num_heads=k.shape[2] // attention.head_dim,
        scale=attention.scale,
    )
    return mixed
