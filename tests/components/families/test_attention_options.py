"""Options of attention that one family of models has, each against the class of transformers that has it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from stackc.components.base import SignatureError
from stackc.components.families.attention import Attention, Biases
from stackc.components.rope_scaling import RopeScaling
from stackc.core.types import Dim, TensorType, shape

Refused = Callable[..., SignatureError]

BATCH, SEQ, WIDTH = Dim.symbol("batch"), Dim.symbol("seq"), 24
X = TensorType("float64", shape(BATCH, SEQ, WIDTH))
LENGTH = 7
NAMES = {"q_proj": "q", "k_proj": "k", "v_proj": "v", "o_proj": "out", "out_proj": "out"}


@pytest.fixture
def x() -> Tensor:
    torch.manual_seed(1)
    return torch.randn(2, LENGTH, WIDTH, dtype=torch.float64)


def drawn(module: nn.Module) -> nn.Module:
    """Return a module in float64 with every parameter drawn."""
    for parameter in module.double().eval().parameters():
        nn.init.normal_(parameter, std=0.4)
    return module


def renamed(module: nn.Module, names: dict[str, str]) -> dict[str, Tensor]:
    """Return the parameters of a module of transformers, each part of its name replaced."""
    return {".".join(names.get(part, part) for part in name.split(".")): t for name, t in module.state_dict().items()}


def test_keys_without_a_bias_are_those_of_whisper(x: Tensor) -> None:
    from transformers import WhisperConfig
    from transformers.models.whisper.modeling_whisper import WhisperAttention

    config: Any = WhisperConfig(d_model=WIDTH)
    config._attn_implementation = "eager"
    theirs = drawn(WhisperAttention(WIDTH, 4, config=config))
    ours = Attention(heads=4, bias=Biases(k=False)).module(X).double()
    ours.load_state_dict(renamed(theirs, NAMES))
    torch.testing.assert_close(ours(x), theirs(x)[0], rtol=1e-12, atol=1e-12)


def in_transformers(make: Callable[..., nn.Module], config: Any) -> nn.Module:
    """Return a decoder's attention of transformers, with every parameter drawn."""
    config._attn_implementation = "eager"
    torch.manual_seed(0)
    return drawn(make(config, layer_idx=0))


def attended(module: nn.Module, rotary: Callable[..., tuple[Tensor, Tensor]], x: Tensor, window: int = 99) -> Tensor:
    """Return what an attention of transformers gives for x, causal and within a window."""
    positions = torch.arange(x.shape[1]).unsqueeze(0)
    within = torch.ones(x.shape[1], x.shape[1], dtype=torch.bool).tril().triu(1 - window)
    mask = torch.zeros(within.shape, dtype=x.dtype).masked_fill(~within, -torch.inf)[None, None]
    y: Tensor = module(x, position_embeddings=rotary(x, positions), attention_mask=mask)[0]
    return y


class InFloat64(TorchDispatchMode):
    """Calculate in float64 where code names float32: tables and conversions of transformers."""

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = {name: torch.float64 if value is torch.float32 else value for name, value in (kwargs or {}).items()}
        return func(*(torch.float64 if arg is torch.float32 else arg for arg in args), **kwargs)


@pytest.fixture
def double() -> Iterator[None]:
    """Calculate everything in float64, the default type included."""
    torch.set_default_dtype(torch.float64)
    try:
        with InFloat64():  # type: ignore[no-untyped-call]  # its constructor has no annotations
            yield
    finally:
        torch.set_default_dtype(torch.float32)


SCALINGS: dict[str, dict[str, Any]] = {
    "linear": {"factor": 4.0},
    "dynamic": {"factor": 2.5},
    "llama3": {"factor": 8.0, "low_freq_factor": 1.5, "high_freq_factor": 3.0, "original_max_position_embeddings": 16},
    "yarn": {"factor": 4.0, "original_max_position_embeddings": 16, "beta_fast": 2.0, "beta_slow": 0.5},
    "yarn with fractions": {"factor": 4.0, "original_max_position_embeddings": 24, "beta_fast": 3, "truncate": False},
    "yarn with mscale": {
        "factor": 4.0, "original_max_position_embeddings": 16, "mscale": 0.7, "mscale_all_dim": 0.4,
    },
    "yarn with a factor of the scores": {
        "factor": 4.0, "original_max_position_embeddings": 16, "attention_factor": 1.3,
    },
}  # fmt: skip


@pytest.mark.parametrize("name", SCALINGS)
@pytest.mark.parametrize("length", [LENGTH, 40])
def test_scaled_rotary_positions_are_those_of_llama(name: str, length: int, double: None) -> None:
    """Below the length of the training and beyond it, at positions of the batch's own."""
    from transformers import LlamaConfig
    from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding, apply_rotary_pos_emb

    scaling = {"rope_type": name.partition(" ")[0]} | SCALINGS[name]
    original = scaling.get("original_max_position_embeddings", 16)
    config = LlamaConfig(
        hidden_size=32,
        num_attention_heads=2,
        max_position_embeddings=16,
        rope_parameters=scaling | {"rope_theta": 500.0},
    )
    component = Attention(
        heads=2,
        rotary="halves",
        rotary_base=500.0,
        rope_scaling=RopeScaling(**scaling | {"original_max_position_embeddings": original}),
    )
    rotary = component.module(X.with_shape(BATCH, SEQ, 32)).get_submodule("rotary")

    torch.manual_seed(0)
    heads = torch.randn(3, length, 2, 16)
    positions = torch.stack([torch.arange(length), (torch.arange(length) - 3).clamp(min=0), torch.arange(length)])
    theirs = LlamaRotaryEmbedding(config)
    cos, sin = theirs(heads, positions)
    assert (theirs.inv_freq.dtype, cos.dtype) == (torch.float64, torch.float64)
    expected, _ = apply_rotary_pos_emb(heads, heads, cos, sin, unsqueeze_dim=2)
    torch.testing.assert_close(rotary(heads, positions), expected, rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(rotary(heads[:1]), expected[:1], rtol=1e-9, atol=1e-12)


def test_positions_of_left_padding_give_what_the_unpadded_sequence_gives(x: Tensor) -> None:
    component = Attention(heads=2, causal=True, rotary="interleaved")
    positions, mask = (TensorType("int64", shape(BATCH, SEQ)) for _ in range(2))
    module = drawn(component.module(X, None, mask, None, None, positions))
    kept = torch.tensor([[0, 0, 1, 1, 1, 1, 1], [1, 1, 1, 1, 1, 1, 1]])
    y = module(x, None, kept, None, None, (kept.cumsum(1) - 1).clamp(min=0))
    torch.testing.assert_close(y[:1, 2:], module(x[:1, 2:]), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(y[1:], module(x[1:]), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    ("scaling", "fields", "message"),
    [
        ({"rope_type": "yarn"}, {}, "rope_scaling of the type yarn needs the length of the training"),
        (
            {"rope_type": "llama3", "original_max_position_embeddings": 16, "low_freq_factor": 4},
            {},
            "low_freq_factor 4 must be below high_freq_factor 4",
        ),
        (
            {"rope_type": "dynamic", "original_max_position_embeddings": 16},
            {"rotary_dim": 2},
            "dynamic scaling needs more than 2 rotated features: a single pair has no base",
        ),
        (
            {"rope_type": "yarn", "original_max_position_embeddings": 16},
            {"rotary_base": 1.0},
            "yarn needs a rotary_base above 1: with 1, all pairs rotate equally fast",
        ),
        ({"rope_type": "linear"}, {"rotary": "none"}, "rope_scaling requires rotary"),
    ],
)
def test_error_scaling(refused: Refused, scaling: dict[str, Any], fields: dict[str, Any], message: str) -> None:
    component = Attention(heads=4, **{"rotary": "halves"} | fields, rope_scaling=RopeScaling(factor=2.0, **scaling))
    error = refused(component, X)
    assert (error.message, error.field) == (message, "rope_scaling")


def test_error_positions(refused: Refused) -> None:
    positions = TensorType("int64", shape(BATCH, SEQ))
    error = refused(Attention(heads=4), X, None, None, None, None, positions)
    assert (error.message, error.port) == ("positions have no meaning without rotary or alibi", "positions")
    error = refused(Attention(heads=4, rotary="halves"), X, None, None, None, None, positions.with_shape(SEQ, BATCH))
    assert error.message == "expects positions int64[batch, seq], got int64[seq, batch]"


def test_the_length_that_dynamic_scaling_counts_from_is_proven_beyond() -> None:
    scaling = RopeScaling(rope_type="dynamic", factor=2.0, original_max_position_embeddings=100)
    component = Attention(heads=4, rotary="halves", rope_scaling=scaling)
    assert component.reach == 100
    batch = TensorType("int64", shape(BATCH, SEQ))
    assert component.pointwise_axes(X, None, None, None, None, batch)[5] == {}  # the longest sequence sets the base
    assert Attention(heads=4, rotary="halves").pointwise_axes(X, None, None, None, None, batch)[5] == {0: (0,)}


def test_norms_over_all_heads_are_those_of_olmo2(x: Tensor, double: None) -> None:
    from transformers import Olmo2Config
    from transformers.models.olmo2.modeling_olmo2 import Olmo2Attention, Olmo2RotaryEmbedding

    config: Any = Olmo2Config(hidden_size=WIDTH, num_attention_heads=6, num_key_value_heads=2, rms_norm_eps=1e-3)
    theirs = in_transformers(Olmo2Attention, config)
    component = Attention(heads=6, kv_heads=2, bias=False, causal=True, rotary="halves", qk_norm="full", eps=1e-3)
    ours = component.module(X)
    ours.load_state_dict(renamed(theirs, NAMES))
    torch.testing.assert_close(ours(x), attended(theirs, Olmo2RotaryEmbedding(config), x), rtol=1e-9, atol=1e-12)


def test_norms_with_an_offset_are_those_of_gemma3(x: Tensor, double: None) -> None:
    from transformers import Gemma3TextConfig
    from transformers.models.gemma3.modeling_gemma3 import Gemma3Attention, Gemma3RotaryEmbedding

    config: Any = Gemma3TextConfig(
        hidden_size=WIDTH, num_attention_heads=4, num_key_value_heads=2, head_dim=8, query_pre_attn_scalar=5,
        num_hidden_layers=1, layer_types=["full_attention"], rms_norm_eps=1e-3,
    )  # fmt: skip
    theirs = in_transformers(Gemma3Attention, config)
    component = Attention(
        heads=4, kv_heads=2, head_dim=8, bias=False, causal=True, scale=5**-0.5, eps=1e-3,
        rotary="halves", rotary_base=1e6, qk_norm="head", qk_norm_offset=1.0,
    )  # fmt: skip
    ours = component.module(X)
    ours.load_state_dict(renamed(theirs, NAMES))
    rotary = Gemma3RotaryEmbedding(config)
    expected = attended(theirs, lambda x, positions: rotary(x, positions, "full_attention"), x)
    torch.testing.assert_close(ours(x), expected, rtol=1e-9, atol=1e-12)


def test_error_offset_without_norm(refused: Refused) -> None:
    error = refused(Attention(heads=4, qk_norm_offset=1.0), X)
    assert (error.message, error.field) == ("qk_norm_offset requires qk_norm", "qk_norm_offset")


def test_capped_scores_are_those_of_gemma2(x: Tensor, double: None) -> None:
    from transformers import Gemma2Config
    from transformers.models.gemma2.modeling_gemma2 import Gemma2Attention, Gemma2RotaryEmbedding

    config: Any = Gemma2Config(
        hidden_size=WIDTH, num_attention_heads=4, num_key_value_heads=2, head_dim=8, query_pre_attn_scalar=5,
        num_hidden_layers=1, layer_types=["sliding_attention"], sliding_window=3, attn_logit_softcapping=1.5,
    )  # fmt: skip
    theirs = in_transformers(Gemma2Attention, config)
    component = Attention(
        heads=4, kv_heads=2, head_dim=8, bias=False, causal=True, scale=5**-0.5, softcap=1.5, window=3, rotary="halves"
    )
    ours = component.module(X)
    ours.load_state_dict(renamed(theirs, NAMES))
    expected = attended(theirs, Gemma2RotaryEmbedding(config), x, window=3)
    torch.testing.assert_close(ours(x), expected, rtol=1e-9, atol=1e-12)


def test_capped_scores_without_a_mask_are_causal(x: Tensor) -> None:
    """Masks of several forms are one: nothing, all ones, and a window as long as the sequence."""
    mask = TensorType("int64", shape(BATCH, SEQ))
    capped = drawn(Attention(heads=4, kv_heads=2, causal=True, softcap=0.5).module(X, None, mask))
    within = drawn(Attention(heads=4, kv_heads=2, causal=True, softcap=0.5, window=LENGTH).module(X))
    within.load_state_dict(capped.state_dict())
    expected = capped(x, None, torch.ones(2, LENGTH, dtype=torch.int64))
    torch.testing.assert_close(capped(x), expected, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(within(x), expected, rtol=1e-12, atol=1e-12)


def test_sinks_are_those_of_gpt_oss(x: Tensor, double: None) -> None:
    from transformers import GptOssConfig
    from transformers.models.gpt_oss.modeling_gpt_oss import GptOssAttention, GptOssRotaryEmbedding

    config: Any = GptOssConfig(
        hidden_size=WIDTH, num_attention_heads=4, num_key_value_heads=2, head_dim=8, attention_bias=True,
        num_hidden_layers=1, layer_types=["full_attention"], max_position_embeddings=64,
        rope_parameters={
            "rope_type": "yarn", "rope_theta": 500.0, "factor": 4.0, "original_max_position_embeddings": 16,
            "truncate": False,
        },
    )  # fmt: skip
    theirs = in_transformers(GptOssAttention, config)
    scaling = RopeScaling(rope_type="yarn", factor=4.0, original_max_position_embeddings=16, truncate=False)
    component = Attention(
        heads=4, kv_heads=2, head_dim=8, causal=True, sinks=True,
        rotary="halves", rotary_base=500.0, rope_scaling=scaling,
    )  # fmt: skip
    ours = component.module(X)
    ours.load_state_dict(renamed(theirs, NAMES))
    torch.testing.assert_close(ours(x), attended(theirs, GptOssRotaryEmbedding(config), x), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("heads", [4, 6])
def test_penalties_of_distances_are_those_of_bloom(heads: int, x: Tensor, double: None) -> None:
    """For a number of heads that is a power of two, and for another; a batch padded on the left."""
    from transformers import BloomConfig
    from transformers.models.bloom.modeling_bloom import BloomAttention, build_alibi_tensor

    config: Any = BloomConfig(hidden_size=WIDTH, n_head=heads, hidden_dropout=0.0, attention_dropout=0.0)
    theirs = in_transformers(BloomAttention, config)
    kept = torch.tensor([[0, 0, 1, 1, 1, 1, 1], [1, 1, 1, 1, 1, 1, 1]])
    within = kept[:, None, None].bool() & torch.ones(LENGTH, LENGTH, dtype=torch.bool).tril()
    added = torch.zeros(within.shape).masked_fill(~within, torch.finfo(torch.float64).min)
    expected = theirs(x, torch.zeros_like(x), build_alibi_tensor(kept, heads, torch.float64), added)[0]

    mask, positions = (TensorType("int64", shape(BATCH, SEQ)) for _ in range(2))
    ours = Attention(heads=heads, causal=True, alibi=True).module(X, None, mask, None, None, positions)
    fused = theirs.state_dict()
    joined = {name: fused[f"query_key_value.{name}"].unflatten(0, (heads, 3, -1)) for name in ("weight", "bias")}
    state = {f"{part}.{name}": t[:, i].flatten(0, 1) for name, t in joined.items() for i, part in enumerate("qkv")}
    ours.load_state_dict(state | {"out.weight": fused["dense.weight"], "out.bias": fused["dense.bias"]})
    y = ours(x, None, kept, None, None, (kept.cumsum(1) - 1) * kept)
    torch.testing.assert_close(y[:1, 2:], expected[:1, 2:], rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(y[1:], expected[1:], rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(ours(x)[1], expected[1], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("window", [None, 2])
def test_the_last_query_attends_to_the_last_key_of_a_context(x: Tensor, window: int | None) -> None:
    """The last positions of a sequence, with the whole as context, give what they give in the sequence."""
    module = drawn(Attention(heads=4, causal=True, window=window).module(X, X.with_shape(BATCH, LENGTH, WIDTH)))
    alone = Attention(heads=4, causal=True, window=window).module(X).double()
    alone.load_state_dict(module.state_dict())
    torch.testing.assert_close(module(x[:, 4:], x), alone(x)[:, 4:], rtol=1e-12, atol=1e-12)
    mean = module(x, x[:, :1])  # of more queries than keys, the first attend to all keys alike
    torch.testing.assert_close(mean, mean[:, :1].expand_as(mean), rtol=1e-12, atol=1e-12)
