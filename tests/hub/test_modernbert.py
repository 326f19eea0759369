"""ModernBERT, whose layers attend to all tokens or to those near by, against transformers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from tests.hub.harness import (
    assert_close,
    build_small,
    change_config,
    check_defaults,
    hold_to,
    run_original,
    run_ours,
    token_feeds,
)
from transformers import ModernBertConfig

from stackc.core.diagnostics import SpecError
from stackc.hub.importing import import_from


def bases(global_base: float, local_base: float, rope_type: str = "default") -> dict[str, Any]:
    """Return the key of a config with the bases of rotary positions."""
    kinds = {"full_attention": global_base, "sliding_attention": local_base}
    return {"rope_parameters": {kind: {"rope_type": rope_type, "rope_theta": base} for kind, base in kinds.items()}}


SMALL: dict[str, Any] = {
    "vocab_size": 61, "hidden_size": 24, "num_hidden_layers": 4, "num_attention_heads": 3, "intermediate_size": 40,
    "max_position_embeddings": 19, "local_attention": 4, "pad_token_id": 0,
}  # fmt: skip
BIASED: dict[str, Any] = {
    "vocab_size": 47, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 28,
    "max_position_embeddings": 14, "local_attention": 7, "pad_token_id": 0, "norm_eps": 1e-3,
    "hidden_activation": "relu", "norm_bias": True, "attention_bias": True, "mlp_bias": True,
}  # fmt: skip
HEAD: dict[str, Any] = {"classifier_activation": "gelu_new", "classifier_bias": True}
TYPES = ["sliding_attention", "full_attention", "sliding_attention", "sliding_attention"]

CASES: list[tuple[str, str, dict[str, Any]]] = [
    ("modernbert", "ModernBertModel", SMALL),
    ("modernbert", "ModernBertModel", BIASED),
    ("modernbert", "ModernBertModel", {**SMALL, **bases(700.0, 90.0), "layer_types": TYPES}),
    ("modernbert", "ModernBertModel", {**SMALL, "global_attn_every_n_layers": 2, "hidden_activation": "gelu_new"}),
    ("modernbert_masked_lm", "ModernBertForMaskedLM", SMALL),
    ("modernbert_masked_lm", "ModernBertForMaskedLM",
     {**BIASED, **HEAD, "decoder_bias": False, "tie_word_embeddings": False}),
    ("modernbert_sequence_classification", "ModernBertForSequenceClassification", {**SMALL, "num_labels": 5}),
    ("modernbert_sequence_classification", "ModernBertForSequenceClassification", {**BIASED, **HEAD}),
    ("modernbert_mean_sequence_classification", "ModernBertForSequenceClassification",
     {**BIASED, **HEAD, "classifier_pooling": "mean"}),
    ("modernbert_mean_sequence_classification", "ModernBertForSequenceClassification",
     {**SMALL, "num_labels": 5, "classifier_pooling": "mean"}),
    ("modernbert_token_classification", "ModernBertForTokenClassification", {**SMALL, "num_labels": 5}),
    ("modernbert_token_classification", "ModernBertForTokenClassification", {**BIASED, **HEAD}),
]  # fmt: skip


@pytest.mark.parametrize(("spec", "model", "sizes"), CASES)
def test_it_computes_what_transformers_does(spec: str, model: str, sizes: dict[str, Any], tmp_path: Path) -> None:
    """The texts are longer than the window, so that a row padded on the left has queries without a key."""
    feeds = token_feeds(sizes["vocab_size"])
    hold_to(getattr(transformers, model), ModernBertConfig(**sizes), tmp_path, feeds, spec=spec)


@pytest.mark.parametrize("local_base", [90.0, None])
def test_the_keys_of_older_files(local_base: float | None, tmp_path: Path) -> None:
    """Before transformers 5, a config had two bases, where null is that of global layers, and no list of the layers."""
    original, feeds = bases(700.0, local_base or 700.0), token_feeds(SMALL["vocab_size"])
    config = ModernBertConfig(**{**SMALL, **original, "global_attn_every_n_layers": 2})
    pair = hold_to(transformers.ModernBertModel, config, tmp_path, feeds)

    change_config(
        tmp_path / "original", "rope_parameters", "layer_types", global_attn_every_n_layers=2, global_rope_theta=700.0,
        local_rope_theta=local_base, position_embedding_type="absolute", layer_norm_eps=1e-5, reference_compile=True,
    )  # fmt: skip

    again = replace(pair, imported=import_from(tmp_path / "original", tmp_path / "again"))
    assert "layer_types: []," in again.imported.spec.read_text(encoding="utf-8")
    for feed in feeds:
        (expected,) = run_original(pair.original, feed, ["last_hidden_state"], {}).values()
        (ours,) = run_ours(again.module, [*feed], ["last_hidden_state"], feed).values()
        assert_close(ours, expected, "last_hidden_state")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("layer_types", ["full_attention", "chunked_attention"] * 2),
        ("rope_parameters", bases(700.0, 90.0, rope_type="linear")["rope_parameters"]),
        ("classifier_pooling", "max"),
    ],
)
def test_what_the_spec_does_not_express_is_refused(key: str, value: Any, tmp_path: Path) -> None:
    torch.manual_seed(0)
    transformers.ModernBertForSequenceClassification(ModernBertConfig(**SMALL)).save_pretrained(tmp_path / "original")
    change_config(tmp_path / "original", **{key: value})
    with pytest.raises(SpecError) as caught:
        import_from(tmp_path / "original", tmp_path / "out")
    assert {diagnostic.code for diagnostic in caught.value.diagnostics} == {"H906"}


@pytest.mark.parametrize("spec", dict.fromkeys(case[0] for case in CASES))
def test_the_defaults_are_those_of_the_config_class(spec: str) -> None:
    check_defaults(spec, ModernBertConfig)


@pytest.mark.slow
def test_it_builds(tmp_path: Path) -> None:
    build_small(transformers.ModernBertForSequenceClassification, ModernBertConfig(**BIASED), tmp_path)
