"""The vocoder of SpeechT5 by import, in float64, with other numbers of stages, fields and rates."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.hub.harness import build_small, check_defaults, hold_to
from transformers import SpeechT5HifiGan, SpeechT5HifiGanConfig

SMALL: dict[str, Any] = {
    "model_in_dim": 6, "upsample_initial_channel": 16, "upsample_rates": [3, 2], "upsample_kernel_sizes": [7, 4],
    "resblock_kernel_sizes": [3, 5], "resblock_dilation_sizes": [[1, 3], [2, 1]],
}  # fmt: skip
DEEPER: dict[str, Any] = {
    "model_in_dim": 5, "upsample_initial_channel": 24, "upsample_rates": [2, 2, 4], "upsample_kernel_sizes": [2, 6, 8],
    "resblock_kernel_sizes": [7, 3, 5], "resblock_dilation_sizes": [[1, 2, 4], [3, 1, 1], [1, 5, 2]],
    "leaky_relu_slope": 0.2, "normalize_before": False,
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("keys", [SMALL, DEEPER], ids=["normalized", "deeper"])
def test_hifigan(keys: dict[str, Any], tmp_path: Path) -> None:
    config = SpeechT5HifiGanConfig(**keys)
    random = np.random.default_rng(0)
    feeds = [{"spectrogram": random.normal(size=(2, frames, config.model_in_dim))} for frames in (1, 2, 13)]
    hold_to(SpeechT5HifiGan, config, tmp_path, feeds, spec="hifigan")


def test_defaults() -> None:
    check_defaults("hifigan", SpeechT5HifiGanConfig)


@pytest.mark.slow
def test_the_smallest_builds(tmp_path: Path) -> None:
    build_small(SpeechT5HifiGan, SpeechT5HifiGanConfig(**SMALL), tmp_path)
