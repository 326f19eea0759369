"""BART's kin against transformers: learned or sinusoidal positions, norms behind or before layers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from safetensors.torch import save_file
from tests.hub.harness import Feeds, build_small, check_defaults, decoder_feeds, decoder_rows, hold_to, token_feeds
from torch import nn
from transformers import BartConfig, MarianConfig, MBartConfig, PegasusConfig

from stackc.core.diagnostics import SpecError
from stackc.frontend import check_spec
from stackc.hub.importing import import_from
from stackc.pipeline import lower_with_weights

SMALL: dict[str, Any] = {
    "vocab_size": 61, "d_model": 24, "encoder_layers": 2, "encoder_attention_heads": 4, "encoder_ffn_dim": 40,
    "decoder_layers": 1, "decoder_attention_heads": 3, "decoder_ffn_dim": 36, "max_position_embeddings": 15,
    "pad_token_id": 0, "decoder_start_token_id": 2,
}  # fmt: skip
WIDER: dict[str, Any] = {
    "vocab_size": 47, "d_model": 30, "encoder_layers": 1, "encoder_attention_heads": 3, "encoder_ffn_dim": 28,
    "decoder_layers": 3, "decoder_attention_heads": 5, "decoder_ffn_dim": 44, "max_position_embeddings": 13,
    "pad_token_id": 1, "decoder_start_token_id": 2, "scale_embedding": True,
}  # fmt: skip
OWN: dict[str, Any] = {"share_encoder_decoder_embeddings": False, "decoder_vocab_size": 53}
"""Of Marian with a vocabulary for each language."""

FAMILIES: dict[str, tuple[Any, str]] = {
    "bart": (BartConfig, "BartForConditionalGeneration"),
    "marian": (MarianConfig, "MarianMTModel"),
    "pegasus": (PegasusConfig, "PegasusForConditionalGeneration"),
    "mbart": (MBartConfig, "MBartForConditionalGeneration"),
}
CASES: list[tuple[str, dict[str, Any]]] = [
    ("bart", SMALL),
    ("bart", {**WIDER, "activation_function": "gelu_new"}),
    ("marian", {**SMALL, "activation_function": "swish", "scale_embedding": True}),
    ("marian", {**WIDER, "scale_embedding": False}),
    ("marian", {**SMALL, **OWN}),
    ("marian", {**WIDER, **OWN, "tie_word_embeddings": False}),
    ("pegasus", {**SMALL, "activation_function": "relu", "scale_embedding": True}),
    ("pegasus", {**WIDER, "scale_embedding": False}),
    ("mbart", {**SMALL, "activation_function": "relu"}),
    ("mbart", WIDER),
]


def original(name: str) -> Any:
    """Return a maker of the class's module whose bias of the logits is not 0.

    Tables of sinusoids are calculated in the element type of the module, and are no parameters: files lack them.
    """

    def make(config: Any) -> Any:
        module: Any = getattr(transformers, FAMILIES[name][1])(config)
        module.final_logits_bias = nn.Buffer(torch.randn_like(module.final_logits_bias))
        for part in module.modules():
            if hasattr(part, "create_weight"):
                with pytest.MonkeyPatch.context() as patch:
                    patch.setattr(torch, "FloatTensor", torch.tensor)
                    table = part.create_weight()
                del part.weight
                part.weight = nn.Buffer(table, persistent=False)
        return module

    return make


@pytest.mark.parametrize(("name", "sizes"), CASES)
def test_it_computes_what_transformers_does(name: str, sizes: dict[str, Any], tmp_path: Path) -> None:
    config = FAMILIES[name][0](**sizes)
    target_vocab = sizes.get("decoder_vocab_size", config.vocab_size)
    feeds = decoder_feeds(config.vocab_size, length=13, target=11, target_vocab=target_vocab)
    unread = 4 * config.d_model if name in ("bart", "mbart") else 0
    hold_to(original(name), config, tmp_path, feeds, spec=name, kept=decoder_rows, unread=unread)


def sentences(config: BartConfig) -> list[Feeds]:
    """Return ids of which two of each row end a sequence, the second one anywhere behind the first."""
    feeds: list[Feeds] = []
    for feed in token_feeds(config.vocab_size):
        ids = feed["input_ids"].copy()
        ids[ids == config.eos_token_id] += 1
        for row, ends in enumerate([(0, 10), (3, 4), (2, 7)]):
            ids[row, list(ends)] = config.eos_token_id
        feeds.append({**feed, "input_ids": ids})
    return feeds


@pytest.mark.parametrize(
    "sizes",
    [
        SMALL,
        {**WIDER, "num_labels": 5, "eos_token_id": 4, "decoder_start_token_id": 6, "activation_function": "relu"},
    ],
)
def test_bart_that_classifies_sequences(sizes: dict[str, Any], tmp_path: Path) -> None:
    config: Any = BartConfig(**sizes)
    model, spec = transformers.BartForSequenceClassification, "bart_sequence_classification"
    hold_to(model, config, tmp_path, sentences(config), spec=spec, unread=4 * config.d_model)
    check_defaults(spec, BartConfig)


def test_marian_of_a_file_that_holds_every_name(tmp_path: Path) -> None:
    """Files of older versions hold the tied table under all names, and the sinusoids."""
    config = MarianConfig(**SMALL)
    module: Any = transformers.MarianMTModel(config)
    module.save_pretrained(tmp_path)
    state = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    save_file(state, tmp_path / "model.safetensors", {"format": "pt"})
    assert "model.encoder.embed_positions.weight" in state
    assert "model.shared.weight" in state
    imported = import_from(tmp_path, tmp_path / "out")
    ours = lower_with_weights(check_spec(imported.spec), None, 0).state_dict()
    assert ours["shared.weight"].equal(module.model.shared.weight)


def test_error_marian_with_one_table_for_both_languages_but_not_for_the_head(tmp_path: Path) -> None:
    """What transformers makes of it depends on its version."""
    config = MarianConfig(**SMALL, tie_word_embeddings=False)
    transformers.MarianMTModel(config).save_pretrained(tmp_path)
    with pytest.raises(SpecError) as caught:
        import_from(tmp_path, tmp_path / "out")
    (problem,) = caught.value.diagnostics
    assert problem.code == "H906"
    assert "share_encoder_decoder_embeddings" in problem.message


@pytest.mark.parametrize("name", FAMILIES)
def test_the_defaults_are_those_of_the_config_class(name: str) -> None:
    check_defaults(name, FAMILIES[name][0])


@pytest.mark.slow
@pytest.mark.parametrize("case", [CASES[1], CASES[4], CASES[6], CASES[9]], ids=lambda case: case[0])
def test_it_builds(case: tuple[str, dict[str, Any]], tmp_path: Path) -> None:
    name, sizes = case
    config = FAMILIES[name][0](**{**sizes, "decoder_layers": 1, "encoder_layers": 1})
    build_small(original(name), config, tmp_path, unread=4 * config.d_model if name in ("bart", "mbart") else 0)
