"""Activations that are straight on either side of a threshold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from stackc.components.construction import ConstructorCall, construct
from stackc.components.families.activation import Elementwise
from stackc.components.fields import Range
from stackc.components.registry import component
from stackc.core.types import TensorType

if TYPE_CHECKING:
    from torch import nn


@component("hardsigmoid", "x")
class Hardsigmoid(Elementwise):
    """y = min(max(x + 3, 0), 6) / 6.

    x: [...] → y: the same. Courbariaux, Bengio, David 2015, arXiv:1511.00363, with the slope of 1/6 of MobileNetV3:
    Howard et al. 2019, arXiv:1905.02244.
    """

    def construction(self, x: TensorType) -> ConstructorCall[nn.Module]:
        """Return torch.nn.Hardsigmoid."""
        from torch import nn

        return construct(nn.Hardsigmoid)


@component("hardshrink", "x")
class Hardshrink(Elementwise):
    """y = x if |x| > threshold, else 0.

    x: [...] → y: the same. Donoho, Johnstone 1994, Biometrika 81.
    """

    threshold: Annotated[float, Range(minimum=0.0), "numbers up to this size become 0"] = 0.5

    def construction(self, x: TensorType) -> ConstructorCall[nn.Module]:
        """Return torch.nn.Hardshrink."""
        from torch import nn

        return construct(nn.Hardshrink, self.threshold)


@component("softshrink", "x")
class Softshrink(Elementwise):
    """y = x − threshold if x > threshold, x + threshold if x < −threshold, else 0.

    x: [...] → y: the same. Donoho, Johnstone 1994, Biometrika 81.
    """

    threshold: Annotated[float, Range(minimum=0.0), "how much nearer to 0 numbers move"] = 0.5

    def construction(self, x: TensorType) -> ConstructorCall[nn.Module]:
        """Return torch.nn.Softshrink."""
        from torch import nn

        return construct(nn.Softshrink, self.threshold)


@component("threshold", "x")
class Threshold(Elementwise):
    """y = x if x > threshold, else value.

    x: [...] → y: the same. With a value of 0: Konda, Memisevic, Krueger 2014, arXiv:1402.3337.
    """

    threshold: Annotated[float, "numbers above it stay as they are"] = 1.0
    value: Annotated[float, "what all others become"] = 0.0

    def construction(self, x: TensorType) -> ConstructorCall[nn.Module]:
        """Return torch.nn.Threshold."""
        from torch import nn

        return construct(nn.Threshold, self.threshold, self.value)
