"""DETR with the ResNet of transformers as its backbone against transformers, on padded images too."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.torch import load_file, save_file
from tests.hub.harness import (
    Feeds,
    Pair,
    assert_close,
    build_small,
    change_config,
    check_defaults,
    hold_to,
    import_random,
    run_original,
    run_ours,
)
from transformers import DetrConfig, DetrForObjectDetection, ResNetConfig

from stackc.core.diagnostics import SpecError
from stackc.hub.importing import import_from

BACKBONE: dict[str, Any] = {
    "num_channels": 3, "embedding_size": 4, "hidden_sizes": [8, 12, 16, 20], "depths": [2, 2, 2, 2],
    "out_features": ["stage4"],
}  # fmt: skip
SIZES: dict[str, Any] = {
    "d_model": 24, "num_queries": 5, "encoder_layers": 2, "encoder_attention_heads": 4, "encoder_ffn_dim": 28,
    "decoder_layers": 2, "decoder_attention_heads": 3, "decoder_ffn_dim": 36, "num_labels": 6,
}  # fmt: skip
OTHER_BACKBONE = {
    **BACKBONE, "num_channels": 2, "embedding_size": 8, "depths": [3, 2, 2, 2], "layer_type": "basic",
    "hidden_act": "gelu",
}  # fmt: skip
OTHER = {**SIZES, "d_model": 16, "encoder_layers": 3, "decoder_layers": 1, "decoder_attention_heads": 2}


def config(sizes: dict[str, Any], backbone: dict[str, Any]) -> DetrConfig:
    return DetrConfig(**{**sizes, "use_timm_backbone": False}, backbone_config=ResNetConfig(**backbone))


def images(channels: int) -> list[Feeds]:
    """Return images of several sizes under masks: full, of images in the upper left corner, and of odd places."""
    random = np.random.default_rng(0)
    feeds: list[Feeds] = []
    for height, width in ((64, 96), (97, 70), (33, 130)):
        full = np.ones((2, height, width), np.int64)
        padded, drawn = full.copy(), random.integers(0, 2, full.shape)
        padded[0, height // 2 :], padded[1, :, width // 2 :], drawn[:, 0, 0] = 0, 0, 1
        pixels = random.standard_normal((2, channels, height, width))
        feeds += [{"pixel_values": pixels, "pixel_mask": mask} for mask in (full, padded, drawn)]
    return feeds


@pytest.mark.parametrize(
    ("sizes", "backbone"),
    [
        (SIZES, BACKBONE),
        (OTHER, OTHER_BACKBONE),
        ({**SIZES, "activation_function": "gelu_new"}, {**BACKBONE, "downsample_in_bottleneck": True}),
    ],
)
def test_detr(sizes: dict[str, Any], backbone: dict[str, Any], tmp_path: Path) -> None:
    feeds = images(backbone["num_channels"])
    hold_to(DetrForObjectDetection, config(sizes, backbone), tmp_path, feeds, spec="detr_object_detection")


OF_A_LAYER = re.compile(r"encoder\.stages\.(\d)\.layers\.(\d+)\.(?:layer\.(\d)|shortcut)\.(convolution|normalization)")


def timm_name(name: str) -> str:
    """Return the name in timm's ResNet of a tensor of transformers' ResNet."""

    def in_a_layer(match: re.Match[str]) -> str:
        stage, layer, number, kind = match.groups()
        is_convolution = kind == "convolution"
        if number is None:
            return f"layer{int(stage) + 1}.{layer}.downsample.{0 if is_convolution else 1}"
        return f"layer{int(stage) + 1}.{layer}.{'conv' if is_convolution else 'bn'}{int(number) + 1}"

    name = name.replace("embedder.embedder.convolution", "conv1").replace("embedder.embedder.normalization", "bn1")
    return OF_A_LAYER.sub(in_a_layer, name)


@pytest.mark.slow
@pytest.mark.parametrize("backbone_config", [None, {"model_type": "timm_backbone", "backbone": "resnet50"}])
def test_the_names_of_timm(backbone_config: dict[str, Any] | None, tmp_path: Path) -> None:
    """The tensors of transformers' ResNet-50 under the names that the files of the authors have."""
    resnet50 = {"num_channels": 3, "out_features": ["stage4"]}
    pair = import_random(DetrForObjectDetection, config(SIZES, resnet50), tmp_path)
    original, imported = pair.original, tmp_path / "original"
    tensors = load_file(imported / "model.safetensors")
    save_file({timm_name(name): tensor for name, tensor in tensors.items()}, imported / "model.safetensors")
    change_config(imported, backbone_config=backbone_config, backbone="resnet50", use_timm_backbone=True)

    again = import_from(imported, tmp_path / "again")
    assert again.zoo_spec == "detr_object_detection_timm"
    module = Pair(original, again).module
    feed = images(3)[1]
    ours = run_ours(module, [*again.checked.program.inputs], ["logits", "pred_boxes"], feed)
    for name, expected in run_original(original, feed, ["logits", "pred_boxes"], {}).items():
        assert_close(ours[name], expected, name)


def test_defaults() -> None:
    check_defaults("detr_object_detection_timm", DetrConfig)
    check_defaults("detr_object_detection", DetrConfig, use_timm_backbone=False)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"auxiliary_loss": True}, "auxiliary_loss: true"),
        ({"position_embedding_type": "learned"}, "position_embedding_type: learned"),
        ({"use_timm_backbone": True}, "use_timm_backbone: true"),
    ],
)
def test_error(changes: dict[str, Any], message: str, tmp_path: Path) -> None:
    import_random(DetrForObjectDetection, config(SIZES, BACKBONE), tmp_path)
    saved = change_config(tmp_path / "original", **changes)
    with pytest.raises(SpecError) as caught:
        import_from(tmp_path / "original", tmp_path / "again")
    (problem,) = caught.value.diagnostics
    assert problem.code == "H906"
    assert problem.message.startswith(f"{saved} has {message}, but detr_object_detection.yaml expresses ")


@pytest.mark.slow
def test_it_builds(tmp_path: Path) -> None:
    sizes = {**SIZES, "encoder_layers": 1, "decoder_layers": 1}
    build_small(DetrForObjectDetection, config(sizes, BACKBONE), tmp_path)
