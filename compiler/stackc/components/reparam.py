"""Normalization of parameters: ŵ = (w − μ)/σ. It trains through torch.nn.utils.parametrize and is folded at export."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True, slots=True)
class Reparam:
    """What a parameter is made of another one by; the original is what is trained and stored."""

    def parametrization(self) -> nn.Module:
        """A module from the original tensor to the one that is used, for `register_parametrization`."""
        raise NotImplementedError(type(self).__name__)


@dataclass(frozen=True, slots=True)
class Standardize(Reparam):
    """ŵ = (w − mean(w)) / (std(w) + eps), over all axes, or over `axes` with the others kept apart.

    The article's normalization of parameters (its section 4.1); over all axes but the first it is weight
    standardization, Qiao et al. 2019, arXiv:1903.10520.
    """

    axes: tuple[int, ...] | None = None
    eps: float = 1e-5

    def parametrization(self) -> nn.Module:
        """The standardization as a module without parameters."""
        from stackc.modules.reparam import Standardized

        return Standardized(self.axes, self.eps)
