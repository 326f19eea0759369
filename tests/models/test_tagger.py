"""Sizes by their dims: a tagger that reads words letter by letter, and pairs of neighbours, against torch.nn."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from stackc.artifact.folder import run_artifact
from stackc.frontend import check_spec
from stackc.pipeline import Options, build

pytestmark = pytest.mark.slow

SPEC = """\
stackc: 1
name: tagger
dims: {batch: {max: 8}, words: {min: 2, max: 40}, length: {min: 3, max: 20}}
inputs:
  letters: {dtype: int64, shape: [batch, words, length], below: 50}
graph: |
  letters --> flat[reshape] --> embed[embedding] --> turned[transpose] --> conv[conv1d] --> pool[global_max_pool]
  pool --> back[unflatten] --> lstm --> tags[linear]
  letters -->|like| back
  tags --> left[slice] --> pairs[mul] --> rows[reshape]
  tags --> right[slice] --> pairs
  tags --> first[slice]
nodes:
  flat:  {shape: [batch*words, length]}
  embed: {vocab: 50, dim: 8}
  conv:  {out: 16, kernel: 3, padding: 1}
  back:  {axis: 0, size: words}
  lstm:  {hidden: 8, bidirectional: true}
  tags:  {out: 6}
  left:  {axis: 1, size: words - 1}
  right: {axis: 1, start: 1}
  first: {axis: 1, size: words // 2}
  rows:  {shape: [batch*(words - 1), 3, 2]}
outputs: {tags: tags, rows: rows, first: first}
"""


class Tagger(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(50, 8)
        self.conv = nn.Conv1d(8, 16, 3, padding=1)
        self.lstm = nn.LSTM(16, 8, batch_first=True, bidirectional=True)
        self.tags = nn.Linear(16, 6)

    def forward(self, letters: Tensor) -> tuple[Tensor, ...]:
        words = self.conv(self.embed(letters.flatten(0, 1)).transpose(1, 2)).amax(dim=2)
        tags = self.tags(self.lstm(words.reshape(*letters.shape[:2], 16))[0])
        return tags, (tags[:, :-1] * tags[:, 1:]).reshape(-1, 3, 2), tags[:, : tags.shape[1] // 2]


@pytest.mark.parametrize("opset", [18, 23])
def test_same_numbers_as_torch(opset: int, tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = Tagger().eval()
    save_file(model.state_dict(), tmp_path / "tagger.safetensors")
    spec = tmp_path / "tagger.yaml"
    spec.write_text(SPEC, encoding="utf-8")
    options = Options(weights=tmp_path / "tagger.safetensors", out=tmp_path, opset=opset, measure=False)
    built = build(spec, options)
    assert built.parity is not None
    assert not built.parity.failures
    for sizes in ((1, 2, 3), (3, 7, 5)):
        letters = torch.randint(0, 50, sizes)
        made = run_artifact(built.folder, {"letters": letters.numpy()}, "cpu").values()
        with torch.no_grad():
            expected = model(letters)
        for ours, theirs in zip(made, expected, strict=True):
            np.testing.assert_allclose(ours, theirs.numpy(), rtol=0, atol=1e-6)

    lock = built.folder / "spec.lock.yaml"
    assert check_spec(lock).program.types == built.checked.program.types
