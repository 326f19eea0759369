"""Mixtures of experts: the choice of a gate, and the sum over those that it chooses."""

from collections.abc import Callable
from functools import reduce

import torch
from torch import Tensor, nn


class TopKMask(nn.Module):
    """The k largest entries of the last axis, as a mask."""

    def __init__(self, k: int) -> None:
        super().__init__()
        self.k = k

    def forward(self, x: Tensor) -> Tensor:
        """[..., n] → bool [..., n]."""
        return _mask(x, x.argsort(dim=-1, descending=True, stable=True)[..., : self.k])

    def export_forward(self, opset: int, target: str) -> Callable[[Tensor], Tensor]:
        """Return the same by TopK, which in ONNX takes the first of equal entries; torch.topk takes any of them."""
        return lambda x: _mask(x, x.topk(self.k, dim=-1).indices)


def _mask(x: Tensor, chosen: Tensor) -> Tensor:
    """Return booleans of the shape of x, true at the indices `chosen` [..., k]."""
    return torch.zeros_like(x).scatter(-1, chosen, 1.0) > 0


class RoutedSum(nn.Module):
    """A mix of its branches, weighted by the softmax of their scores, without those whose mask is false."""

    def __init__(self, renormalize: bool = True) -> None:
        super().__init__()
        self.renormalize = renormalize

    def forward(self, x: Tensor, mask: Tensor, *branch: Tensor) -> Tensor:
        """Scores and mask [..., branches], branches [..., n] → Σᵢ softmax(x)ᵢ · branchᵢ."""
        if self.renormalize:
            x = x.masked_fill(~mask, torch.finfo(x.dtype).min / 2)
        shares = torch.softmax(x, dim=-1) * mask  # [..., branches]
        weights = (share.unsqueeze(-1) for share in shares.unbind(-1))  # [..., 1] for each branch
        return reduce(torch.add, (weight * y for weight, y in zip(weights, branch, strict=True)))
