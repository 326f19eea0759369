"""Convolutional families against transformers: resnet, mobilenet_v2, convnext."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import transformers
from tests.hub.harness import Feeds, build_small, check_defaults, hold_to
from transformers import ConvNextConfig, MobileNetV2Config, ResNetConfig

RESNET = {
    "num_channels": 2, "embedding_size": 6, "hidden_sizes": [8, 12, 16, 20], "depths": [2, 3, 2, 2],
}  # fmt: skip
BASIC = {
    "num_channels": 3, "embedding_size": 5, "hidden_sizes": [5, 7, 9, 11], "depths": [3, 2, 2, 2],
    "layer_type": "basic", "hidden_act": "gelu",
}  # fmt: skip

CONVNEXT = {"num_channels": 2, "hidden_sizes": [6, 8, 12, 10], "depths": [1, 2, 3, 2]}

CASES: list[tuple[str, type, str, dict[str, Any]]] = [
    ("resnet", ResNetConfig, "ResNetModel", RESNET),
    ("resnet", ResNetConfig, "ResNetModel", BASIC),
    ("resnet", ResNetConfig, "ResNetModel", {**RESNET, "downsample_in_bottleneck": True, "hidden_act": "silu"}),
    ("resnet_image_classification", ResNetConfig, "ResNetForImageClassification", {**BASIC, "num_labels": 5}),
    ("resnet_image_classification", ResNetConfig, "ResNetForImageClassification", RESNET),
    ("mobilenet_v2", MobileNetV2Config, "MobileNetV2Model", {"num_channels": 2, "depth_multiplier": 0.35}),
    ("mobilenet_v2", MobileNetV2Config, "MobileNetV2Model",
     {"num_channels": 3, "depth_multiplier": 0.25, "tf_padding": False, "hidden_act": "relu", "layer_norm_eps": 1e-2}),
    ("mobilenet_v2", MobileNetV2Config, "MobileNetV2Model", {"num_channels": 1, "depth_multiplier": 1.4}),
    ("mobilenet_v2_image_classification", MobileNetV2Config, "MobileNetV2ForImageClassification",
     {"num_channels": 2, "depth_multiplier": 0.5, "num_labels": 5}),
    ("mobilenet_v2_image_classification", MobileNetV2Config, "MobileNetV2ForImageClassification",
     {"num_channels": 3, "depth_multiplier": 0.75, "tf_padding": False}),
    ("convnext", ConvNextConfig, "ConvNextModel", CONVNEXT),
    ("convnext", ConvNextConfig, "ConvNextModel",
     {**CONVNEXT, "hidden_sizes": [5, 7, 9, 11], "patch_size": 2, "layer_norm_eps": 1e-3, "hidden_act": "relu"}),
    ("convnext_image_classification", ConvNextConfig, "ConvNextForImageClassification", {**CONVNEXT, "num_labels": 5}),
    ("convnext_image_classification", ConvNextConfig, "ConvNextForImageClassification",
     {**CONVNEXT, "depths": [2, 1, 1, 1], "hidden_act": "gelu_new"}),
]  # fmt: skip


def images(channels: int) -> list[Feeds]:
    """Return images of several sizes, odd ones too."""
    random = np.random.default_rng(0)
    return [{"pixel_values": random.standard_normal((2, channels, *size))} for size in ((64, 32), (33, 47), (50, 34))]


@pytest.mark.parametrize(("spec", "config_class", "model", "sizes"), CASES)
def test_it_computes_what_transformers_does(
    spec: str, config_class: Any, model: str, sizes: dict[str, Any], tmp_path: Path
) -> None:
    feeds = images(sizes["num_channels"])
    hold_to(getattr(transformers, model), config_class(**sizes), tmp_path, feeds, spec=spec)


@pytest.mark.parametrize(("spec", "config_class"), dict.fromkeys(case[:2] for case in CASES))
def test_the_defaults_are_those_of_the_config_class(spec: str, config_class: Any) -> None:
    check_defaults(spec, config_class)


@pytest.mark.slow
@pytest.mark.parametrize("case", [CASES[3], CASES[8], CASES[13]], ids=lambda case: case[0])
def test_it_builds(case: tuple[str, Any, str, dict[str, Any]], tmp_path: Path) -> None:
    _, config_class, model, sizes = case
    build_small(getattr(transformers, model), config_class(**sizes), tmp_path)
