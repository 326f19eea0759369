"""Recurrent layers from spec to file: one ONNX operator a layer, at any length, with the numbers of torch.nn."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn.utils import parametrizations
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from stackc.artifact.folder import run_artifact
from stackc.pipeline import Options, build

pytestmark = pytest.mark.slow

SPEC = """\
stackc: 1
name: listener
dims: {batch: {max: 8}, frames: {max: 400}}
inputs: {audio: {shape: [batch, frames, 10]}, speaker: {shape: [2, batch, 7]}}
graph: |
  audio --> listen[lstm] --> settle[gru] --> last[rnn] --> words[linear]
  speaker -->|h0| settle
nodes:
  listen: {hidden: 8, layers: 2, bidirectional: true, reparam: {weight_hh_l1: weight_norm}}
  settle: {hidden: 7, bidirectional: true, bias: false}
  last:   {hidden: 6, activation: relu}
  words:  {out: 4}
outputs: {words: words, state: last.h, cell: listen.c, hidden: settle.h}
"""


class Listener(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.listen = nn.LSTM(10, 8, 2, batch_first=True, bidirectional=True)
        parametrizations.weight_norm(self.listen, "weight_hh_l1")
        self.settle = nn.GRU(16, 7, batch_first=True, bidirectional=True, bias=False)
        self.last = nn.RNN(14, 6, nonlinearity="relu", batch_first=True)
        self.words = nn.Linear(6, 4)

    def forward(self, audio: Tensor, speaker: Tensor) -> tuple[Tensor, ...]:
        # torch.nn keeps the weight as it was when the module was made
        self.listen._flat_weights = [getattr(self.listen, name) for name in self.listen._flat_weights_names]
        heard, (_, cell) = self.listen(audio)
        settled, hidden = self.settle(heard, speaker)
        y, state = self.last(settled)
        return self.words(y), state, cell, hidden


@pytest.mark.parametrize("opset", [18, 23])
def test_same_numbers_as_torch_at_any_length(opset: int, tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = Listener().eval()
    model.listen.parametrizations.weight_hh_l1.original0.data.mul_(1.5)  # type: ignore[union-attr, operator]  # made at run time
    save_file(model.state_dict(), tmp_path / "listener.safetensors")
    spec = tmp_path / "listener.yaml"
    spec.write_text(SPEC, encoding="utf-8")
    options = Options(weights=tmp_path / "listener.safetensors", out=tmp_path, opset=opset, measure=False)
    built = build(spec, options)
    assert built.parity is not None
    assert not built.parity.failures

    nodes = [node.op_type for node in onnx.load(built.folder / "model.onnx").graph.node]
    assert [nodes.count(op) for op in ("LSTM", "GRU", "RNN", "Loop")] == [2, 1, 1, 0]
    for batch, frames in ((1, 1), (5, 321)):
        feeds = {"audio": torch.randn(batch, frames, 10), "speaker": torch.randn(2, batch, 7)}
        with torch.no_grad():
            expected = model(**feeds)
        made = run_artifact(built.folder, {name: x.numpy() for name, x in feeds.items()})
        for name, tensor in zip(("words", "state", "cell", "hidden"), expected, strict=True):
            np.testing.assert_allclose(made[name], tensor.numpy(), rtol=1e-4, atol=1e-5)


WITH_LENGTHS = """\
stackc: 1
name: packed
dims: {batch: {max: 8}, frames: {max: 400}}
inputs:
  audio: {shape: [batch, frames, 10]}
  lengths: {shape: [batch], dtype: int64, min: 0, max: 400}
  first: {shape: [2, batch, 7]}
graph: |
  audio --> listen[lstm] --> settle[gru] --> last[rnn]
  first -->|h0| settle
  lengths -->|lengths| listen & settle & last
nodes:
  listen: {hidden: 8, layers: 2, bidirectional: true}
  settle: {hidden: 7, bidirectional: true}
  last:   {hidden: 6}
outputs: {y: last, state: last.h, cell: listen.c, hidden: settle.h}
"""


class Packed(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.listen = nn.LSTM(10, 8, 2, batch_first=True, bidirectional=True)
        self.settle = nn.GRU(16, 7, batch_first=True, bidirectional=True)
        self.last = nn.RNN(14, 6, batch_first=True)

    def forward(self, audio: Tensor, lengths: Tensor, first: Tensor) -> tuple[Tensor, ...]:
        packed = pack_padded_sequence(audio, lengths, batch_first=True, enforce_sorted=False)
        heard, (_, cell) = self.listen(packed)
        settled, hidden = self.settle(heard, first)
        y, state = self.last(settled)
        return pad_packed_sequence(y, batch_first=True, total_length=audio.shape[1])[0], state, cell, hidden


@pytest.mark.parametrize("opset", [18, 23])
def test_lengths_are_torch_on_packed_sequences(opset: int, tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = Packed().eval()
    save_file(model.state_dict(), tmp_path / "packed.safetensors")
    spec = tmp_path / "packed.yaml"
    spec.write_text(WITH_LENGTHS, encoding="utf-8")
    built = build(spec, Options(weights=tmp_path / "packed.safetensors", out=tmp_path, opset=opset, measure=False))
    assert built.parity is not None
    assert not built.parity.failures

    nodes = [node.op_type for node in onnx.load(built.folder / "model.onnx").graph.node]
    assert [nodes.count(op) for op in ("LSTM", "GRU", "RNN", "Loop", "Scan")] == [2, 1, 1, 0, 0]
    for lengths, frames in ([1], 1), ([7, 3, 9], 9), ([1, 5], 300):
        count = torch.tensor(lengths)
        feeds = {
            "audio": torch.randn(len(lengths), frames, 10),
            "lengths": count,
            "first": torch.randn(2, len(lengths), 7),
        }
        with torch.no_grad():
            expected = model(**feeds)
        made = run_artifact(built.folder, {name: x.numpy() for name, x in feeds.items()})
        for name, tensor in zip(("y", "state", "cell", "hidden"), expected, strict=True):
            np.testing.assert_allclose(made[name], tensor.numpy(), rtol=1e-4, atol=1e-5)
