"""Attention, against torch.nn.MultiheadAttention and the grouped heads of Llama in transformers."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from stackc.components.base import SignatureError
from stackc.components.families.attention import Attention
from stackc.core.types import Dim, TensorType, shape

Refused = Callable[..., SignatureError]

BATCH, SEQ, KEYS = Dim.symbol("batch"), Dim.symbol("seq"), Dim.symbol("keys")
X = TensorType("float64", shape(BATCH, SEQ, 12))
CONTEXT = TensorType("float64", shape(BATCH, KEYS, 8))
HEADS = 3


def mask_type(*sizes: Dim | int) -> TensorType:
    return TensorType("int64", shape(*sizes))


def twins(component: Attention, context_dim: int = 12) -> tuple[nn.Module, nn.MultiheadAttention]:
    """Our module and torch's own with the same weights."""
    torch.manual_seed(0)
    ours = component.module(X, CONTEXT if context_dim != 12 else None).double()
    theirs = nn.MultiheadAttention(12, HEADS, kdim=context_dim, vdim=context_dim, batch_first=True).double()
    state = {name: torch.randn_like(p) / 3 for name, p in ours.state_dict().items()}
    ours.load_state_dict(state)
    weights = [state[f"{name}.weight"] for name in "qkv"]
    separate = dict(zip(("q_proj_weight", "k_proj_weight", "v_proj_weight"), weights, strict=True))
    theirs.load_state_dict(
        ({"in_proj_weight": torch.cat(weights)} if context_dim == 12 else separate)
        | {"in_proj_bias": torch.cat([state[f"{name}.bias"] for name in "qkv"])}
        | {"out_proj.weight": state["out.weight"], "out_proj.bias": state["out.bias"]}
    )
    return ours, theirs


@pytest.fixture
def x() -> Tensor:
    torch.manual_seed(1)
    return torch.randn(2, 5, 12, dtype=torch.float64)


@pytest.fixture
def context() -> Tensor:
    torch.manual_seed(2)
    return torch.randn(2, 7, 8, dtype=torch.float64)


def test_self_attention(x: Tensor) -> None:
    ours, theirs = twins(Attention(heads=HEADS))
    torch.testing.assert_close(ours(x), theirs(x, x, x)[0])


def test_cross_attention(x: Tensor, context: Tensor) -> None:
    ours, theirs = twins(Attention(heads=HEADS), context_dim=8)
    torch.testing.assert_close(ours(x, context), theirs(x, context, context)[0])


@pytest.mark.parametrize("dtype", [torch.int64, torch.int32, torch.bool])
def test_padding_mask(x: Tensor, context: Tensor, dtype: torch.dtype) -> None:
    ours, theirs = twins(Attention(heads=HEADS), context_dim=8)
    mask = torch.tensor([[1, 1, 1, 0, 0, 0, 0], [0, 2, 0, 1, 1, 1, 1]]).to(dtype)
    expected = theirs(x, context, context, key_padding_mask=mask == 0)[0]
    torch.testing.assert_close(ours(x, context, mask), expected)


def test_causal(x: Tensor) -> None:
    ours, theirs = twins(Attention(heads=HEADS, causal=True))
    after = torch.ones(5, 5, dtype=torch.bool).triu(1)
    torch.testing.assert_close(ours(x), theirs(x, x, x, attn_mask=after)[0])


def test_causal_with_padding(x: Tensor) -> None:
    ours, theirs = twins(Attention(heads=HEADS, causal=True))
    mask = torch.tensor([[1, 1, 1, 1, 0], [1, 0, 0, 1, 1]])
    after = torch.ones(5, 5, dtype=torch.bool).triu(1)
    expected = theirs(x, x, x, attn_mask=after, key_padding_mask=mask == 0)[0]
    torch.testing.assert_close(ours(x, None, mask), expected)


def test_mask_of_each_query_and_of_each_head(x: Tensor) -> None:
    ours, theirs = twins(Attention(heads=HEADS))
    attend = torch.rand(2, HEADS, 5, 5) < 0.6
    attend |= torch.eye(5, dtype=torch.bool)
    torch.testing.assert_close(ours(x, None, attend), theirs(x, x, x, attn_mask=~attend.flatten(0, 1))[0])
    over_heads = attend[:, 0]
    expected = theirs(x, x, x, attn_mask=~over_heads.repeat_interleave(HEADS, dim=0))[0]
    torch.testing.assert_close(ours(x, None, over_heads), expected)


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("masked", [False, True])
def test_bias_is_added_to_the_scores(x: Tensor, causal: bool, masked: bool) -> None:
    ours, theirs = twins(Attention(heads=HEADS, causal=causal))
    bias = torch.randn(1, HEADS, 5, 5, dtype=torch.float64)
    mask = torch.tensor([[1, 1, 1, 1, 0], [1, 1, 0, 1, 1]]) if masked else torch.ones(2, 5, dtype=torch.int64)
    added = bias.expand(2, -1, -1, -1).masked_fill(mask[:, None, None] == 0, -torch.inf)
    if causal:
        added = added.masked_fill(torch.ones(5, 5, dtype=torch.bool).triu(1), -torch.inf)
    expected = theirs(x, x, x, attn_mask=added.flatten(0, 1))[0]
    torch.testing.assert_close(ours(x, None, mask if masked else None, bias), expected)


def test_values_of_their_own(x: Tensor, context: Tensor) -> None:
    ours, theirs = twins(Attention(heads=HEADS), context_dim=8)
    value = torch.randn_like(context)
    torch.testing.assert_close(ours(x, context, value=value), theirs(x, context, value)[0])


def test_scale_of_the_scores(x: Tensor) -> None:
    ours, theirs = twins(Attention(heads=HEADS, scale=1.0))
    with torch.no_grad():
        theirs.in_proj_weight[:12] *= 2.0  # the square root of head_dim, which torch divides by
        theirs.in_proj_bias[:12] *= 2.0
    torch.testing.assert_close(ours(x), theirs(x, x, x)[0])


def test_error_bias_of_another_shape(refused: Refused) -> None:
    error = refused(Attention(heads=3), X, CONTEXT, None, X.with_shape(1, 2, SEQ, KEYS))
    assert error.message == "expects a bias float64[batch, 3, seq, keys], got float64[1, 2, seq, keys]"
    assert error.port == "bias"


def test_error_values_without_a_key_each(refused: Refused) -> None:
    error = refused(Attention(heads=3), X, CONTEXT, None, None, X)
    assert error.message == ("expects values float64[batch, keys, …], one for each key, got float64[batch, seq, 12]")
    assert error.port == "value"


def test_grouped_heads_are_those_of_llama(x: Tensor) -> None:
    from transformers.models.llama.modeling_llama import repeat_kv

    torch.manual_seed(0)
    ours = Attention(heads=6, kv_heads=2, head_dim=4, bias=False).module(X).double()
    w = ours.state_dict()
    q, k, v = ((x @ w[f"{name}.weight"].T).unflatten(2, (-1, 4)).transpose(1, 2) for name in "qkv")
    scores = q @ repeat_kv(k, 3).transpose(2, 3) / 2  # √head_dim
    mixed = scores.softmax(dim=-1) @ repeat_kv(v, 3)
    torch.testing.assert_close(ours(x), mixed.transpose(1, 2).flatten(2) @ w["out.weight"].T)


def scores_and_mix(q: Tensor, k: Tensor, v: Tensor, scale: float, attend: Tensor | None = None) -> Tensor:
    """[batch, heads, positions, head_dim] each → [batch, positions, heads * head_dim], by the formula."""
    scores = scale * q @ k.transpose(2, 3)
    scores = scores if attend is None else scores.masked_fill(~attend, -torch.inf)
    return (scores.softmax(dim=-1) @ v).transpose(1, 2).flatten(2)


def projected(module: nn.Module, x: Tensor, head_dim: int) -> list[Tensor]:
    """Queries, keys and values, [batch, heads, positions, head_dim]."""
    w = module.state_dict()
    return [(x @ w[f"{name}.weight"].T).unflatten(2, (-1, head_dim)).transpose(1, 2) for name in "qkv"]


def test_rotary_halves_are_those_of_llama(x: Tensor) -> None:
    from transformers.models.llama.configuration_llama import LlamaConfig
    from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding, apply_rotary_pos_emb

    torch.manual_seed(0)
    component = Attention(heads=3, head_dim=4, bias=False, rotary="halves", rotary_base=500.0)
    ours = component.module(X).double()
    q, k, v = projected(ours, x, 4)
    config = LlamaConfig(
        hidden_size=12, num_attention_heads=3, rope_parameters={"rope_type": "default", "rope_theta": 500.0}
    )
    cos, sin = LlamaRotaryEmbedding(config)(x, torch.arange(5)[None])
    q, k = apply_rotary_pos_emb(q, k, cos, sin)
    expected = scores_and_mix(q, k, v, 0.5) @ ours.state_dict()["out.weight"].T
    torch.testing.assert_close(ours(x), expected, rtol=1e-6, atol=1e-6)  # its angles are float32


def test_rotary_rotates_points_of_the_plane(x: Tensor) -> None:
    """Interleaved pairs as complex numbers, part of a head, with their norm before it."""
    torch.manual_seed(0)
    component = Attention(heads=2, head_dim=6, bias=False, rotary="interleaved", rotary_dim=4, qk_norm=True, eps=1e-3)
    ours = component.module(X).double()
    for name in ("q_norm.weight", "k_norm.weight"):
        ours.get_parameter(name).data.uniform_(0.5, 2)
    q, k, v = projected(ours, x, 6)

    def rotated(t: Tensor, weight: Tensor) -> Tensor:
        t = t / (t.square().mean(dim=-1, keepdim=True) + 1e-3).sqrt() * weight
        angles = torch.outer(torch.arange(5, dtype=torch.float64), 10000.0 ** -torch.tensor([0.0, 0.5]).double())
        points = torch.view_as_complex(t[..., :4].unflatten(-1, (2, 2)).contiguous())
        points = points * torch.polar(torch.ones_like(angles), angles)
        return torch.cat((torch.view_as_real(points).flatten(-2), t[..., 4:]), dim=-1)

    weights = ours.state_dict()
    q, k = rotated(q, weights["q_norm.weight"]), rotated(k, weights["k_norm.weight"])
    torch.testing.assert_close(ours(x), scores_and_mix(q, k, v, 6**-0.5) @ weights["out.weight"].T)


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("masked", [False, True])
def test_window(x: Tensor, causal: bool, masked: bool) -> None:
    ours, theirs = twins(Attention(heads=HEADS, causal=causal, window=2))
    mask = torch.tensor([[1, 1, 1, 1, 0], [1, 1, 1, 0, 1]]) if masked else torch.ones(2, 5, dtype=torch.int64)
    attend = torch.tensor([[abs(i - j) < 2 and (j <= i or not causal) for j in range(5)] for i in range(5)])
    expected = theirs(x, x, x, attn_mask=~attend, key_padding_mask=mask == 0)[0]
    torch.testing.assert_close(ours(x, None, mask if masked else None), expected)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {"heads": 4, "rotary": "halves"},
            "the number of rotated features, 3, is odd, but features rotate in pairs",
        ),
        (
            {"heads": 3, "rotary": "halves", "rotary_dim": 6},
            "the number of rotated features, 6, exceeds head_dim 4",
        ),
        ({"heads": 3, "rotary_dim": 2}, "rotary_dim requires rotary"),
    ],
)
def test_error_rotary(refused: Refused, fields: dict[str, Any], message: str) -> None:
    error = refused(Attention(**fields), X)
    assert (error.message, error.field) == (message, [*fields][-1])


@pytest.mark.parametrize(("field", "value"), [("rotary", "halves"), ("window", 4), ("alibi", True)])
def test_error_positions_of_a_context(refused: Refused, field: str, value: Any) -> None:
    error = refused(Attention(heads=3, **{field: value}), X, CONTEXT)
    assert error.message == f"{field} has no meaning with a context, whose positions are not those of x"
    assert error.hint == f"remove `{field}: {value if value is not True else 'true'}`, or the arrow into context"


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("causal", [False, True])
def test_query_without_any_key_attends_to_all_alike(x: Tensor, dtype: torch.dtype, causal: bool) -> None:
    ours, _ = twins(Attention(heads=HEADS, causal=causal))
    mask = torch.tensor([[0, 0, 0, 0, 0], [0, 1, 1, 1, 1]])
    y = ours.to(dtype)(x.to(dtype), None, mask)
    mean_value = ours.get_submodule("v")(x.to(dtype)).mean(dim=1, keepdim=True).expand(-1, 5, -1)
    torch.testing.assert_close(y[0], ours.get_submodule("out")(mean_value[0]))
    assert y.isfinite().all()
    if causal:
        torch.testing.assert_close(y[1, 0], ours.get_submodule("out")(mean_value[1, 0]))


def test_dropout_of_weights_in_training_only(x: Tensor) -> None:
    module = Attention(heads=HEADS, dropout=0.5).module(X).double()
    assert not torch.equal(module(x), module(x))
    module.eval()
    assert torch.equal(module(x), module(x))


def test_grouped_keys_are_smaller() -> None:
    signature = Attention(heads=6, kv_heads=2, bias=False).signature(X)
    assert {name: str(t) for name, t in signature.parameters.items()} == {
        "q.weight": "float64[12, 12]",
        "k.weight": "float64[4, 12]",
        "v.weight": "float64[4, 12]",
        "out.weight": "float64[12, 12]",
    }


def test_error_heads_do_not_divide_dim(refused: Refused) -> None:
    error = refused(Attention(heads=10), TensorType("float32", shape(BATCH, SEQ, 768)))
    assert error.message == "heads 10 does not divide dim 768"
    assert (error.code, error.field, error.hint) == ("T202", "heads", "8 or 12 would work")


def test_error_kv_heads_do_not_divide_heads(refused: Refused) -> None:
    error = refused(Attention(heads=12, kv_heads=5), X)
    assert error.message == "kv_heads 5 does not divide heads 12"
    assert (error.code, error.field, error.hint) == ("T202", "kv_heads", "4 or 6 would work")


def test_error_context_of_another_batch_or_type(refused: Refused) -> None:
    error = refused(Attention(heads=3), X, CONTEXT.with_shape(KEYS, KEYS, 8))
    assert error.message == (
        "x is float64[batch, seq, 12], but context is float64[keys, keys, 8]: they must have the same batch size"
    )
    assert (error.code, error.port) == ("T201", "context")
    error = refused(Attention(heads=3), X, TensorType("float32", CONTEXT.shape))
    assert error.message == (
        "x is float64[batch, seq, 12], but context is float32[batch, keys, 8]: they must have the same element type"
    )
    assert (error.code, error.port) == ("T203", "context")


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (mask_type(BATCH, SEQ), "expects a mask [batch, keys], got int64[batch, seq]"),
        (mask_type(BATCH, KEYS, SEQ), "expects a mask [batch, seq, keys], got int64[batch, keys, seq]"),
        (mask_type(BATCH, 2, SEQ, KEYS), "expects a mask [batch, 3, seq, keys], got int64[batch, 2, seq, keys]"),
        (
            mask_type(BATCH),
            "expects a mask [batch, keys], [batch, queries, keys] or [batch, heads, queries, keys], got int64[batch]",
        ),
    ],
)
def test_error_mask_of_another_shape(refused: Refused, mask: TensorType, message: str) -> None:
    error = refused(Attention(heads=3), X, CONTEXT, mask)
    assert (error.message, error.code, error.port) == (message, "T201", "mask")


def test_error_mask_of_floats(refused: Refused) -> None:
    error = refused(Attention(heads=3), X, None, TensorType("float64", shape(BATCH, SEQ)))
    assert error.message == "expects a mask of integers or booleans, got float64[batch, seq]"
    assert (error.code, error.port) == ("T203", "mask")
    assert error.hint == "a mask is 1 at positions that count and 0 at padding; it is not added to the scores"


def test_error_no_sequence(refused: Refused) -> None:
    assert refused(Attention(heads=3), X.with_shape(BATCH, 12)).message == (
        "expects [batch, queries, dim], got float64[batch, 12]"
    )
    assert refused(Attention(heads=3), X, CONTEXT.with_shape(BATCH, 8)).port == "context"
