"""wav2vec2_ctc against transformers, from the waveform."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.hub.harness import build_small, check_defaults, hold_to
from transformers import Wav2Vec2Config, Wav2Vec2ForCTC

SMALL = {
    "vocab_size": 29, "hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 40,
    "conv_dim": (8, 9, 10, 11, 12, 13, 14), "num_conv_pos_embeddings": 6, "num_conv_pos_embedding_groups": 3,
    "mask_time_prob": 0.0,
}  # fmt: skip


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {
            "hidden_size": 30, "num_attention_heads": 3, "num_conv_pos_embeddings": 7, "conv_bias": True,
            "hidden_act": "relu",
        },
        {
            "conv_stride": (3, 2, 1, 2, 2, 2, 1), "conv_kernel": (7, 4, 3, 2, 3, 2, 1), "layer_norm_eps": 1e-3,
            "feat_extract_activation": "relu", "num_hidden_layers": 1,
        },
    ],
)  # fmt: skip
def test_wav2vec2(changes: dict[str, Any], tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    feeds = [{"input_values": random.standard_normal((2, samples)).astype(np.float32)} for samples in (400, 3001)]
    hold_to(Wav2Vec2ForCTC, Wav2Vec2Config(**{**SMALL, **changes}), tmp_path, feeds, spec="wav2vec2_ctc")


def test_the_defaults_are_those_of_the_config_class() -> None:
    check_defaults("wav2vec2_ctc", Wav2Vec2Config)


@pytest.mark.slow
def test_it_builds(tmp_path: Path) -> None:
    build_small(Wav2Vec2ForCTC, Wav2Vec2Config.from_dict(SMALL), tmp_path)
