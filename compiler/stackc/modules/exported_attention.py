"""Attention as it is exported: two other ways to the same numbers, which ONNX Runtime runs faster than the plain one.

Of ONNX's own operators: what is projected from the same tensor is one product, of weights that the prologue lays side
by side, and is moved to heads at once. Where ONNX Runtime's operators may be used: nothing is moved to heads.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F

if TYPE_CHECKING:
    from stackc.modules.attention import Attention


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
