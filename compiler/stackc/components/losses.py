"""What losses and metrics share: y is a mean over what counts, and a second output is how much that is.

Means over parts of a batch join by their counts: the mean over all is Σ y·count / Σ count.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from stackc.components.along import Along, Followed, Mixes, Reduces, carried
from stackc.components.axes import Axes
from stackc.components.base import (
    Component,
    Port,
    Signature,
    SignatureError,
    axis_of,
    fixed,
    require_float,
    require_integer,
    require_mask,
)
from stackc.components.fields import Range
from stackc.core.types import Dim, TensorType

OUTPUTS = ("y", "count")
MASK = Port("mask", optional=True)

ClassAxis = Annotated[int, "the axis of the classes, counted from 0, or from the end if negative"]
IgnoreIndex = Annotated[int, "targets with this number do not count"]
Positive = Annotated[float, Range(minimum=1e-12)]


@dataclass(frozen=True, kw_only=True)
class Loss(Component):
    """The base class of losses and metrics.

    `mixes_examples` says that it is no mean of what each example has by itself, so that it has no parts.
    """

    is_for_training: ClassVar[bool] = True
    mixes_examples: ClassVar[bool] = False

    def term_axes(self, *inputs: Any) -> tuple[Axes, ...]:
        """Return the axes of each input along which its terms are independent, with their place among the terms."""
        return ({},) * len(inputs)

    def along(self, followed: Followed, *inputs: TensorType | None) -> Along | Mixes:
        """Return that it is a mean over the axis if each of its terms is of one entry."""
        terms = carried(self, followed.axes, self.term_axes(*inputs), outputs=1)
        if isinstance(terms, Mixes) or not any(followed.axes):
            return terms if isinstance(terms, Mixes) else Along(({}, {}))
        _, count = OUTPUTS
        return Along((Reduces("is a mean over the axis", count), Reduces("counts what its mean is over")))


def first_axes(count: int) -> Axes:
    """Return so many leading axes of an input, in the same place among the terms."""
    return {axis: (axis,) for axis in range(count)}


def beside_classes(x: TensorType, axis: int) -> Axes:
    """Return the axes of x but that of the classes, each with that of the target."""
    classes = axis_of(axis, x)
    return {own: (own - (own > classes),) for own in range(x.rank) if own != classes}


def means_of(x: TensorType) -> Signature:
    """Return the signature of a mean and its count."""
    return Signature((x.with_shape(), x.with_shape()))


def pair_of(x: TensorType, target: TensorType, port: str = "target") -> Signature:
    """Return the signature for two inputs of one type. Raises SignatureError if they differ."""
    require_float(x, is_arithmetic=True)
    if target != x:
        hint = f"put `cast` before {port}" if target.shape == x.shape else None
        raise SignatureError(f"expects {port} {x} for {x}, got {target}", port=port, hint=hint)
    return means_of(x)


def require_leading_mask(x: TensorType, mask: TensorType | None, rank: int) -> None:
    """Raise SignatureError unless the mask has the first axes of x, at most `rank` of them."""
    if mask is None:
        return
    require_mask(mask)
    if not 1 <= mask.rank <= rank or mask.shape != x.shape[: mask.rank]:
        raise SignatureError(f"expects a mask of the first axes of {x}, got {mask}", port="mask")


def classes_of(x: TensorType, target: TensorType, axis: int) -> int:
    """Return the number of classes. Raises SignatureError unless the target has the shape of x without their axis."""
    require_float(x)
    require_integer(target, "target")
    place = axis_of(axis, x)
    expected = TensorType(target.dtype, (*x.shape[:place], *x.shape[place + 1 :]))
    if target != expected:
        hint = "`axis` is the axis of the classes" if x.rank > 2 and target.rank == x.rank - 1 else None
        raise SignatureError(f"expects a target {expected} for {x}, got {target}", port="target", hint=hint)
    return fixed(x.shape[place], "the number of classes", port="x")


@dataclass(frozen=True, kw_only=True)
class ClassLoss(Loss):
    """The base class of losses of classes, given as whole numbers."""

    axis: ClassAxis = 1
    ignore_index: IgnoreIndex = -100
    weight: Annotated[tuple[float, ...] | None, Range(minimum=0.0), "how much each class counts"] = None

    mixes = ("takes the axis for that of the classes", "`axis` is the axis of the classes")

    def term_axes(self, x: TensorType, target: TensorType) -> tuple[Axes, ...]:
        """Return every axis but that of the classes."""
        return beside_classes(x, self.axis), first_axes(target.rank)

    def signature(self, x: TensorType, target: TensorType) -> Signature:
        """Return two numbers."""
        classes = classes_of(x, target, self.axis)
        if self.weight is not None and len(self.weight) != classes:
            message = f"expects a weight for each of {classes} classes, got {len(self.weight)}"
            raise SignatureError(message, field="weight")
        return means_of(x)

    def index_bounds(self, x: TensorType, target: TensorType) -> dict[str, Dim]:
        """Return the number of classes, which targets are below."""
        return {"target": x.shape[axis_of(self.axis, x)]}


@dataclass(frozen=True, kw_only=True)
class ElementwiseLoss(Loss):
    """The base class of losses of single elements; a mask of the first axes of x says which of them count."""

    def term_axes(self, x: TensorType, target: TensorType, mask: TensorType | None = None) -> tuple[Axes, ...]:
        """Return every axis."""
        return first_axes(x.rank), first_axes(x.rank), first_axes(mask.rank if mask else 0)

    def signature(self, x: TensorType, target: TensorType, mask: TensorType | None = None) -> Signature:
        """Return two numbers."""
        require_leading_mask(x, mask, x.rank)
        return pair_of(x, target)


@dataclass(frozen=True, kw_only=True)
class RowLoss(Loss):
    """The base class of losses of vectors along the last axis; a mask of the other axes says which of them count."""

    mixes = ("is of vectors along the axis", None)

    def term_axes(self, x: TensorType, target: TensorType, mask: TensorType | None = None) -> tuple[Axes, ...]:
        """Return every axis but that of the vectors."""
        return first_axes(x.rank - 1), first_axes(x.rank - 1), first_axes(mask.rank if mask else 0)

    def signature(self, x: TensorType, target: TensorType, mask: TensorType | None = None) -> Signature:
        """Return two numbers."""
        if x.rank < 2:
            raise SignatureError(f"expects [batch, ..., dim] with at least 2 axes, got {x}", port="x")
        require_leading_mask(x, mask, x.rank - 1)
        return pair_of(x, target)
