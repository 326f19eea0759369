"""CLIP and its two encoders by themselves against transformers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.hub.harness import (
    Feeds,
    build_small,
    causal_rows,
    change_config,
    check_defaults,
    hold_to,
    import_random,
    token_feeds,
)
from transformers import (
    CLIPConfig,
    CLIPModel,
    CLIPTextConfig,
    CLIPTextModelWithProjection,
    CLIPVisionConfig,
    CLIPVisionModelWithProjection,
)

from stackc.core.diagnostics import SpecError
from stackc.hub.importing import import_from

LENGTH, EOS = 11, 58

TEXT: dict[str, Any] = {
    "vocab_size": 61, "hidden_size": 20, "intermediate_size": 28, "num_hidden_layers": 2, "num_attention_heads": 4,
    "max_position_embeddings": 13, "eos_token_id": EOS, "bos_token_id": 57, "projection_dim": 9,
}  # fmt: skip
VISION: dict[str, Any] = {
    "image_size": 14, "patch_size": 4, "num_channels": 2, "hidden_size": 24, "intermediate_size": 30,
    "num_hidden_layers": 2, "num_attention_heads": 3, "projection_dim": 7,
}  # fmt: skip
OTHER_TEXT = {**TEXT, "eos_token_id": 2, "hidden_act": "gelu", "layer_norm_eps": 1e-3, "num_hidden_layers": 1}
OTHER_VISION = {
    **VISION, "image_size": 12, "patch_size": 3, "num_channels": 3, "hidden_act": "gelu_pytorch_tanh",
    "layer_norm_eps": 1e-2, "num_hidden_layers": 3,
}  # fmt: skip


def texts(length: int = LENGTH) -> list[Feeds]:
    """Return texts under each mask: with one eos, two, none, and one between higher ids."""
    feeds = token_feeds(EOS - 2, batch=4, length=length)
    for feed in feeds:
        ids = feed["input_ids"]
        ids[0, 7] = EOS
        ids[1, 5:7] = EOS
        ids[3, 6:9] = EOS + 1, EOS, EOS + 2
    return feeds


def images(config: dict[str, Any], count: int = 3) -> Feeds:
    """Return random images of the size of a config."""
    side = config["image_size"]
    return {"pixel_values": np.random.default_rng(1).standard_normal((count, config["num_channels"], side, side))}


@pytest.mark.parametrize(("text", "vision", "projection"), [(TEXT, VISION, 10), (OTHER_TEXT, OTHER_VISION, 6)])
def test_clip(text: dict[str, Any], vision: dict[str, Any], projection: int, tmp_path: Path) -> None:
    config = CLIPConfig(text_config=text, vision_config=vision, projection_dim=projection)
    hold_to(CLIPModel, config, tmp_path, [{**feed, **images(vision)} for feed in texts()], spec="clip")


@pytest.mark.parametrize("sizes", [TEXT, OTHER_TEXT, {**TEXT, "hidden_act": "silu", "projection_dim": 12}])
def test_the_text_encoder(sizes: dict[str, Any], tmp_path: Path) -> None:
    def kept(feeds: Feeds, output: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        return causal_rows(feeds, output) if output.ndim == 3 else np.ones(len(output), bool)

    config = CLIPTextConfig(**sizes)
    hold_to(CLIPTextModelWithProjection, config, tmp_path, texts(), spec="clip_text_with_projection", kept=kept)


@pytest.mark.parametrize("sizes", [VISION, OTHER_VISION, {**VISION, "hidden_act": "relu", "projection_dim": 12}])
def test_the_image_encoder(sizes: dict[str, Any], tmp_path: Path) -> None:
    feeds = [images(sizes), images(sizes, 1)]
    config = CLIPVisionConfig(**sizes)
    hold_to(CLIPVisionModelWithProjection, config, tmp_path, feeds, spec="clip_vision_with_projection")


def test_defaults() -> None:
    check_defaults("clip", CLIPConfig)
    check_defaults("clip_text_with_projection", CLIPTextConfig)
    check_defaults("clip_vision_with_projection", CLIPVisionConfig)


def test_an_early_config_has_what_differs_from_the_defaults_in_a_mapping_of_its_own(tmp_path: Path) -> None:
    config = CLIPConfig(text_config=TEXT, vision_config=VISION, projection_dim=5)
    pair = import_random(CLIPModel, config, tmp_path)
    saved = tmp_path / "original" / "config.json"
    keys = json.loads(saved.read_text(encoding="utf-8"))
    common: dict[str, Any] = {"is_decoder": False, "bad_words_ids": None, "pruned_heads": {}, "torch_dtype": "float32"}
    stale = keys["text_config"] | common | {"hidden_size": 8, "eos_token_id": 2}
    change_config(saved.parent, text_config=stale, text_config_dict=TEXT, vision_config_dict=None)

    imported = import_from(tmp_path / "original", tmp_path / "again")
    assert imported.params == pair.imported.params
    read = CLIPConfig.from_pretrained(tmp_path / "original").to_dict()["text_config"]
    assert {key: read[key] for key in TEXT} == TEXT


def test_error_keys_of_a_config_inside(tmp_path: Path) -> None:
    config = CLIPConfig(text_config=TEXT, vision_config=VISION)
    import_random(CLIPModel, config, tmp_path)
    saved = tmp_path / "original" / "config.json"
    keys = json.loads(saved.read_text(encoding="utf-8"))
    change_config(saved.parent, vision_config=keys["vision_config"] | {"is_decoder": True, "registers": 4})

    with pytest.raises(SpecError) as caught:
        import_from(tmp_path / "original", tmp_path / "again")
    required, unknown = caught.value.diagnostics
    assert (required.code, unknown.code) == ("H906", "H904")
    assert unknown.message == f"{saved} has a key that clip.yaml does not express: vision_config.registers (4)"
    wanted = "has vision_config.is_decoder: true, but clip.yaml expresses vision_config.is_decoder: false alone"
    assert required.message == f"{saved} {wanted}"


@pytest.mark.slow
def test_it_builds(tmp_path: Path) -> None:
    build_small(CLIPModel, CLIPConfig(text_config=TEXT, vision_config=VISION, projection_dim=10), tmp_path)
