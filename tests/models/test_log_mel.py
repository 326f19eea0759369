"""A log-mel front end from the waveform, in the file: the features of Whisper, without preprocessing in Python."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from transformers import WhisperFeatureExtractor

from stackc.artifact.folder import run_artifact
from stackc.pipeline import Options, build

pytestmark = pytest.mark.slow

SPEC = """\
stackc: 1
name: log_mel
dims: {batch: {max: 4}, samples: {min: 400, max: 16000, multiple_of: 160}}
inputs: {wave: {shape: [batch, samples], min: -1, max: 1}}
graph: |
  wave --> spectrum[stft] --> features[slice] --> mel[mel_filter_bank]
  wave --> pieces[frame]
nodes:
  spectrum: {n_fft: 400, hop_length: 160, output: power}
  features: {axis: 2, size: samples // 160}
  mel:      {n_mels: 80, mel_scale: slaney, norm: slaney, log: log10, dynamic_range: 8}
  pieces:   {frame_length: 400, hop_length: 160}
outputs: [mel, pieces]
"""


@pytest.mark.parametrize("opset", [18, 23])
def test_features_of_whisper(opset: int, tmp_path: Path) -> None:
    spec = tmp_path / "log_mel.yaml"
    spec.write_text(SPEC, encoding="utf-8")
    built = build(spec, Options(out=tmp_path, opset=opset, measure=False))
    assert built.parity is not None
    assert not built.parity.failures
    assert not {"Loop", "Scan", "If"} & {node.op_type for node in onnx.load(built.folder / "model.onnx").graph.node}

    generator, extractor = np.random.default_rng(0), WhisperFeatureExtractor()
    for batch, samples in ((1, 480), (3, 8000)):
        wave = generator.uniform(-1, 1, (batch, samples)).astype(np.float32)
        made = run_artifact(built.folder, {"wave": wave})
        theirs = extractor(list(wave), sampling_rate=16000, padding="longest", return_tensors="np")["input_features"]
        np.testing.assert_allclose(made["mel"] / 4 + 1, theirs, rtol=1e-4, atol=1e-4)
        np.testing.assert_array_equal(made["pieces"][:, 0], wave[:, :400])
