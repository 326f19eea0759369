"""Swin Transformer against transformers, with windows that images fill and that they do not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.hub.harness import build_small, check_defaults, hold_to
from transformers import SwinConfig, SwinForImageClassification, SwinModel

FILLED_UP: dict[str, Any] = {  # grids of 8 and 4 in windows of 3
    "image_size": 32, "patch_size": 4, "num_channels": 2, "embed_dim": 8, "depths": [2, 3], "num_heads": [2, 4],
    "window_size": 3, "num_labels": 5,
}  # fmt: skip
ONE_WINDOW: dict[str, Any] = {  # an image whose last patches are filled up; grids of 8 and 4 in windows of 4
    "image_size": 30, "patch_size": 4, "num_channels": 3, "embed_dim": 6, "depths": [2, 2], "num_heads": [3, 2],
    "window_size": 4, "qkv_bias": False, "mlp_ratio": 2.5, "hidden_act": "gelu_new", "layer_norm_eps": 1e-3,
}  # fmt: skip
ODD: dict[str, Any] = {  # grids of 9, 5 and 3, in windows of 2, which merge over the edge; with positions
    "image_size": 27, "patch_size": 3, "num_channels": 1, "embed_dim": 4, "depths": [2, 2, 2], "num_heads": [1, 4, 2],
    "window_size": 2, "use_absolute_embeddings": True, "hidden_act": "relu",
}  # fmt: skip
CLASSES = {"swin": SwinModel, "swin_image_classification": SwinForImageClassification}


@pytest.mark.parametrize("spec", CLASSES)
@pytest.mark.parametrize("sizes", [FILLED_UP, ONE_WINDOW, ODD])
def test_swin(spec: str, sizes: dict[str, Any], tmp_path: Path) -> None:
    side = sizes["image_size"]
    pixels = np.random.default_rng(0).standard_normal((3, sizes["num_channels"], side, side))
    hold_to(CLASSES[spec], SwinConfig(**sizes), tmp_path, [{"pixel_values": pixels}], spec=spec)


@pytest.mark.parametrize("spec", CLASSES)
def test_defaults(spec: str) -> None:
    check_defaults(spec, SwinConfig)


@pytest.mark.slow
def test_it_builds(tmp_path: Path) -> None:
    build_small(SwinForImageClassification, SwinConfig(**{**FILLED_UP, "depths": [2, 1]}), tmp_path)
