"""SegFormer against transformers, on images of sizes that its strides divide and of others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.hub.harness import Feeds, build_small, check_defaults, hold_to
from transformers import SegformerConfig, SegformerForImageClassification, SegformerForSemanticSegmentation

SIZES: dict[str, Any] = {
    "num_channels": 2, "hidden_sizes": [4, 6, 10, 12], "depths": [1, 2, 1, 2], "num_attention_heads": [1, 2, 5, 3],
    "decoder_hidden_size": 14, "num_labels": 5,
}  # fmt: skip
OTHER: dict[str, Any] = {
    "num_channels": 3, "hidden_sizes": [6, 4, 8, 10], "depths": [2, 1, 1, 1], "num_attention_heads": [3, 2, 1, 5],
    "sr_ratios": [4, 3, 1, 2], "patch_sizes": [5, 3, 2, 3], "strides": [3, 2, 1, 2], "mlp_ratios": [2, 3, 4, 1],
    "hidden_act": "gelu_new", "decoder_hidden_size": 9,
}  # fmt: skip
CLASSES = {
    "segformer_image_classification": SegformerForImageClassification,
    "segformer_semantic_segmentation": SegformerForSemanticSegmentation,
}


def images(channels: int) -> list[Feeds]:
    """Return images of several sizes, odd ones too."""
    random = np.random.default_rng(0)
    return [{"pixel_values": random.standard_normal((2, channels, *size))} for size in ((64, 32), (37, 51), (50, 34))]


@pytest.mark.parametrize("spec", CLASSES)
@pytest.mark.parametrize("sizes", [SIZES, OTHER, {**SIZES, "hidden_act": "relu"}])
def test_segformer(spec: str, sizes: dict[str, Any], tmp_path: Path) -> None:
    hold_to(CLASSES[spec], SegformerConfig(**sizes), tmp_path, images(sizes["num_channels"]), spec=spec)


@pytest.mark.parametrize(("blocks", "reshape"), [(2, True), (3, False)])
def test_a_classifier_of_other_stages(blocks: int, reshape: bool, tmp_path: Path) -> None:
    lists = {key: value[:blocks] for key, value in SIZES.items() if isinstance(value, list)}
    sizes = {**SIZES, **lists, "num_encoder_blocks": blocks, "reshape_last_stage": reshape}
    hold_to(SegformerForImageClassification, SegformerConfig(**sizes), tmp_path, images(2))


@pytest.mark.parametrize("spec", CLASSES)
def test_defaults(spec: str) -> None:
    check_defaults(spec, SegformerConfig)


@pytest.mark.slow
def test_it_builds(tmp_path: Path) -> None:
    """Two stages, each with attention over reduced keys; all four of a segmentation take a minute and a half."""
    lists = {key: value[:2] for key, value in SIZES.items() if isinstance(value, list)}
    sizes = {**SIZES, **lists, "num_encoder_blocks": 2, "depths": [1, 1]}
    build_small(SegformerForImageClassification, SegformerConfig(**sizes), tmp_path)
