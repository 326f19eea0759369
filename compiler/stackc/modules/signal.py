"""Frames, short-time Fourier transforms and mel filters of waveforms."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Frames(nn.Module):
    """Overlapping pieces of a signal."""

    def __init__(self, frame_length: int, hop_length: int) -> None:
        super().__init__()
        self.frame_length = frame_length
        self.hop_length = hop_length

    def forward(self, x: Tensor) -> Tensor:
        """[..., samples] → [..., frames, frame_length]."""
        return x.unfold(-1, self.frame_length, self.hop_length)


class Stft(nn.Module):
    """A short-time Fourier transform: a convolution with the windowed sinusoids of each frequency."""

    def __init__(
        self,
        n_fft: int,
        hop_length: int,
        win_length: int,
        window: str = "hann",
        *,
        center: bool = True,
        pad_mode: str = "reflect",
        output: str = "complex",
    ) -> None:
        super().__init__()
        self.n_fft = n_fft
        self.hop_length = hop_length
        self.win_length = win_length
        self.window = window
        self.center = center
        self.pad_mode = pad_mode
        self.output = output

    def forward(self, x: Tensor) -> Tensor:
        """[batch, samples] → [batch, n_fft // 2 + 1, frames], with real and imaginary part [..., 2] if complex."""
        x = x.unsqueeze(1)
        if self.center:
            x = F.pad(x, (self.n_fft // 2, self.n_fft // 2), mode=self.pad_mode)
        products = F.conv1d(x, self.sinusoids(x), stride=self.hop_length)  # [batch, 2 · frequencies, frames]
        parts: Tensor = products.unflatten(1, [2, self.n_fft // 2 + 1])

        if self.output == "power":
            return parts.square().sum(dim=1)
        return torch.linalg.vector_norm(parts, dim=1) if self.output == "magnitude" else parts.permute(0, 2, 3, 1)

    def sinusoids(self, x: Tensor) -> Tensor:
        """cos(2πkn / n_fft), then −sin, of each frequency k at each sample n, windowed: [2 · frequencies, 1, n_fft]."""
        samples = torch.arange(self.n_fft, device=x.device)
        turns = samples[: self.n_fft // 2 + 1].unsqueeze(1) * samples % self.n_fft  # exact, in whole numbers
        angles = turns.to(torch.float64) * (2 * math.pi / self.n_fft)

        before = (self.n_fft - self.win_length) // 2
        window = F.pad(self.weights(x), (before, self.n_fft - self.win_length - before))
        return (torch.cat((angles.cos(), -angles.sin())) * window).unsqueeze(1).to(x.dtype)

    def weights(self, x: Tensor) -> Tensor:
        """The window [win_length]: one period of a sum of cosines."""
        coefficients = {"hann": (0.5, 0.5), "hamming": (0.54, 0.46), "blackman": (0.42, 0.5, 0.08), "ones": (1.0,)}
        samples = torch.arange(self.win_length, dtype=torch.float64, device=x.device)
        angles = samples * (2 * math.pi / self.win_length)
        terms = [(-1) ** k * a * (k * angles).cos() for k, a in enumerate(coefficients[self.window])]
        return torch.stack(terms).sum(dim=0)


class MelFilterBank(nn.Module):
    """Triangular filters at equal distances on the mel scale, and the logarithm of what they let through."""

    def __init__(
        self,
        bins: int,
        n_mels: int,
        sample_rate: float,
        f_min: float,
        f_max: float,
        *,
        mel_scale: str = "htk",
        norm: str = "none",
        log: str = "none",
        floor: float = 1e-10,
        dynamic_range: float | None = None,
    ) -> None:
        super().__init__()

        # the filters
        self.bins = bins
        self.n_mels = n_mels
        self.sample_rate = sample_rate
        self.f_min = f_min
        self.f_max = f_max
        self.mel_scale = mel_scale
        self.norm = norm

        # the logarithm
        self.log = log
        self.floor = floor
        self.dynamic_range = dynamic_range

    def forward(self, x: Tensor) -> Tensor:
        """[batch, frequencies, frames] → [batch, n_mels, frames]."""
        y = self.filters(x) @ x
        if self.log == "none":
            return y
        y = y.clamp(min=self.floor)
        y = y.log() if self.log == "log" else y.log10()
        if self.dynamic_range is None:
            return y
        return torch.maximum(y, y.amax(dim=(1, 2), keepdim=True) - self.dynamic_range)

    def filters(self, x: Tensor) -> Tensor:
        """[n_mels, frequencies], as x: each rises from the center of the one before and falls to that of the next."""
        low, high = hertz_to_mel(self.f_min, self.mel_scale), hertz_to_mel(self.f_max, self.mel_scale)
        step = (high - low) / (self.n_mels + 1)
        edges = [mel_to_hertz(low + step * i, self.mel_scale) for i in range(self.n_mels + 2)]
        points = x.new_tensor(edges, dtype=torch.float64)
        frequencies = torch.arange(self.bins, dtype=torch.float64, device=x.device)
        frequencies = frequencies * (self.sample_rate / 2 / (self.bins - 1))

        distances = points.unsqueeze(1) - frequencies  # [n_mels + 2, frequencies]
        widths = (points[1:] - points[:-1]).unsqueeze(1)
        triangles = torch.minimum(-distances[:-2] / widths[:-1], distances[2:] / widths[1:]).clamp(min=0)
        if self.norm == "slaney":
            triangles = triangles * (2 / (points[2:] - points[:-2])).unsqueeze(1)
        return triangles.to(x.dtype)


LINEAR_BELOW = 1000.0
MELS_BELOW = 15.0
LOG_STEP = math.log(6.4) / 27
"""Slaney's scale: 3 mel per 200 Hz up to 1000 Hz, then 27 mel for each factor of 6.4."""


def hertz_to_mel(frequency: float, scale: str) -> float:
    """Return a frequency on the scale of HTK or of Slaney's Auditory Toolbox."""
    if scale == "htk":
        return 2595.0 * math.log10(1.0 + frequency / 700.0)
    if frequency < LINEAR_BELOW:
        return 3.0 * frequency / 200.0
    return MELS_BELOW + math.log(frequency / LINEAR_BELOW) / LOG_STEP


def mel_to_hertz(mels: float, scale: str) -> float:
    """Return the frequency at a place of the scale."""
    if scale == "htk":
        return 700.0 * (math.pow(10.0, mels / 2595.0) - 1.0)
    if mels < MELS_BELOW:
        return 200.0 * mels / 3.0
    return LINEAR_BELOW * math.exp(LOG_STEP * (mels - MELS_BELOW))
