"""Attention with several heads."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from stackc.modules.exported_attention import exported


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
