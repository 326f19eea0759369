"""Several tensors combined into one."""

from functools import reduce

import torch
from torch import Tensor, nn


class Add(nn.Module):
    """The sum of its inputs."""

    def forward(self, *x: Tensor) -> Tensor:
        """x₁ + x₂ + … + x_N."""
        return reduce(torch.add, x)


class Mul(nn.Module):
    """The elementwise product of its inputs."""

    def forward(self, *x: Tensor) -> Tensor:
        """x₁ · x₂ · … · x_N."""
        return reduce(torch.mul, x)


class Mean(nn.Module):
    """The mean of its inputs."""

    def forward(self, *x: Tensor) -> Tensor:
        """(x₁ + x₂ + … + x_N) / N."""
        return reduce(torch.add, x) / len(x)


class WeightedSum(nn.Module):
    """A learned mix of its inputs, the scalar mix of ELMo; it starts as their mean."""

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(inputs))
        self.gamma = nn.Parameter(torch.ones(()))

    def forward(self, *x: Tensor) -> Tensor:
        """γ · Σᵢ softmax(weight)ᵢ · xᵢ."""
        weights = self.gamma * torch.softmax(self.weight, dim=0)  # [inputs]
        return reduce(torch.add, (weights[i] * value for i, value in enumerate(x)))


class GatedSum(nn.Module):
    """A mix of its branches, weighted by a gate at each position."""

    def __init__(self, features: int, branches: int, bias: bool = True) -> None:
        super().__init__()
        self.gate = nn.Linear(features, branches, bias)

    def forward(self, x: Tensor, *branch: Tensor) -> Tensor:
        """x [..., features], branches [..., n] → Σᵢ softmax(gate(x))ᵢ · branchᵢ."""
        shares = torch.softmax(self.gate(x), dim=-1).unbind(-1)  # [...] for each branch
        return reduce(torch.add, (share.unsqueeze(-1) * y for share, y in zip(shares, branch, strict=True)))


class Concat(nn.Module):
    """The concatenation of its inputs along an axis."""

    def __init__(self, axis: int = -1) -> None:
        super().__init__()
        self.axis = axis

    def forward(self, *x: Tensor) -> Tensor:
        """Inputs [..., nᵢ, ...] → [..., Σ nᵢ, ...]."""
        return torch.cat(x, dim=self.axis)
