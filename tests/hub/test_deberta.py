"""DeBERTa-v2 and -v3, whose attention is disentangled, against transformers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from tests.hub.harness import build_small, change_config, check_defaults, hold_to, token_feeds
from transformers import DebertaV2Config

from stackc.core.diagnostics import SpecError
from stackc.hub.importing import import_from

V3: dict[str, Any] = {
    "vocab_size": 61, "hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 3, "intermediate_size": 40,
    "max_position_embeddings": 19, "position_buckets": 4, "relative_attention": True, "pos_att_type": "p2c|c2p",
    "share_att_key": True, "norm_rel_ebd": "layer_norm", "position_biased_input": False,
}  # fmt: skip
"""As the files of DeBERTa-v3 have it; texts reach beyond the distances with a bucket each, and to shared ones."""
OWN: dict[str, Any] = {
    "vocab_size": 47, "hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 28,
    "max_position_embeddings": 14, "max_relative_positions": 5, "relative_attention": True, "embedding_size": 20,
    "pos_att_type": ["c2p", "p2c"], "layer_norm_eps": 1e-3, "hidden_act": "gelu_new",
}  # fmt: skip
"""The defaults of the class: projections of distances of their own, no buckets, positions in the input."""
CONVOLVED: dict[str, Any] = {**V3, "conv_kernel_size": 3, "conv_act": "gelu_new", "max_relative_positions": 9}

CASES: list[tuple[str, str, dict[str, Any]]] = [
    ("deberta_v2", "DebertaV2Model", V3),
    ("deberta_v2", "DebertaV2Model", OWN),
    ("deberta_v2", "DebertaV2Model", CONVOLVED),
    ("deberta_v2", "DebertaV2Model", {**OWN, "conv_kernel_size": 5, "conv_groups": 2, "attention_head_size": 8}),
    ("deberta_v2_sequence_classification", "DebertaV2ForSequenceClassification", {**V3, "num_labels": 5}),
    ("deberta_v2_sequence_classification", "DebertaV2ForSequenceClassification", {**OWN, "pooler_hidden_act": "tanh"}),
    ("deberta_v2_token_classification", "DebertaV2ForTokenClassification", {**CONVOLVED, "num_labels": 5}),
    ("deberta_v2_token_classification", "DebertaV2ForTokenClassification", OWN),
    ("deberta_v2_question_answering", "DebertaV2ForQuestionAnswering", V3),
    ("deberta_v2_question_answering", "DebertaV2ForQuestionAnswering", OWN),
    ("deberta_v2_masked_lm", "DebertaV2ForMaskedLM", V3),
    ("deberta_v2_masked_lm", "DebertaV2ForMaskedLM", OWN),
    ("deberta_v2_masked_lm", "DebertaV2ForMaskedLM", {**V3, "legacy": False}),
]


@pytest.mark.parametrize(("spec", "model", "sizes"), CASES)
def test_it_computes_what_transformers_does(spec: str, model: str, sizes: dict[str, Any], tmp_path: Path) -> None:
    feeds = token_feeds(sizes["vocab_size"])
    hold_to(getattr(transformers, model), DebertaV2Config(**sizes), tmp_path, feeds, spec=spec)


@pytest.mark.parametrize(
    ("key", "value", "code"),
    [
        ("pos_att_type", ["c2p"], "H905"),
        ("pos_att_type", "c2p", "H905"),
        ("norm_rel_ebd", "batch_norm", "H905"),
        ("relative_attention", False, "H906"),
        ("type_vocab_size", 2, "H906"),
        ("attention_head_size", 4, "H906"),
    ],
)
def test_what_the_spec_does_not_express_is_refused(key: str, value: Any, code: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    transformers.DebertaV2ForMaskedLM(DebertaV2Config(**V3)).save_pretrained(tmp_path / "original")
    change_config(tmp_path / "original", **{key: value})
    with pytest.raises(SpecError) as caught:
        import_from(tmp_path / "original", tmp_path / "out")
    assert {diagnostic.code for diagnostic in caught.value.diagnostics} == {code}


@pytest.mark.parametrize("spec", dict.fromkeys(case[0] for case in CASES))
def test_the_defaults_are_those_of_the_config_class(spec: str) -> None:
    check_defaults(spec, DebertaV2Config)


@pytest.mark.slow
def test_it_builds(tmp_path: Path) -> None:
    build_small(transformers.DebertaV2Model, DebertaV2Config(**CONVOLVED), tmp_path)
