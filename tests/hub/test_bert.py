"""The encoders of BERT's kin and their heads against transformers."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import pytest
import transformers
from tests.hub.harness import (
    assert_close,
    build_small,
    check_defaults,
    hold_to,
    run_original,
    run_ours,
    token_feeds,
)
from transformers import (
    AlbertConfig,
    BertConfig,
    DistilBertConfig,
    ElectraConfig,
)

BERT: dict[str, Any] = {
    "vocab_size": 61, "hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 40,
    "max_position_embeddings": 19, "type_vocab_size": 3,
}  # fmt: skip
WIDER: dict[str, Any] = {
    "vocab_size": 47, "hidden_size": 30, "num_hidden_layers": 3, "num_attention_heads": 5, "intermediate_size": 28,
    "max_position_embeddings": 14, "type_vocab_size": 2, "layer_norm_eps": 1e-3,
}  # fmt: skip
DISTILBERT: dict[str, Any] = {
    "vocab_size": 61, "dim": 24, "n_layers": 2, "n_heads": 4, "hidden_dim": 40, "max_position_embeddings": 19,
}  # fmt: skip
ELECTRA: dict[str, Any] = {**BERT, "embedding_size": 16}
ALBERT: dict[str, Any] = {**ELECTRA, "hidden_act": "gelu_new"}

LABELS: dict[str, Any] = {"num_labels": 5}
"""Of a head with labels."""

CASES: list[tuple[str, type, str, dict[str, Any]]] = [
    ("bert_base", BertConfig, "BertModel", BERT),
    ("bert_base", BertConfig, "BertModel", {**WIDER, "hidden_act": "gelu_new"}),
    ("bert_base", BertConfig, "BertModel", {**BERT, "hidden_act": "relu"}),
    ("bert_base", BertConfig, "BertModel", {**BERT, "hidden_act": "silu", "num_attention_heads": 2}),
    ("bert_sequence_classification", BertConfig, "BertForSequenceClassification", {**BERT, **LABELS}),
    ("bert_sequence_classification", BertConfig, "BertForSequenceClassification", {**WIDER, "num_labels": 1}),
    ("bert_token_classification", BertConfig, "BertForTokenClassification", {**BERT, **LABELS}),
    ("bert_token_classification", BertConfig, "BertForTokenClassification", WIDER),
    ("bert_question_answering", BertConfig, "BertForQuestionAnswering", BERT),
    ("bert_question_answering", BertConfig, "BertForQuestionAnswering", WIDER),
    ("bert_masked_lm", BertConfig, "BertForMaskedLM", BERT),
    ("bert_masked_lm", BertConfig, "BertForMaskedLM", {**WIDER, "hidden_act": "gelu_new"}),
    ("distilbert", DistilBertConfig, "DistilBertModel", DISTILBERT),
    ("distilbert", DistilBertConfig, "DistilBertModel",
     {**DISTILBERT, "dim": 30, "n_heads": 3, "activation": "relu", "sinusoidal_pos_embds": True}),
    ("distilbert_sequence_classification", DistilBertConfig, "DistilBertForSequenceClassification",
     {**DISTILBERT, **LABELS}),
    ("distilbert_sequence_classification", DistilBertConfig, "DistilBertForSequenceClassification",
     {**DISTILBERT, "hidden_dim": 28, "n_layers": 3}),
    ("distilbert_token_classification", DistilBertConfig, "DistilBertForTokenClassification", {**DISTILBERT, **LABELS}),
    ("distilbert_token_classification", DistilBertConfig, "DistilBertForTokenClassification",
     {**DISTILBERT, "vocab_size": 47}),
    ("distilbert_question_answering", DistilBertConfig, "DistilBertForQuestionAnswering", DISTILBERT),
    ("distilbert_question_answering", DistilBertConfig, "DistilBertForQuestionAnswering", {**DISTILBERT, "n_heads": 2}),
    ("distilbert_masked_lm", DistilBertConfig, "DistilBertForMaskedLM", DISTILBERT),
    ("distilbert_masked_lm", DistilBertConfig, "DistilBertForMaskedLM",
     {**DISTILBERT, "activation": "gelu_new", "tie_word_embeddings": False}),
    ("electra", ElectraConfig, "ElectraModel", ELECTRA),
    ("electra", ElectraConfig, "ElectraModel", {**WIDER, "embedding_size": 30, "hidden_act": "relu"}),
    ("electra_sequence_classification", ElectraConfig, "ElectraForSequenceClassification", {**ELECTRA, **LABELS}),
    ("electra_sequence_classification", ElectraConfig, "ElectraForSequenceClassification",
     {**WIDER, "embedding_size": 30}),
    ("electra_token_classification", ElectraConfig, "ElectraForTokenClassification", {**ELECTRA, **LABELS}),
    ("electra_token_classification", ElectraConfig, "ElectraForTokenClassification", {**WIDER, "embedding_size": 18}),
    ("electra_question_answering", ElectraConfig, "ElectraForQuestionAnswering", ELECTRA),
    ("electra_question_answering", ElectraConfig, "ElectraForQuestionAnswering", {**WIDER, "embedding_size": 18}),
    ("electra_masked_lm", ElectraConfig, "ElectraForMaskedLM", ELECTRA),
    ("electra_masked_lm", ElectraConfig, "ElectraForMaskedLM",
     {**WIDER, "embedding_size": 18, "tie_word_embeddings": False}),
    ("electra_discriminator", ElectraConfig, "ElectraForPreTraining", ELECTRA),
    ("electra_discriminator", ElectraConfig, "ElectraForPreTraining",
     {**WIDER, "embedding_size": 18, "hidden_act": "gelu_new"}),
    ("albert", AlbertConfig, "AlbertModel", ALBERT),
    ("albert", AlbertConfig, "AlbertModel",
     {**WIDER, "embedding_size": 18, "num_hidden_layers": 6, "num_hidden_groups": 2, "inner_group_num": 2,
      "hidden_act": "gelu"}),
    ("albert_sequence_classification", AlbertConfig, "AlbertForSequenceClassification", {**ALBERT, **LABELS}),
    ("albert_sequence_classification", AlbertConfig, "AlbertForSequenceClassification",
     {**WIDER, "embedding_size": 18, "num_hidden_groups": 3}),
    ("albert_token_classification", AlbertConfig, "AlbertForTokenClassification", {**ALBERT, **LABELS}),
    ("albert_token_classification", AlbertConfig, "AlbertForTokenClassification", {**WIDER, "embedding_size": 18}),
    ("albert_question_answering", AlbertConfig, "AlbertForQuestionAnswering", ALBERT),
    ("albert_question_answering", AlbertConfig, "AlbertForQuestionAnswering", {**WIDER, "embedding_size": 18}),
    ("albert_masked_lm", AlbertConfig, "AlbertForMaskedLM", ALBERT),
    ("albert_masked_lm", AlbertConfig, "AlbertForMaskedLM", {**WIDER, "embedding_size": 18, "hidden_act": "relu"}),
]  # fmt: skip


@pytest.mark.parametrize(("spec", "config_class", "model", "sizes"), CASES)
def test_it_computes_what_transformers_does(
    spec: str, config_class: Any, model: str, sizes: dict[str, Any], tmp_path: Path
) -> None:
    types = None if config_class is DistilBertConfig else sizes["type_vocab_size"]
    feeds = token_feeds(sizes["vocab_size"], types=types)
    hold_to(getattr(transformers, model), config_class(**sizes), tmp_path, feeds, spec=spec)


@pytest.mark.parametrize("sizes", [BERT, {**WIDER, "hidden_act": "gelu_new"}])
def test_bert_without_its_pooler(sizes: dict[str, Any], tmp_path: Path) -> None:
    """The first spec of the class has a pooler, which the file lacks."""
    model = partial(transformers.BertModel, add_pooling_layer=False)
    feeds = token_feeds(sizes["vocab_size"], types=sizes["type_vocab_size"])
    hold_to(model, BertConfig(**sizes), tmp_path, feeds, spec="bert_encoder")
    check_defaults("bert_encoder", BertConfig)


def test_another_activation_is_told_apart(tmp_path: Path) -> None:
    """The comparison fails for a model that differs by the approximation of its activation alone."""
    pair = hold_to(transformers.BertModel, BertConfig(**BERT), tmp_path, token_feeds(61, types=3))
    text = pair.imported.spec.read_text(encoding="utf-8")
    pair.imported.spec.write_text(text.replace("activation: gelu,", "activation: gelu_tanh,"), encoding="utf-8")
    (feed, *_) = token_feeds(61, types=3)
    outputs = ["last_hidden_state"]
    ours = run_ours(pair.module, [*pair.imported.checked.program.inputs], [*outputs, "pooler_output"], feed)
    theirs = run_original(pair.original, feed, outputs, {})
    with pytest.raises(AssertionError, match="of the largest number"):
        assert_close(ours["last_hidden_state"], theirs["last_hidden_state"], "last_hidden_state")


@pytest.mark.parametrize(("spec", "config_class"), dict.fromkeys(case[:2] for case in CASES))
def test_the_defaults_are_those_of_the_config_class(spec: str, config_class: Any) -> None:
    check_defaults(spec, config_class)


@pytest.mark.slow
@pytest.mark.parametrize("case", [CASES[number] for number in (1, 6, 11, 12, 22, 34)], ids=lambda case: case[0])
def test_it_builds(case: tuple[str, Any, str, dict[str, Any]], tmp_path: Path) -> None:
    _, config_class, model, sizes = case
    build_small(getattr(transformers, model), config_class(**sizes), tmp_path)
