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
from stackc.pipeline import Options, build

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
