"""RoBERTa, its kin and MPNet, whose positions count the tokens that are no padding, against transformers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import transformers
from tests.hub.harness import Feeds, build_small, check_defaults, hold_to, token_feeds
from transformers import CamembertConfig, MPNetConfig, RobertaConfig, XLMRobertaConfig

from stackc.hub.config import ModelConfig
from stackc.hub.config_params import params_of_config
from stackc.hub.zoo import zoo_document

PADDING = 1
ROBERTA: dict[str, Any] = {
    "vocab_size": 61, "hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 40,
    "max_position_embeddings": 19, "type_vocab_size": 3,
}  # fmt: skip
WIDER: dict[str, Any] = {
    "vocab_size": 47, "hidden_size": 30, "num_hidden_layers": 3, "num_attention_heads": 5, "intermediate_size": 28,
    "max_position_embeddings": 14, "type_vocab_size": 2, "layer_norm_eps": 1e-3, "hidden_act": "gelu_new",
}  # fmt: skip
MPNET = {key: value for key, value in ROBERTA.items() if key != "type_vocab_size"}
WIDER_MPNET = {key: value for key, value in WIDER.items() if key != "type_vocab_size"}
LABELS = {"num_labels": 5}

CASES: list[tuple[str, Any, str, dict[str, Any]]] = [
    ("roberta", RobertaConfig, "RobertaModel", ROBERTA),
    ("roberta", RobertaConfig, "RobertaModel", {**WIDER, "pad_token_id": 2, "max_position_embeddings": 15}),
    ("roberta_sequence_classification", RobertaConfig, "RobertaForSequenceClassification", {**ROBERTA, **LABELS}),
    ("roberta_sequence_classification", RobertaConfig, "RobertaForSequenceClassification", WIDER),
    ("roberta_token_classification", RobertaConfig, "RobertaForTokenClassification", {**ROBERTA, **LABELS}),
    ("roberta_token_classification", RobertaConfig, "RobertaForTokenClassification", WIDER),
    ("roberta_question_answering", RobertaConfig, "RobertaForQuestionAnswering", ROBERTA),
    ("roberta_question_answering", RobertaConfig, "RobertaForQuestionAnswering", WIDER),
    ("roberta_masked_lm", RobertaConfig, "RobertaForMaskedLM", ROBERTA),
    ("roberta_masked_lm", RobertaConfig, "RobertaForMaskedLM", WIDER),
    ("roberta", XLMRobertaConfig, "XLMRobertaModel", ROBERTA),
    ("roberta_sequence_classification", XLMRobertaConfig, "XLMRobertaForSequenceClassification", WIDER),
    ("roberta_token_classification", XLMRobertaConfig, "XLMRobertaForTokenClassification", {**ROBERTA, **LABELS}),
    ("roberta_question_answering", XLMRobertaConfig, "XLMRobertaForQuestionAnswering", WIDER),
    ("roberta_masked_lm", XLMRobertaConfig, "XLMRobertaForMaskedLM", ROBERTA),
    ("roberta", CamembertConfig, "CamembertModel", WIDER),
    ("roberta_sequence_classification", CamembertConfig, "CamembertForSequenceClassification", {**ROBERTA, **LABELS}),
    ("roberta_token_classification", CamembertConfig, "CamembertForTokenClassification", WIDER),
    ("roberta_question_answering", CamembertConfig, "CamembertForQuestionAnswering", ROBERTA),
    ("roberta_masked_lm", CamembertConfig, "CamembertForMaskedLM", WIDER),
    ("mpnet", MPNetConfig, "MPNetModel", MPNET),
    ("mpnet", MPNetConfig, "MPNetModel", WIDER_MPNET),
    ("mpnet_sequence_classification", MPNetConfig, "MPNetForSequenceClassification", {**MPNET, **LABELS}),
    ("mpnet_sequence_classification", MPNetConfig, "MPNetForSequenceClassification", WIDER_MPNET),
    ("mpnet_token_classification", MPNetConfig, "MPNetForTokenClassification", {**MPNET, **LABELS}),
    ("mpnet_token_classification", MPNetConfig, "MPNetForTokenClassification", WIDER_MPNET),
    ("mpnet_question_answering", MPNetConfig, "MPNetForQuestionAnswering", MPNET),
    ("mpnet_question_answering", MPNetConfig, "MPNetForQuestionAnswering", WIDER_MPNET),
    ("mpnet_masked_lm", MPNetConfig, "MPNetForMaskedLM", MPNET),
    ("mpnet_masked_lm", MPNetConfig, "MPNetForMaskedLM", WIDER_MPNET),
]


def padded_feeds(sizes: dict[str, Any]) -> list[Feeds]:
    """Return inputs under each mask: what is masked is padding, and one token that is not masked is, too."""
    padding = sizes.get("pad_token_id", PADDING)
    feeds: list[Feeds] = []
    for feed in token_feeds(sizes["vocab_size"], types=sizes.get("type_vocab_size")):
        ids = feed["input_ids"].copy()
        ids[feed["attention_mask"] == 0] = padding
        ids[0, 5] = padding
        feeds.append({**feed, "input_ids": ids})
    return feeds


@pytest.mark.parametrize(("spec", "config_class", "model", "sizes"), CASES)
def test_it_computes_what_transformers_does(
    spec: str, config_class: Any, model: str, sizes: dict[str, Any], tmp_path: Path
) -> None:
    hold_to(getattr(transformers, model), config_class(**sizes), tmp_path, padded_feeds(sizes), spec=spec)


@pytest.mark.parametrize(("spec", "config_class"), dict.fromkeys(case[:2] for case in CASES))
def test_the_defaults_are_those_of_the_config_class(spec: str, config_class: Any) -> None:
    check_defaults(spec, config_class)


@pytest.mark.parametrize("config_class", [RobertaConfig, XLMRobertaConfig, CamembertConfig])
def test_the_size_of_the_vocabulary_is_that_of_the_config_class(config_class: Any) -> None:
    """The classes differ in this default alone."""
    default = config_class()
    config = ModelConfig("config.json", "", {"model_type": default.model_type})
    params = params_of_config(zoo_document("roberta"), config, ())
    assert params["vocab"] == default.vocab_size


@pytest.mark.slow
@pytest.mark.parametrize("case", [CASES[0], CASES[-9]], ids=lambda case: case[0])
def test_it_builds(case: tuple[str, Any, str, dict[str, Any]], tmp_path: Path) -> None:
    _, config_class, model, sizes = case
    build_small(getattr(transformers, model), config_class(**sizes), tmp_path)
