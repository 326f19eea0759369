"""vit and deit against transformers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import transformers
from tests.hub.harness import build_small, check_defaults, hold_to
from transformers import DeiTConfig, ViTConfig

VIT = {
    "image_size": 12, "patch_size": 4, "num_channels": 3, "hidden_size": 24, "num_hidden_layers": 2,
    "num_attention_heads": 4, "intermediate_size": 40,
}  # fmt: skip
WIDER = {
    "image_size": 10, "patch_size": 5, "num_channels": 1, "hidden_size": 30, "num_hidden_layers": 3,
    "num_attention_heads": 5, "intermediate_size": 28, "layer_norm_eps": 1e-3, "qkv_bias": False,
}  # fmt: skip
RELU = {"hidden_act": "relu"}

CASES: list[tuple[str, type, str, dict[str, Any]]] = [
    ("vit", ViTConfig, "ViTModel", VIT),
    ("vit", ViTConfig, "ViTModel", {**WIDER, **RELU, "pooler_output_size": 7, "pooler_act": "sigmoid"}),
    ("vit_image_classification", ViTConfig, "ViTForImageClassification", {**VIT, "num_labels": 5}),
    ("vit_image_classification", ViTConfig, "ViTForImageClassification", {**WIDER, "hidden_act": "gelu_new"}),
    ("deit", DeiTConfig, "DeiTModel", VIT),
    ("deit", DeiTConfig, "DeiTModel", {**WIDER, **RELU, "pooler_output_size": 7, "pooler_act": "sigmoid"}),
    ("deit_image_classification", DeiTConfig, "DeiTForImageClassification", {**VIT, "num_labels": 5}),
    ("deit_image_classification", DeiTConfig, "DeiTForImageClassification", {**WIDER, "hidden_act": "silu"}),
    ("deit_image_classification_with_teacher", DeiTConfig, "DeiTForImageClassificationWithTeacher",
     {**VIT, "num_labels": 5}),
    ("deit_image_classification_with_teacher", DeiTConfig, "DeiTForImageClassificationWithTeacher", {**WIDER, **RELU}),
]  # fmt: skip


@pytest.mark.parametrize(("spec", "config_class", "model", "sizes"), CASES)
def test_it_computes_what_transformers_does(
    spec: str, config_class: Any, model: str, sizes: dict[str, Any], tmp_path: Path
) -> None:
    side = sizes["image_size"]
    pixels = np.random.default_rng(0).standard_normal((3, sizes["num_channels"], side, side))
    feeds = [{"pixel_values": pixels}, {"pixel_values": pixels[:1]}]
    hold_to(getattr(transformers, model), config_class(**sizes), tmp_path, feeds, spec=spec)


@pytest.mark.parametrize(("spec", "config_class"), dict.fromkeys(case[:2] for case in CASES))
def test_the_defaults_are_those_of_the_config_class(spec: str, config_class: Any) -> None:
    check_defaults(spec, config_class)


@pytest.mark.slow
@pytest.mark.parametrize("case", [CASES[1], CASES[8]], ids=lambda case: case[0])
def test_it_builds(case: tuple[str, Any, str, dict[str, Any]], tmp_path: Path) -> None:
    _, config_class, model, sizes = case
    build_small(getattr(transformers, model), config_class(**sizes), tmp_path)
