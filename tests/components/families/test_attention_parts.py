"""Parts of attention: in one chain they are the whole, and each equals PyTorch or its formula."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from stackc.components.base import SignatureError
from stackc.components.families.attention import Attention
from stackc.components.families.attention_parts import CausalMask, Rotary, ScaledDotProductAttention
from stackc.components.rope_scaling import RopeScaling
from stackc.core.types import Dim, TensorType, shape

Refused = Callable[..., SignatureError]

BATCH, SEQ, KEYS = Dim.symbol("batch"), Dim.symbol("seq"), Dim.symbol("keys")
HEADS = TensorType("float64", shape(BATCH, 4, SEQ, 6))
SOURCE = TensorType("float64", shape(BATCH, 2, KEYS, 6))


def heads(count: int, positions: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(2, count, positions, 6, dtype=torch.float64, generator=generator)


@pytest.mark.parametrize("interleaved", [False, True])
def test_in_one_chain_they_are_attention(interleaved: bool) -> None:
    x = torch.randn(2, 7, 24, dtype=torch.float64)
    type_ = TensorType("float64", shape(BATCH, SEQ, 24))
    scaling = RopeScaling(rope_type="linear", factor=2.0)
    whole = Attention(
        heads=4, kv_heads=2, causal=True, window=3, rope_scaling=scaling,
        rotary="interleaved" if interleaved else "halves",
    ).module(type_).double()  # fmt: skip

    q, k, v = (whole.get_submodule(name)(x).unflatten(2, (-1, 6)).transpose(1, 2) for name in "qkv")
    rotary = Rotary(interleaved=interleaved, rope_scaling=scaling).module(HEADS)
    mask = CausalMask(window=3).module(type_)(x)
    attend = ScaledDotProductAttention().module(HEADS, SOURCE, SOURCE)
    mixed = attend(rotary(q), rotary(k), v, mask)
    y = whole.get_submodule("out")(mixed.transpose(1, 2).flatten(2))
    torch.testing.assert_close(y, whole(x), rtol=1e-12, atol=1e-12)


def test_heads_mix_values_as_in_torch() -> None:
    q, k, v = heads(4, 5), heads(2, 7, 1), heads(2, 7, 2)
    bias = torch.randn(1, 4, 5, 7, dtype=torch.float64)
    module = ScaledDotProductAttention(scale=0.3).module(HEADS, SOURCE, SOURCE)
    expected = F.scaled_dot_product_attention(q, k, v, bias, scale=0.3, enable_gqa=True)
    torch.testing.assert_close(module(q, k, v, None, bias), expected)
    within = torch.ones(5, 7, dtype=torch.bool).tril(2)
    causal = ScaledDotProductAttention(causal=True).module(HEADS, SOURCE, SOURCE)
    torch.testing.assert_close(causal(q, k, v), F.scaled_dot_product_attention(q, k, v, within, enable_gqa=True))


@pytest.mark.parametrize(("queries", "keys", "window"), [(5, 5, 0), (3, 6, 0), (5, 5, 2), (3, 6, 2), (4, 2, 0)])
def test_the_mask_is_its_formula(queries: int, keys: int, window: int) -> None:
    x, context = torch.zeros(2, queries, 3), torch.zeros(2, keys)
    types = [TensorType("float32", shape(BATCH, SEQ, 3)), TensorType("float32", shape(BATCH, KEYS))]
    module = CausalMask(window=window).module(*types)
    expected = [
        [j <= i + keys - queries and (not window or j > i + keys - queries - window) for j in range(keys)]
        for i in range(queries)
    ]
    assert module(x, context).tolist() == [expected] * 2
    kept = torch.arange(keys).remainder(2).expand(2, -1)
    assert torch.equal(module(x, context, kept), torch.tensor(expected) & kept.bool().unsqueeze(1))


def test_errors(refused: Refused) -> None:
    error = refused(Rotary(dim=8), HEADS)
    assert (error.message, error.field) == ("the number of rotated features, 8, exceeds head_dim 6", "dim")
    error = refused(ScaledDotProductAttention(), HEADS, SOURCE, SOURCE.with_shape(BATCH, 2, SEQ, 6))
    assert error.message == "expects a value float64[batch, 2, keys, 6], got float64[batch, 2, seq, 6]"
    error = refused(ScaledDotProductAttention(), HEADS, SOURCE.with_shape(BATCH, 3, KEYS, 6), SOURCE)
    assert (error.message, error.port) == ("the 3 heads of the key do not divide the 4 of the query", "key")
    error = refused(ScaledDotProductAttention(window=2), HEADS, SOURCE, SOURCE)
    assert (error.message, error.field) == ("window requires causal", "window")
    error = refused(CausalMask(), HEADS, None, TensorType("int64", shape(BATCH, SEQ)))
    assert error.message == "expects a mask [batch, 4], got int64[batch, seq]"
