"""Two pretrained MiniLMs and a linear head, stacked by sum and in series, one of them frozen and a teacher as well,
trained as a whole: against transformers.BertModel in loops written by hand. Small ones with random weights, and slowly
the real ones."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from tests.training.stepping import Steps
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import BertConfig, BertModel

MINILM = Path(__file__).parents[2] / "specs" / "minilm.yaml"
INPUTS = """\
stackc: 1
name: pair
dims: {seq: {min: 1, max: 512}}
inputs:
  input_ids:      {dtype: int64, shape: [batch, seq], below: VOCAB}
  attention_mask: {dtype: int64, shape: [batch, seq], values: [0, 1]}
  token_type_ids: {dtype: int64, shape: [batch, seq], below: 2}
outputs: {logits: head}
"""
TRAIN = """\
train:
  inputs: {target: {shape: [batch, 3]}}
  graph: |
    logits --> loss[mse]
    target -->|target| loss
DISTILLED
  data: {batch: 4}
  optimizer: {op: sgd, lr: 0.1}
  steps: 2
"""
SUM = """\
graph: |
  input_ids --> pair[stack] --> head[linear]
  attention_mask -->|attention_mask| pair
  token_type_ids -->|token_type_ids| pair
nodes:
  pair: {of: [minilm.yaml, {op: minilm.yaml, freeze: true}], mode: sum}
  head: {out: 3}
"""
SERIES = """\
graph: |
  input_ids --> lower -->|token_embeddings:| upper[stack] --> pool[mean_pool] --> head[linear]
  attention_mask -->|attention_mask| lower
  token_type_ids -->|token_type_ids| lower
  attention_mask -->|mask| upper
  attention_mask -->|mask| pool
nodes:
  lower: {op: minilm.yaml, freeze: true}
  upper:
    of: minilm.yaml#layer
    repeat: LAYERS
    weights:
      file: model.safetensors
      map:
MAP
      ignore: ["embeddings.**", "pooler.**"]
  head: {out: 3}
"""
DISTILLED = """\
    pair -->|0:| near[mse]
    pair -->|1:target| near
"""


@dataclass(frozen=True)
class Sizes:
    """The params of MiniLM."""

    vocab: int
    dim: int
    layers: int
    heads: int

    def bert(self, weights: Mapping[str, Tensor]) -> BertModel:
        """The model of transformers, without dropout."""
        config = BertConfig(
            vocab_size=self.vocab, hidden_size=self.dim, num_hidden_layers=self.layers, num_attention_heads=self.heads,
            intermediate_size=4 * self.dim, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0,
        )  # fmt: skip
        model = BertModel(config, add_pooling_layer=False)
        if weights:
            kept = {name: value for name, value in weights.items() if not re.search("pooler|position_ids", name)}
            model.load_state_dict(kept)
        return model


SMALL, REAL = Sizes(60, 16, 2, 4), Sizes(30522, 384, 6, 12)


@pytest.fixture(params=["small", pytest.param("real", marks=pytest.mark.slow)])
def pretrained(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Sizes, Path]:
    """A folder with minilm.yaml, which names its weights beside it."""
    sizes = SMALL if request.param == "small" else REAL
    text = MINILM.read_text(encoding="utf-8").replace("weights:\n", "weights:\n  file: model.safetensors\n")
    for name in ("vocab", "dim", "layers", "heads"):
        text = re.sub(rf"(params:.*\b{name}: )\d+", rf"\g<1>{getattr(sizes, name)}", text)
    (tmp_path / "minilm.yaml").write_text(text, encoding="utf-8")
    if sizes is REAL:
        folder: Path = request.getfixturevalue("minilm")
        (tmp_path / "model.safetensors").write_bytes((folder / "model.safetensors").read_bytes())
    else:
        torch.manual_seed(0)
        save_file(sizes.bert({}).state_dict(), tmp_path / "model.safetensors")
    return sizes, tmp_path


def spec(sizes: Sizes, body: str, distilled: str) -> str:
    rules = re.findall(r"^    encoder\.(\*\..*)$", MINILM.read_text(encoding="utf-8"), re.MULTILINE)
    written = "\n".join(f'        "{key}": {text}' for key, text in (rule.split(": ") for rule in rules))
    train = TRAIN.replace("DISTILLED\n", distilled)
    text = INPUTS.replace("VOCAB", str(sizes.vocab)) + body.replace("MAP", written) + train
    return text.replace("LAYERS", str(sizes.layers))


def pooled(hidden: Tensor, mask: Tensor) -> Tensor:
    kept = mask.unsqueeze(-1).to(hidden.dtype)
    return (hidden * kept).sum(1) / kept.sum(1)


Losses = Callable[[BertModel, BertModel, nn.Linear, dict[str, Tensor], Tensor], Tensor]


def sum_by_hand(
    student: BertModel, teacher: BertModel, head: nn.Linear, inputs: dict[str, Tensor], target: Tensor
) -> Tensor:
    """Both sentences added up, and the distance of the student's from the teacher's."""
    ours, theirs = (
        F.normalize(pooled(model(**inputs).last_hidden_state, inputs["attention_mask"]), dim=-1)
        for model in (student, teacher)
    )
    return F.mse_loss(head(ours + theirs), target) + F.mse_loss(ours, theirs)


def series_by_hand(
    upper: BertModel, lower: BertModel, head: nn.Linear, inputs: dict[str, Tensor], target: Tensor
) -> Tensor:
    """The layers of one after the tokens of the other."""
    mask = inputs["attention_mask"]
    hidden = lower(**inputs).last_hidden_state
    added = torch.where(mask[:, None, None] == 1, 0.0, torch.finfo(torch.float32).min)
    for layer in upper.encoder.layer:
        result = layer(hidden, attention_mask=added)
        hidden = result[0] if isinstance(result, tuple) else result
    return F.mse_loss(head(pooled(hidden, mask)), target)


CASES: dict[str, tuple[str, str, Losses, str, str]] = {
    "sum": (SUM, DISTILLED, sum_by_hand, "pair.0", "pair.1"),
    "series": (SERIES, "", series_by_hand, "upper", "lower"),
}


@pytest.mark.parametrize("case", CASES)
def test_two_pretrained_models_are_trained_as_one(pretrained: tuple[Sizes, Path], case: str) -> None:
    (sizes, folder), (body, distilled, by_hand, trained, frozen) = pretrained, CASES[case]
    steps = Steps.of(spec(sizes, body, distilled), folder / "pair.yaml")
    weights = load_file(folder / "model.safetensors")
    model, still, head = sizes.bert(weights), sizes.bert(weights).requires_grad_(False), nn.Linear(sizes.dim, 3)
    head.load_state_dict(steps.module.get_submodule("head").state_dict())
    optimizer = torch.optim.SGD([*model.parameters(), *head.parameters()], lr=0.1)
    before = {name: value.clone() for name, value in steps.module.state_dict().items()}

    random = np.random.default_rng(0)
    for _ in range(2):
        ids, types = random.integers(0, sizes.vocab, (4, 7)), np.zeros((4, 7), np.int64)
        mask = (np.arange(7) < random.integers(3, 8, (4, 1))).astype(np.int64)
        feeds = {"input_ids": ids, "attention_mask": mask, "token_type_ids": types}
        target = random.standard_normal((4, 3)).astype(np.float32)
        inputs = {name: torch.from_numpy(array) for name, array in feeds.items()}
        loss = by_hand(model, still, head, inputs, torch.from_numpy(target))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        assert steps.step(**feeds, target=target) == pytest.approx(loss.item(), rel=1e-4)

    after = steps.module.state_dict()
    torch.testing.assert_close(after["head.weight"], head.weight.detach(), rtol=1e-3, atol=1e-5)
    assert all(torch.equal(after[name], before[name]) for name in after if name.startswith(f"{frozen}."))
    query = "encoder.0.attn.q.weight" if case == "sum" else "0.attn.q.weight"
    expected = model.state_dict()["encoder.layer.0.attention.self.query.weight"]
    torch.testing.assert_close(after[f"{trained}.{query}"], expected, rtol=1e-3, atol=1e-5)
    assert not torch.equal(expected, weights["encoder.layer.0.attention.self.query.weight"])
