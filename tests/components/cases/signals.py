"""Cases of waveforms."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn
from tests.components.cases.drawing import BATCH, SEQ, WIDTH, Case, Op, cases, dims, floats, integers, small

from stackc.core.types import TensorType, shape


@cases("frame")
def _frame(draw: DrawFn, op: Op) -> Case:
    sizes = (*dims(draw, draw(st.integers(1, 3)))[:-1], WIDTH)
    return Case(op(frame_length=draw(small), hop_length=draw(small)), (TensorType(draw(floats | integers), sizes),))


@cases("stft")
def _stft(draw: DrawFn, op: Op) -> Case:
    n_fft, center = draw(st.integers(1, 9)), draw(st.booleans())
    component = op(
        n_fft=n_fft,
        hop_length=draw(st.none() | small),
        win_length=draw(st.none() | st.integers(1, n_fft)),
        window=draw(st.sampled_from(["hann", "hamming", "blackman", "ones"])),
        center=center,
        pad_mode=draw(st.sampled_from(["reflect", "constant", "replicate"])) if center else "reflect",
        output=draw(st.sampled_from(["complex", "magnitude", "power"])),
    )
    return Case(component, (TensorType(draw(floats), shape(BATCH, SEQ)),))


@cases("mel_filter_bank")
def _mel_filter_bank(draw: DrawFn, op: Op) -> Case:
    log = draw(st.sampled_from(["none", "log", "log10"]))
    component = op(
        n_mels=draw(small),
        sample_rate=draw(st.sampled_from([8000.0, 16000.0])),
        f_min=draw(st.sampled_from([0.0, 20.0, 1500.0])),
        f_max=draw(st.none() | st.sampled_from([2000.0, 4000.0])),
        mel_scale=draw(st.sampled_from(["htk", "slaney"])),
        norm=draw(st.sampled_from(["none", "slaney"])),
        log=log,
        dynamic_range=None if log == "none" else draw(st.none() | st.just(8.0)),
    )
    return Case(component, (TensorType(draw(floats), shape(BATCH, draw(st.integers(2, 9)), SEQ)),))
