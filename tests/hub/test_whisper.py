"""whisper against transformers: the encoder hears as many frames as it has positions, the decoder is masked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.hub.harness import Array, Feeds, build_small, check_defaults, decoder_rows, hold_to, masks
from transformers import WhisperConfig, WhisperForConditionalGeneration

SMALL = {
    "vocab_size": 61, "num_mel_bins": 10, "d_model": 24, "encoder_layers": 2, "encoder_attention_heads": 4,
    "encoder_ffn_dim": 40, "decoder_layers": 3, "decoder_attention_heads": 3, "decoder_ffn_dim": 36,
    "max_source_positions": 15, "max_target_positions": 13, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2,
    "decoder_start_token_id": 1,
}  # fmt: skip


def audio_feeds(config: WhisperConfig) -> list[Feeds]:
    random = np.random.default_rng(0)
    features = random.standard_normal((3, config.num_mel_bins, 2 * config.max_source_positions))
    ids = random.integers(0, config.vocab_size, (3, 11))
    shared: dict[str, Array] = {"input_features": features.astype(np.float32), "decoder_input_ids": ids}
    return [{**shared, "decoder_attention_mask": mask} for mask in masks(3, 11).values()]


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"d_model": 30, "encoder_attention_heads": 3, "decoder_attention_heads": 5, "activation_function": "gelu_new"},
        {"tie_word_embeddings": False, "encoder_layers": 1, "decoder_layers": 1, "activation_function": "relu"},
    ],
)
def test_whisper(changes: dict[str, Any], tmp_path: Path) -> None:
    config = WhisperConfig(**{**SMALL, **changes})
    hold_to(WhisperForConditionalGeneration, config, tmp_path, audio_feeds(config), spec="whisper", kept=decoder_rows)


def test_the_defaults_are_those_of_the_config_class() -> None:
    check_defaults("whisper", WhisperConfig)


@pytest.mark.slow
def test_it_builds(tmp_path: Path) -> None:
    build_small(WhisperForConditionalGeneration, WhisperConfig.from_dict(SMALL), tmp_path)
