"""Frames, transforms and mel filters against torch.stft and the audio functions of transformers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import pytest
import torch
from torch import Tensor
from transformers import WhisperFeatureExtractor
from transformers.audio_utils import mel_filter_bank, spectrogram, window_function

from stackc.components.base import SignatureError
from stackc.components.families.signal import Frames, MelFilterBank, Stft
from stackc.core.types import Dim, TensorType, shape

Refused = Callable[..., SignatureError]

BATCH, SAMPLES = Dim.symbol("batch"), Dim.symbol("samples")
WAVE = TensorType("float32", shape(BATCH, SAMPLES))
SPECTRUM = TensorType("float32", shape(BATCH, 201, Dim.symbol("frames")))
WHISPER = MelFilterBank(n_mels=80, f_max=8000.0, mel_scale="slaney", norm="slaney", log="log10", dynamic_range=8.0)


@pytest.fixture
def wave() -> Tensor:
    return torch.randn(2, 4001, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    ("fields", "window"),
    [
        ({"n_fft": 400, "hop_length": 160}, torch.hann_window),
        ({"n_fft": 256, "win_length": 200, "window": "hamming", "pad_mode": "constant"}, torch.hamming_window),
        ({"n_fft": 31, "hop_length": 7, "center": False, "window": "blackman"}, torch.blackman_window),
        ({"n_fft": 64, "win_length": 33, "window": "ones", "pad_mode": "replicate"}, torch.ones),
    ],
)
def test_stft_is_that_of_torch(fields: dict[str, Any], window: Callable[..., Tensor], wave: Tensor) -> None:
    component = Stft(**fields)
    win_length = component.win_length or component.n_fft
    expected = torch.stft(
        wave,
        component.n_fft,
        component.hop_length,
        win_length,
        window(win_length, dtype=torch.float64),
        center=component.center,
        pad_mode=component.pad_mode,
        return_complex=True,
    )
    parts = component.module(WAVE)(wave)
    torch.testing.assert_close(torch.view_as_complex(parts.contiguous()), expected, rtol=1e-11, atol=1e-11)
    for output, power in (("magnitude", 1), ("power", 2)):
        y = Stft.of_fields({**fields, "output": output}).module(WAVE)(wave)
        torch.testing.assert_close(y, expected.abs() ** power, rtol=1e-9, atol=1e-9)


def test_a_magnitude_of_zero_has_a_gradient() -> None:
    silence = torch.zeros(1, 64, requires_grad=True)
    Stft(n_fft=16, output="magnitude").module(WAVE)(silence).sum().backward()
    assert silence.grad is not None
    assert silence.grad.isfinite().all()


def test_frames_are_slices(wave: Tensor) -> None:
    y = Frames(frame_length=400, hop_length=160).module(WAVE)(wave)
    assert y.shape == (2, (4001 - 400) // 160 + 1, 400)
    for i in range(y.shape[1]):
        assert torch.equal(y[:, i], wave[:, i * 160 : i * 160 + 400])


@pytest.mark.parametrize("scale", ["htk", "slaney"])
@pytest.mark.parametrize("norm", ["none", "slaney"])
@pytest.mark.parametrize(("low", "high"), [(0.0, 8000.0), (20.0, 7600.0), (1200.0, 3000.0)])
def test_mel_filters_are_those_of_transformers(
    scale: Literal["htk", "slaney"], norm: Literal["none", "slaney"], low: float, high: float
) -> None:
    expected = mel_filter_bank(201, 40, low, high, 16000, None if norm == "none" else norm, scale)
    component = MelFilterBank(n_mels=40, f_min=low, f_max=high, mel_scale=scale, norm=norm)
    y = component.module(SPECTRUM)(torch.eye(201, dtype=torch.float64).unsqueeze(0))
    np.testing.assert_allclose(y[0].numpy(), expected.T, rtol=1e-10, atol=1e-12)


def test_log_mel_is_that_of_transformers(wave: Tensor) -> None:
    """A natural logarithm too; their spectrum is complex64, whatever the dtype."""
    filters = mel_filter_bank(201, 80, 0.0, 8000.0, 16000, "slaney", "slaney")
    power = Stft(n_fft=400, hop_length=160, output="power").module(WAVE)(wave)
    for log in ("log", "log10"):
        ours = MelFilterBank(n_mels=80, mel_scale="slaney", norm="slaney", log=log).module(SPECTRUM)(power)
        for sample in range(2):
            theirs = spectrogram(
                wave[sample].numpy(),
                window_function(400, "hann"),
                400,
                160,
                power=2.0,
                mel_filters=filters,
                log_mel=log,
                dtype=np.dtype("float64"),
            )
            np.testing.assert_allclose(ours[sample].numpy(), theirs, rtol=1e-5, atol=1e-6)


def test_log_mel_is_that_of_whisper(wave: Tensor) -> None:
    """The extractor's own numbers are float32; the loud first sample shows that each has its own maximum."""
    wave = (wave * torch.tensor([[1e4], [1.0]]))[:, :4000] * torch.linspace(0, 1, 4000) ** 8
    extractor = WhisperFeatureExtractor()
    expected = extractor(list(wave.numpy()), sampling_rate=16000, padding="longest", return_tensors="np")
    power = Stft(n_fft=400, hop_length=160, output="power").module(WAVE)(wave)
    y = WHISPER.module(SPECTRUM)(power[..., :-1])
    np.testing.assert_allclose((y / 4 + 1).numpy(), expected["input_features"], rtol=1e-5, atol=1e-5)


def test_error_a_window_longer_than_its_frame(refused: Refused) -> None:
    error = refused(Stft(n_fft=16, win_length=20), WAVE)
    assert (error.code, error.field) == ("T202", "win_length")
    assert error.message == "win_length 20 exceeds n_fft 16"
    assert error.hint == "write `win_length: 16`, or leave it out"


def test_error_padding_without_center(refused: Refused) -> None:
    error = refused(Stft(n_fft=16, center=False, pad_mode="constant"), WAVE)
    assert (error.code, error.field) == ("T208", "pad_mode")


def test_error_too_few_samples(refused: Refused) -> None:
    short = TensorType("float32", shape(BATCH, 8))
    assert refused(Stft(n_fft=16), short).message == (
        "it mirrors 8 samples, so it needs 9 samples or more, got float32[batch, 8]"
    )
    assert refused(Stft(n_fft=16, center=False), short).message == (
        "a frame has 16 samples, so it needs 16 samples or more, got float32[batch, 8]"
    )
    assert refused(Frames(frame_length=9, hop_length=1), short).message == (
        "a frame of 9 samples is longer than the last axis of float32[batch, 8]"
    )


def test_error_filters_beyond_the_frequencies(refused: Refused) -> None:
    error = refused(MelFilterBank(n_mels=4, f_max=9000.0), SPECTRUM)
    assert (error.code, error.field) == ("T202", "f_max")
    assert error.message == "f_max 9000 exceeds 8000, half of sample_rate: x ends there"
    assert refused(MelFilterBank(n_mels=4, f_min=8000.0), SPECTRUM).field == "f_min"


def test_error_range_without_logarithm(refused: Refused) -> None:
    error = refused(MelFilterBank(n_mels=4, dynamic_range=8.0), SPECTRUM)
    assert (error.code, error.field) == ("T208", "dynamic_range")
