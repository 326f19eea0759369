"""Reparametrizations: a parameter computed from the tensors that are trained and stored, such as weight_norm.

They train through torch.nn.utils.parametrize and are folded at export.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from stackc.components.base import SignatureError, axis_of
from stackc.components.construction import ConstructorCall, construct
from stackc.core.types import Dim, TensorType, product

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True, slots=True)
class Reparam:
    """How a parameter is computed from others, the originals, which are trained and stored in its place.

    Those that are `frozen` are stored and not trained.
    """

    frozen: ClassVar[tuple[str, ...]] = ()

    def check(self, parameter: TensorType) -> None:
        """Raise SignatureError if a parameter of this type cannot be normalized in this way."""

    def originals(self, parameter: TensorType) -> Mapping[str, TensorType]:
        """Return the tensors that are trained in place of a parameter of this type, under PyTorch's names."""
        return {"original": parameter}

    def buffers(self, parameter: TensorType) -> Mapping[str, TensorType]:
        """Return the tensors that are stored in addition but not trained, under PyTorch's names."""
        return {}

    def construction(self) -> ConstructorCall[nn.Module]:
        """Return the constructor call of `parametrization`."""
        raise NotImplementedError(type(self).__name__)

    def parametrization(self) -> nn.Module:
        """Construct the module that maps the originals to the parameter, for `register_parametrization`."""
        return self.construction().build()


@dataclass(frozen=True, slots=True)
class Standardize(Reparam):
    """ŵ = (w − mean(w)) / (std(w) + eps), over all axes, or only over `axes`.

    std is the population's, √(mean((w − mean(w))²)). The article's normalization of parameters (its section 4.1);
    over all axes but the first it is weight standardization, Qiao et al. 2019, arXiv:1903.10520.
    """

    axes: tuple[int, ...] | None = None
    eps: float = 1e-5

    def check(self, parameter: TensorType) -> None:
        """Raise SignatureError unless each axis exists and is named once."""
        counted = [axis_of(axis, parameter, field="axes") for axis in self.axes or ()]
        if len(set(counted)) < len(counted):
            raise SignatureError(f"axes {list(self.axes or ())} names an axis of {parameter} twice", field="axes")

    def construction(self) -> ConstructorCall[nn.Module]:
        """Return the standardization as a module without parameters."""
        from stackc.modules.reparam import Standardized

        return construct(Standardized, self.axes, self.eps)


@dataclass(frozen=True, slots=True)
class MinMax(Reparam):
    """ŵ = low + (high − low)·(w − min(w)) / (max(w) − min(w)): the parameter scaled to [low, high].

    A parameter whose elements are all equal becomes `low`. The article's other normalization of parameters, to a
    range such as [0, 1] or [−1, 1] (its section 4.2).
    """

    low: float = -1.0
    high: float = 1.0

    def check(self, parameter: TensorType) -> None:
        """Raise SignatureError if the range is empty."""
        if self.low >= self.high:
            raise SignatureError(f"minmax [{self.low:g}, {self.high:g}] must give the lower end first")

    def construction(self) -> ConstructorCall[nn.Module]:
        """Return the scaling as a module without parameters."""
        from stackc.modules.reparam import MinMaxScaled

        return construct(MinMaxScaled, self.low, self.high)


@dataclass(frozen=True, slots=True)
class WeightNorm(Reparam):
    """ŵ = g · v / ‖v‖₂, the norm over all axes but one: lengths g and directions v are learned separately.

    The state is that of torch.nn.utils.parametrizations.weight_norm: original0 is g, original1 is v.
    Salimans, Kingma 2016, arXiv:1602.07868.
    """

    axis: int = 0

    def check(self, parameter: TensorType) -> None:
        """Raise SignatureError unless the axis exists."""
        axis_of(self.axis, parameter)

    def originals(self, parameter: TensorType) -> Mapping[str, TensorType]:
        """Return lengths [1, …, n, …, 1], one for each entry of the axis, and directions in the parameter's shape."""
        axis = axis_of(self.axis, parameter)
        lengths = (size if i == axis else 1 for i, size in enumerate(parameter.shape))
        return {"original0": parameter.with_shape(*lengths), "original1": parameter}

    def construction(self) -> ConstructorCall[nn.Module]:
        """Return the product of lengths and directions as a module without parameters."""
        from stackc.modules.reparam import WeightNormed

        return construct(WeightNormed, self.axis)


@dataclass(frozen=True, slots=True)
class SpectralNorm(Reparam):
    """ŵ = w / σ(w) with σ the largest singular value of w as a matrix: `axis` by all other axes.

    σ = uᵀ·w·v, where u and v are stored with w and updated by power iterations in training. The state is that of
    torch.nn.utils.parametrizations.spectral_norm. Miyato et al. 2018, arXiv:1802.05957.
    """

    axis: int = 0
    iterations: int = 1
    eps: float = 1e-12

    def check(self, parameter: TensorType) -> None:
        """Raise SignatureError unless the axis exists and the parameter has at least two axes."""
        axis_of(self.axis, parameter)
        if parameter.rank < 2:
            raise SignatureError(f"spectral_norm expects a matrix, got {parameter}")

    def buffers(self, parameter: TensorType) -> Mapping[str, TensorType]:
        """Return the singular vectors: u of the axis, v of all other axes."""
        axis = axis_of(self.axis, parameter)
        others = product(size for i, size in enumerate(parameter.shape) if i != axis)
        return {"0._u": parameter.with_shape(parameter.shape[axis]), "0._v": parameter.with_shape(others)}

    def construction(self) -> ConstructorCall[nn.Module]:
        """Return the division as a module whose buffers take their sizes from the first parameter that it gets."""
        from stackc.modules.reparam import SpectralNormed

        return construct(SpectralNormed, self.axis, self.iterations, self.eps)


@dataclass(frozen=True, slots=True)
class Lora(Reparam):
    """ŵ = w + (alpha / rank) · B·A: low-rank adaptation, in which w stays and A [rank, n], B [m, rank] are trained.

    w is taken as a matrix [m, n]: its first axis by all others. B is 0 at first. `alpha` is the rank by default. The
    tensors are those of peft, Hugging Face. Hu et al. 2021, arXiv:2106.09685.
    """

    rank: int
    alpha: float | None = None

    frozen: ClassVar[tuple[str, ...]] = ("original",)

    def check(self, parameter: TensorType) -> None:
        """Raise SignatureError unless the parameter is a matrix, of a larger rank than that of the adaptation."""
        if parameter.rank < 2:
            raise SignatureError(f"lora expects a matrix, got {parameter}")
        sizes = [size.constant for size in self._matrix(parameter)]
        if any(size is not None and self.rank > size for size in sizes):
            raise SignatureError(f"the rank {self.rank} of lora is beyond that of {parameter}")

    def originals(self, parameter: TensorType) -> Mapping[str, TensorType]:
        """Return the parameter itself, and the two factors of what is added."""
        rows, columns = self._matrix(parameter)
        first, second = parameter.with_shape(self.rank, columns), parameter.with_shape(rows, self.rank)
        return {"original": parameter, LORA_A: first, LORA_B: second}

    def construction(self) -> ConstructorCall[nn.Module]:
        """Return the sum as a module whose factors take their sizes from the first parameter that it gets."""
        from stackc.modules.reparam import LowRankAdapted

        return construct(LowRankAdapted, self.rank, self.alpha)

    def _matrix(self, parameter: TensorType) -> tuple[Dim, Dim]:
        first, *others = parameter.shape
        return first, product(others)


LORA_A, LORA_B = "0.lora_A", "0.lora_B"
"""The factors of a low-rank adaptation, below the name of its parameter."""

REPARAMS: Mapping[str, type[Reparam]] = {
    "standardize": Standardize,
    "minmax": MinMax,
    "weight_norm": WeightNorm,
    "spectral_norm": SpectralNorm,
    "lora": Lora,
}
"""The names that `reparam:` accepts."""
