"""Normalization of parameters: the one that is used is made of the one that is trained and stored.

They train through torch.nn.utils.parametrize and are folded at export.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from stackc.components.base import Misfit, axis_of
from stackc.types import TensorType

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True, slots=True)
class Reparam:
    """What a parameter is made of another one by; the original is what is trained and stored."""

    def check(self, parameter: TensorType) -> None:
        """Raise `Misfit` where a parameter of this type cannot be normalized so."""

    def parametrization(self) -> nn.Module:
        """A module from the original tensor to the one that is used, for `register_parametrization`."""
        raise NotImplementedError(type(self).__name__)


@dataclass(frozen=True, slots=True)
class Standardize(Reparam):
    """ŵ = (w − mean(w)) / (std(w) + eps), over all axes, or over `axes` with the others kept apart.

    std is that of the population, √(mean((w − mean(w))²)). The article's normalization of parameters (its section 4.1);
    over all axes but the first it is weight standardization, Qiao et al. 2019, arXiv:1903.10520.
    """

    axes: tuple[int, ...] | None = None
    eps: float = 1e-5

    def check(self, parameter: TensorType) -> None:
        """Each axis has to exist, and to be named once."""
        counted = [axis_of(axis, parameter, field="axes") for axis in self.axes or ()]
        if len(set(counted)) < len(counted):
            raise Misfit(f"axes {list(self.axes or ())} name an axis of {parameter} twice", field="axes")

    def parametrization(self) -> nn.Module:
        """The standardization as a module without parameters."""
        from stackc.modules.reparam import Standardized

        return Standardized(self.axes, self.eps)


@dataclass(frozen=True, slots=True)
class MinMax(Reparam):
    """ŵ = low + (high − low)·(w − min(w)) / (max(w) − min(w)): the parameter scaled to [low, high].

    A parameter whose elements are all equal becomes `low`. The article's other normalization of parameters, to a
    range such as [0, 1] or [−1, 1] (its section 4.2).
    """

    low: float = -1.0
    high: float = 1.0

    def check(self, parameter: TensorType) -> None:
        """The range has to be one."""
        if self.low >= self.high:
            raise Misfit(f"minmax [{self.low:g}, {self.high:g}] has to go from the lower to the higher end")

    def parametrization(self) -> nn.Module:
        """The scaling as a module without parameters."""
        from stackc.modules.reparam import MinMaxScaled

        return MinMaxScaled(self.low, self.high)
