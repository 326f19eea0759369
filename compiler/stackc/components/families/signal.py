"""Waveforms: frames, short-time Fourier transforms, mel filter banks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from stackc.components.axes import Axes, leading
from stackc.components.base import (
    Component,
    Limit,
    Signature,
    SignatureError,
    fixed,
    require_float,
    require_layout,
)
from stackc.components.construction import ConstructorCall, construct
from stackc.components.fields import Range, Size
from stackc.components.registry import component
from stackc.core.types import Dim, TensorType, product

if TYPE_CHECKING:
    from torch import nn


@component("frame", "x")
class Frames(Component):
    """y[..., i, j] = x[..., i·hop_length + j]: overlapping pieces of a signal, each hop_length after the one before.

    x: [..., samples] → y: [..., frames, frame_length] with ⌊(samples − frame_length) / hop_length⌋ + 1 frames; samples
    after the last whole frame are left out.
    """

    frame_length: Annotated[Size, "samples of each frame"]
    hop_length: Annotated[Size, "samples from the start of a frame to the start of the next"]

    mixes = ("cuts the axis into overlapping frames", None)

    def pointwise_axes(self, x: TensorType) -> tuple[Axes, ...]:
        """Return all axes but that of the samples."""
        return leading(x.rank - 1)(self, x)

    def signature(self, x: TensorType) -> Signature:
        """Return the type with the last axis cut into frames."""
        if not x.rank:
            raise SignatureError(f"expects [..., samples], got {x}", port="x")
        samples = x.shape[-1]
        if samples.constant is not None and samples.constant < self.frame_length:
            message = f"a frame of {self.frame_length} samples is longer than the last axis of {x}"
            raise SignatureError(message, field="frame_length")

        frames = _frames(samples, self.frame_length, self.hop_length)
        limit = Limit(samples, f"its frames are {self.frame_length} samples long", minimum=self.frame_length)
        return Signature((x.with_shape(*x.shape[:-1], frames, self.frame_length),), limits=(limit,))

    def construction(self, x: TensorType) -> ConstructorCall[nn.Module]:
        """Return Tensor.unfold as a module."""
        from stackc.modules.signal import Frames

        return construct(Frames, self.frame_length, self.hop_length)

    def expression(self, x: str) -> str:
        """Return a call of Tensor.unfold."""
        return f"{x}.unfold(-1, {self.frame_length}, {self.hop_length})"


@component("stft", "x")
class Stft(Component):
    """y[b, k, i] = Σₙ w[n]·x[b, i·hop_length + n]·exp(−2πi·kn / n_fft), n from 0 to n_fft − 1: torch.stft.

    With center, x is padded by n_fft // 2 samples on both sides before, so that frame i is centered at i·hop_length. A
    window shorter than n_fft is padded with zeros on both sides.
    x: [batch, samples] → y: [batch, n_fft // 2 + 1, frames, 2], real and imaginary parts, or without the last axis
    their magnitude √(re² + im²) or power re² + im². Allen 1977, doi:10.1109/TASSP.1977.1162950.
    """

    n_fft: Annotated[Size, "samples of each frame, which are transformed"]
    hop_length: Annotated[
        Size | None, "samples from one frame to the next; by default a quarter of n_fft, rounded down"
    ] = None
    win_length: Annotated[Size | None, "samples of the window, at most n_fft; by default n_fft"] = None
    window: Annotated[
        Literal["hann", "hamming", "blackman", "ones"], "the window w, periodic; ones leaves samples as they are"
    ] = "hann"
    center: Annotated[bool, "pad x, so that frames are centered"] = True
    pad_mode: Annotated[
        Literal["reflect", "constant", "replicate"], "what center pads with: x mirrored, zeros, or its end samples"
    ] = "reflect"
    output: Annotated[Literal["complex", "magnitude", "power"], "what y is of each complex number"] = "complex"

    mixes = ("cuts the axis into overlapping frames", None)
    pointwise_axes = leading(1)

    def signature(self, x: TensorType) -> Signature:
        """Return a number for each frequency and frame, or two."""
        require_float(x)
        require_layout(x, "[batch, samples]")
        self._require_window()

        batch, samples = x.shape
        needed, reason = self._least_samples
        if samples.constant is not None and samples.constant < needed:
            raise SignatureError(f"{reason}, so it needs {needed} samples or more, got {x}", port="x")

        frequencies = self.n_fft // 2 + 1
        frames = _frames(samples + 2 * self._margin, self.n_fft, self._hop_length)
        parts = (2,) if self.output == "complex" else ()
        return Signature(
            (x.with_shape(batch, frequencies, frames, *parts),),
            flops=4 * batch * frames * frequencies * self.n_fft,
            workspace=2 * batch * frames * frequencies,
            limits=(Limit(samples, reason, minimum=needed),),
        )

    def construction(self, x: TensorType) -> ConstructorCall[nn.Module]:
        """Return the transform as a convolution with sinusoids."""
        from stackc.modules.signal import Stft

        return construct(
            Stft,
            self.n_fft,
            self._hop_length,
            self.n_fft if self.win_length is None else self.win_length,
            self.window,
            center=self.center,
            pad_mode=self.pad_mode,
            output=self.output,
        )

    @property
    def _hop_length(self) -> int:
        return max(1, self.n_fft // 4) if self.hop_length is None else self.hop_length

    @property
    def _margin(self) -> int:
        """Samples that are padded on each side."""
        return self.n_fft // 2 if self.center else 0

    @property
    def _least_samples(self) -> tuple[int, str]:
        """The least number of samples, and why."""
        if self.center and self.pad_mode == "reflect":
            return self._margin + 1, f"it mirrors {self._margin} samples"
        return max(1, self.n_fft - 2 * self._margin), f"a frame has {self.n_fft} samples"

    def _require_window(self) -> None:
        """Raise SignatureError (T202) if the window is longer than a frame, or T208 if padding is set without any."""
        if self.win_length is not None and self.win_length > self.n_fft:
            message = f"win_length {self.win_length} exceeds n_fft {self.n_fft}"
            hint = f"write `win_length: {self.n_fft}`, or leave it out"
            raise SignatureError(message, code="T202", field="win_length", hint=hint)
        if not self.center and self.pad_mode != "reflect":
            hint = "remove it, or write `center: true`"
            raise SignatureError("pad_mode requires center", code="T208", field="pad_mode", hint=hint)


@component("mel_filter_bank", "x")
class MelFilterBank(Component):
    """y[b, m, i] = Σₖ W[m, k]·x[b, k, i], W[m] a triangle between two frequencies, at equal distances on the mel scale.

    Triangle m rises from 0 at mel point m to 1 at point m + 1 and falls to 0 at point m + 2, the points going from
    f_min to f_max. With log, y = log(max(y, floor)), and with dynamic_range, y = max(y, maximum of the sample −
    dynamic_range). x, for example the power of `stft`: [batch, frequencies, frames], the frequencies from 0 to
    sample_rate / 2 → y: [batch, n_mels, frames]. Stevens, Volkmann, Newman 1937, doi:10.1121/1.1915893; as in Whisper:
    Radford et al. 2022, arXiv:2212.04356.
    """

    n_mels: Annotated[Size, "the number of filters"]
    sample_rate: Annotated[float, Range(minimum=1.0), "samples per second of the waveform"] = 16000.0
    f_min: Annotated[float, Range(minimum=0.0), "the frequency at which the first filter begins"] = 0.0
    f_max: Annotated[float | None, "the frequency at which the last one ends; by default sample_rate / 2"] = None
    mel_scale: Annotated[
        Literal["htk", "slaney"], "2595·log₁₀(1 + f / 700), or linear below 1000 Hz and logarithmic above"
    ] = "htk"
    norm: Annotated[Literal["none", "slaney"], "slaney divides each filter by half of its width in Hz"] = "none"
    log: Annotated[Literal["none", "log", "log10"], "the logarithm of y: none, natural, or to the base 10"] = "none"
    floor: Annotated[float, Range(minimum=1e-37), "the least number to take the logarithm of"] = 1e-10
    dynamic_range: Annotated[
        float | None, Range(minimum=0.0), "how far y may lie below the maximum of its sample, with log"
    ] = None

    mixes = ("compares all entries of a sample with the loudest one", "remove dynamic_range")

    def pointwise_axes(self, x: TensorType) -> tuple[Axes, ...]:
        """Return the batch, and the frames unless the maximum of the sample counts."""
        return ({0: (0,)} if self.dynamic_range is not None else {0: (0,), 2: (2,)},)

    def signature(self, x: TensorType) -> Signature:
        """Return the type with mel frequencies on axis 1."""
        require_float(x)
        require_layout(x, "[batch, frequencies, frames]")
        frequencies = fixed(x.shape[1], "the frequency axis", port="x")
        if frequencies < 2:
            raise SignatureError(f"expects two frequencies or more on axis 1, got {x}", port="x")

        self._require_range()
        if self.log == "none" and self.dynamic_range is not None:
            hint = "remove it, or write `log: log10`"
            raise SignatureError("dynamic_range requires log", code="T208", field="dynamic_range", hint=hint)

        y = x.with_shape(x.shape[0], self.n_mels, x.shape[2])
        return Signature((y,), flops=2 * product(y.shape) * frequencies)

    def construction(self, x: TensorType) -> ConstructorCall[nn.Module]:
        """Return the product with the filters as a module."""
        from stackc.modules.signal import MelFilterBank

        return construct(
            MelFilterBank,
            fixed(x.shape[1], "the frequency axis", port="x"),
            self.n_mels,
            self.sample_rate,
            self.f_min,
            self._f_max,
            mel_scale=self.mel_scale,
            norm=self.norm,
            log=self.log,
            floor=self.floor,
            dynamic_range=self.dynamic_range,
        )

    @property
    def _f_max(self) -> float:
        return self.sample_rate / 2 if self.f_max is None else self.f_max

    def _require_range(self) -> None:
        """Raise SignatureError (T202) unless the filters span frequencies that x has."""
        if self._f_max > self.sample_rate / 2:
            message = f"f_max {self._f_max:g} exceeds {self.sample_rate / 2:g}, half of sample_rate: x ends there"
            hint = f"write `f_max: {self.sample_rate / 2:g}`, or leave it out"
            raise SignatureError(message, code="T202", field="f_max", hint=hint)
        if self.f_min >= self._f_max:
            message = f"f_min {self.f_min:g} must be below {self._f_max:g}, where the last filter ends"
            raise SignatureError(message, code="T202", field="f_min")


def _frames(samples: Dim, frame_length: int, hop_length: int) -> Dim:
    """Return the number of whole frames."""
    return (samples - frame_length) // hop_length + 1
