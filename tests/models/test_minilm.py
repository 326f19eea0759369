"""specs/minilm.yaml with the real weights of all-MiniLM-L6-v2, on real sentences."""

from __future__ import annotations

import inspect
import json
import logging
import pathlib
import statistics
import textwrap
from pathlib import Path

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer
from transformers import BertModel

from stackc.artifact.folder import run_artifact
from stackc.hub.importing import import_from
from stackc.pipeline import Options, build, lower_with_weights

pytestmark = pytest.mark.slow

SPEC = Path(__file__).parents[2] / "specs" / "minilm.yaml"


@pytest.fixture(scope="module")
def artifact(minilm: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    options = Options(weights=minilm / "model.safetensors", out=tmp_path_factory.mktemp("built"), measure=False)
    return build(SPEC, options).folder


def sentences(count: int) -> list[str]:
    """First paragraphs of docstrings of the standard library: English that nobody wrote for this test."""
    found: dict[str, None] = {}
    for module in (statistics, json, logging, pathlib, textwrap, inspect):
        for _, thing in inspect.getmembers(module, lambda x: inspect.isfunction(x) or inspect.isclass(x)):
            for item in [thing, *(m for _, m in inspect.getmembers(thing, inspect.isfunction))]:
                if text := inspect.getdoc(item):
                    found[" ".join(text.split("\n\n")[0].split())] = None
    assert len(found) >= count
    return list(found)[:count]


def encode(tokenizer: Tokenizer, texts: list[str]) -> dict[str, np.ndarray]:
    """What the model is fed with: ids, mask and token types, padded to the longest."""
    tokenizer.enable_padding()
    tokenizer.enable_truncation(256)
    encoded = tokenizer.encode_batch(texts)
    columns = {"input_ids": "ids", "attention_mask": "attention_mask", "token_type_ids": "type_ids"}
    return {name: np.array([getattr(e, of) for e in encoded], dtype=np.int64) for name, of in columns.items()}


def pooled(model: BertModel, feeds: dict[str, np.ndarray]) -> torch.Tensor:
    """What sentence-transformers makes of BERT: the mean over the tokens that are there, of length 1."""
    inputs = {name: torch.from_numpy(array) for name, array in feeds.items()}
    with torch.no_grad():
        hidden = model(**inputs).last_hidden_state
    mask = inputs["attention_mask"].unsqueeze(-1).to(hidden.dtype)
    return torch.nn.functional.normalize((hidden * mask).sum(1) / mask.sum(1).clamp(min=1e-9), dim=1)


def test_embeddings_of_200_sentences(artifact: Path, minilm: Path) -> None:
    tokenizer = Tokenizer.from_file(str(minilm / "tokenizer.json"))
    model = BertModel.from_pretrained(minilm, add_pooling_layer=False).eval()
    texts = sentences(200)
    for start in range(0, len(texts), 40):
        feeds = encode(tokenizer, texts[start : start + 40])
        made = run_artifact(artifact, feeds, "cpu")["sentence_embedding"]
        np.testing.assert_allclose(made, pooled(model, feeds).numpy(), rtol=0, atol=1e-5)


def test_two_sentences_of_the_readme(artifact: Path, minilm: Path) -> None:
    tokenizer = Tokenizer.from_file(str(minilm / "tokenizer.json"))
    feeds = encode(tokenizer, ["A cat sits on the mat.", "A kitten rests on a rug.", "The stock market fell sharply."])
    cat, kitten, market = run_artifact(artifact, feeds, "cpu")["sentence_embedding"]
    readme = (SPEC.parents[1] / "README.md").read_text(encoding="utf-8")
    assert f"have similarity {cat @ kitten:.3f}" in readme
    assert f"have {cat @ market:.3f}" in readme


def test_the_folder_is_imported(minilm: Path, tmp_path: Path) -> None:
    """As sentence-transformers has it: a BertModel, with its pooler, in float64 on real sentences."""
    imported = import_from(minilm, tmp_path / "my")
    assert imported.zoo_spec == "bert_base"
    assert (tmp_path / "my" / "tokenizer.json").read_bytes() == (minilm / "tokenizer.json").read_bytes()

    feeds = encode(Tokenizer.from_file(str(minilm / "tokenizer.json")), sentences(8))
    inputs = {name: torch.from_numpy(feeds[name]) for name in imported.checked.program.inputs}
    module = lower_with_weights(imported.checked, minilm / "model.safetensors", 0).double().eval()
    original = BertModel.from_pretrained(minilm, attn_implementation="eager").double().eval()
    with torch.no_grad():
        ours, expected = module(*inputs.values()), original(**inputs)
    for value, name in zip(ours, imported.checked.program.outputs, strict=True):
        torch.testing.assert_close(value, expected[name], rtol=0, atol=1e-9 * float(expected[name].abs().max()))
