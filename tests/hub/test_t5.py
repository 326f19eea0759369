"""T5, T5 v1.1 and their encoder against transformers: gated layers, an own head, distances beyond the last bucket."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from tests.hub.harness import build_small, check_defaults, decoder_feeds, decoder_rows, hold_to, token_feeds
from torch import nn
from transformers import T5Config, T5EncoderModel, T5ForConditionalGeneration

from stackc.hub.importing import ImportOptions, import_from

SMALL: dict[str, Any] = {
    "vocab_size": 61, "d_model": 24, "d_kv": 5, "d_ff": 40, "num_layers": 2, "num_heads": 4,
    "decoder_start_token_id": 0,
}  # fmt: skip
WIDER: dict[str, Any] = {
    "vocab_size": 47, "d_model": 30, "d_kv": 8, "d_ff": 28, "num_layers": 1, "num_decoder_layers": 3, "num_heads": 3,
    "relative_attention_num_buckets": 12, "relative_attention_max_distance": 20, "layer_norm_epsilon": 1e-3,
    "decoder_start_token_id": 0,
}  # fmt: skip
GATED: dict[str, Any] = {"feed_forward_proj": "gated-gelu", "tie_word_embeddings": False}
"""What T5 v1.1 and Flan-T5 differ in."""


def with_own_head(config: T5Config) -> T5ForConditionalGeneration:
    """Return a model as `from_pretrained` makes it of a file that has a head: the class itself always ties it."""
    model: T5ForConditionalGeneration = T5ForConditionalGeneration(config)
    model.lm_head.weight = nn.Parameter(torch.empty_like(model.shared.weight))
    return model


@pytest.mark.parametrize(
    ("model", "changes"),
    [
        (T5ForConditionalGeneration, SMALL),
        (T5ForConditionalGeneration, {**WIDER, "feed_forward_proj": "gated-silu"}),
        (T5ForConditionalGeneration, {**WIDER, "feed_forward_proj": "gelu"}),
        (T5ForConditionalGeneration, {**SMALL, "tie_word_embeddings": False}),
        (with_own_head, {**SMALL, **GATED}),
        (with_own_head, {**WIDER, **GATED, "feed_forward_proj": "gated-relu"}),
    ],
)
def test_t5(model: Any, changes: dict[str, Any], tmp_path: Path) -> None:
    config = T5Config(**changes)
    feeds = decoder_feeds(config.vocab_size, length=13, target=11)
    hold_to(model, config, tmp_path, feeds, spec="t5", kept=decoder_rows)


def test_files_of_older_versions(tmp_path: Path) -> None:
    """They hold the table under every name, of which the head is tied, and a bias that no version has read."""
    module = T5ForConditionalGeneration(T5Config(**SMALL))
    module.save_pretrained(tmp_path)
    state = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    bias = "decoder.block.0.layer.1.EncDecAttention.relative_attention_bias.weight"
    save_file({**state, bias: torch.ones(32, 4)}, tmp_path / "model.safetensors", {"format": "pt"})
    assert {"lm_head.weight", "decoder.embed_tokens.weight"} <= state.keys()
    imported = import_from(tmp_path, tmp_path / "out")
    assert imported.checked.cost.parameters == sum(p.numel() for p in module.parameters())


def test_distances_beyond_the_last_bucket(tmp_path: Path) -> None:
    config = T5Config(**SMALL)
    feeds = decoder_feeds(config.vocab_size, length=150, target=140)
    hold_to(T5ForConditionalGeneration, config, tmp_path, feeds, spec="t5", kept=decoder_rows)


@pytest.mark.parametrize("changes", [SMALL, {**WIDER, **GATED}, {**WIDER, "feed_forward_proj": "gelu"}])
def test_the_encoder(changes: dict[str, Any], tmp_path: Path) -> None:
    feeds = token_feeds(changes["vocab_size"], length=30)
    hold_to(T5EncoderModel, T5Config(**changes), tmp_path, feeds, spec="t5_encoder")


def test_the_encoder_of_a_whole_model(tmp_path: Path) -> None:
    """Its config names the class of the whole model, whose decoder and head are left out."""
    model = with_own_head(T5Config(**SMALL, **GATED))
    model.save_pretrained(tmp_path / "whole")
    imported = import_from(tmp_path / "whole", tmp_path / "out", ImportOptions(architecture="T5EncoderModel"))
    assert imported.zoo_spec == "t5_encoder"


@pytest.mark.parametrize("spec", ["t5", "t5_encoder"])
def test_the_defaults_are_those_of_the_config_class(spec: str) -> None:
    check_defaults(spec, T5Config)


@pytest.mark.slow
def test_it_builds(tmp_path: Path) -> None:
    build_small(with_own_head, T5Config(**SMALL, **GATED), tmp_path)
