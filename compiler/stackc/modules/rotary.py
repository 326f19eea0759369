"""Rotary positions, and their scalings for sequences that are longer than those of the training."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


class Rotary(nn.Module):
    """Rotary positions: pairs of the first features of each head, rotated by position times a frequency of the pair."""

    attention_factor = 1.0

    def __init__(self, dim: int, base: float = 10000.0, interleaved: bool = False) -> None:
        super().__init__()
        self.dim = dim
        self.base = base
        self.interleaved = interleaved

    def forward(self, x: Tensor, positions: Tensor | None = None) -> Tensor:
        """x [batch, seq, heads, head_dim], positions [batch or 1, seq], by default 0, 1, … → like x."""
        if positions is None:
            positions = torch.arange(x.shape[1], dtype=x.dtype, device=x.device)
        else:
            positions = positions.to(x.dtype)

        places = positions.dim()
        angles = (positions.unsqueeze(places) * self.rates(positions)).unsqueeze(places)  # [..., seq, 1, dim / 2]
        cos, sin = angles.cos(), angles.sin()
        if self.attention_factor != 1.0:
            cos, sin = cos * self.attention_factor, sin * self.attention_factor

        features, rest = x[..., : self.dim], x[..., self.dim :]
        if self.interleaved:
            first, second = features[..., 0::2], features[..., 1::2]
        else:
            first, second = features.chunk(2, dim=-1)

        rotated = (first * cos - second * sin, second * cos + first * sin)
        y = torch.stack(rotated, dim=-1).flatten(-2) if self.interleaved else torch.cat(rotated, dim=-1)
        return y if self.dim == x.shape[-1] else torch.cat((y, rest), dim=-1)

    def rates(self, positions: Tensor) -> Tensor:
        """Return the frequency of each pair, [dim / 2], in the type of the positions."""
        return positions.new_tensor(self.frequencies())

    def frequencies(self) -> list[float]:
        """Return the radians by which a position turns each pair."""
        return [self.base ** (-2 * k / self.dim) for k in range(self.dim // 2)]


class RotaryOfHeads(nn.Module):
    """Rotary positions of heads that stand before the positions."""

    def __init__(self, rotary: nn.Module) -> None:
        super().__init__()
        self.rotary = rotary

    def forward(self, x: Tensor, positions: Tensor | None = None) -> Tensor:
        """x [batch, heads, seq, head_dim], positions [batch or 1, seq] → like x."""
        y: Tensor = self.rotary(x.transpose(1, 2), positions).transpose(1, 2)
        return y


class LinearRotary(Rotary):
    """Linear scaling: positions divided by a factor, as in Chen et al. 2023, arXiv:2306.15595."""

    def __init__(self, dim: int, base: float = 10000.0, interleaved: bool = False, *, factor: float) -> None:
        super().__init__(dim, base, interleaved)
        self.factor = factor

    def frequencies(self) -> list[float]:
        """Return the frequencies, each divided by the factor."""
        return [frequency / self.factor for frequency in super().frequencies()]


class DynamicRotary(Rotary):
    """Dynamic scaling: a base that grows with the length of the sequence, past the original one."""

    def __init__(
        self, dim: int, base: float = 10000.0, interleaved: bool = False, *, factor: float, original: int
    ) -> None:
        super().__init__(dim, base, interleaved)
        self.factor = factor
        self.original = original

    def rates(self, positions: Tensor) -> Tensor:
        """Return the frequencies for the length of the sequence, one more than its last position."""
        length = (positions.max() + 1).clamp(min=self.original)
        growth = self.factor * length / self.original - (self.factor - 1)
        base = self.base * growth ** (self.dim / (self.dim - 2))
        exponents = positions.new_tensor([-2 * k / self.dim for k in range(self.dim // 2)])
        return base**exponents


class Llama3Rotary(Rotary):
    """Scaling of Llama 3.1: long waves are stretched by a factor, short ones stay, between them it is interpolated."""

    def __init__(
        self,
        dim: int,
        base: float = 10000.0,
        interleaved: bool = False,
        *,
        factor: float,
        original: int,
        low_freq_factor: float = 1.0,
        high_freq_factor: float = 4.0,
    ) -> None:
        super().__init__(dim, base, interleaved)
        self.factor = factor
        self.original = original
        self.low_freq_factor = low_freq_factor
        self.high_freq_factor = high_freq_factor

    def frequencies(self) -> list[float]:
        """Return the frequencies, each scaled by how often its wave fits into the original length."""
        scaled = []
        for frequency in super().frequencies():
            waves = self.original * frequency / (2 * math.pi)
            kept = (waves - self.low_freq_factor) / (self.high_freq_factor - self.low_freq_factor)
            kept = min(max(kept, 0.0), 1.0)
            scaled.append((1 - kept) * frequency / self.factor + kept * frequency)
        return scaled


class YarnRotary(Rotary):
    """YaRN: slow pairs interpolated, fast ones kept, and a factor of the scores; Peng et al. 2023, arXiv:2309.00071."""

    def __init__(
        self,
        dim: int,
        base: float = 10000.0,
        interleaved: bool = False,
        *,
        factor: float,
        original: int,
        attention_factor: float = 1.0,
        beta_fast: float = 32.0,
        beta_slow: float = 1.0,
        truncate: bool = True,
    ) -> None:
        super().__init__(dim, base, interleaved)

        self.factor = factor
        self.original = original
        self.attention_factor = attention_factor
        self.beta_fast = beta_fast
        self.beta_slow = beta_slow
        self.truncate = truncate

    def frequencies(self) -> list[float]:
        """Return the frequencies, interpolated in proportion to a ramp over the pairs."""
        low, high = self.pair_of(self.beta_fast), self.pair_of(self.beta_slow)
        if self.truncate:
            low, high = math.floor(low), math.ceil(high)
        low, high = max(low, 0), min(high, self.dim - 1)
        width = high - low or 0.001

        scaled = []
        for k, frequency in enumerate(super().frequencies()):
            interpolated = min(max((k - low) / width, 0.0), 1.0)
            scaled.append(interpolated * frequency / self.factor + (1 - interpolated) * frequency)
        return scaled

    def pair_of(self, rotations: float) -> float:
        """Return the number of the pair that rotates so often in the original length, with a fraction."""
        return self.dim * math.log(self.original / (rotations * 2 * math.pi)) / (2 * math.log(self.base))
