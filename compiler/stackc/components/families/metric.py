"""Metrics, for the graph under `train:` alone; every loss is a metric too."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from stackc.components.axes import Axes
from stackc.components.base import Signature, SignatureError, axis_of
from stackc.components.construction import ConstructorCall, construct
from stackc.components.fields import Size
from stackc.components.losses import (
    OUTPUTS,
    ClassAxis,
    IgnoreIndex,
    Loss,
    beside_classes,
    classes_of,
    first_axes,
    means_of,
)
from stackc.components.registry import component
from stackc.core.types import Dim, TensorType

if TYPE_CHECKING:
    from torch import nn


@component("accuracy", "x", "target", outputs=OUTPUTS)
class Accuracy(Loss):
    """y = the share of targets that are among the k largest of x. A metric: it has no gradient.

    x: [batch, classes, ...], target: [batch, ...] → y: a number.
    """

    axis: ClassAxis = 1
    k: Annotated[Size, "how many of the largest are searched for the target"] = 1
    ignore_index: IgnoreIndex = -100

    mixes = ("takes the axis for that of the classes", "`axis` is the axis of the classes")

    def term_axes(self, x: TensorType, target: TensorType) -> tuple[Axes, ...]:
        """Return every axis but that of the classes."""
        return beside_classes(x, self.axis), first_axes(target.rank)

    def signature(self, x: TensorType, target: TensorType) -> Signature:
        """Return two numbers."""
        if self.k > (classes := classes_of(x, target, self.axis)):
            raise SignatureError(f"k {self.k} is more than the {classes} classes", field="k")
        return means_of(x)

    def index_bounds(self, x: TensorType, target: TensorType) -> dict[str, Dim]:
        """Return the number of classes, which targets are below."""
        return {"target": x.shape[axis_of(self.axis, x)]}

    def construction(self, x: TensorType, target: TensorType) -> ConstructorCall[nn.Module]:
        """Return the accuracy as a module."""
        from stackc.modules.loss import Accuracy

        return construct(Accuracy, self.axis, self.k, self.ignore_index)
