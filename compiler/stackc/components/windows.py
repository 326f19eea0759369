"""Sliding windows, shared by convolutions and pooling: sizes per axis, and the number of positions along each axis."""

from __future__ import annotations

from collections.abc import Sequence

from stackc.components.base import Limit, SignatureError
from stackc.components.fields import Natural, Size
from stackc.core.types import Dim, TensorType

Sizes = Size | tuple[Size, ...]
"""One size for all axes that a window slides along, or one for each of them."""

Naturals = Natural | tuple[Natural, ...]
"""The same for numbers from 0 up."""

Margins = tuple[tuple[int, int], ...]
"""The entries added before and after each axis that a window slides along."""

AXES = {3: ("length",), 4: ("height", "width"), 5: ("depth", "height", "width")}
"""The names of the axes that a window slides along, by the rank of the tensor."""


def require_channels_first(x: TensorType, rank: int) -> None:
    """Raise SignatureError unless the tensor has the rank of a batch of sequences (3), images (4) or volumes (5)."""
    if x.rank != rank:
        layout = ", ".join(("batch", "channels", *AXES[rank]))
        raise SignatureError(f"expects [{layout}], got {x}", port="x")


def per_axis(value: int | tuple[int, ...], x: TensorType, field: str) -> tuple[int, ...]:
    """Return one number for each axis that a window slides along. Raises SignatureError if a list has more or fewer."""
    axes = AXES[x.rank]
    if isinstance(value, int):
        return (value,) * len(axes)

    if len(value) != len(axes):
        names = " and ".join(filter(None, [", ".join(axes[:-1]), axes[-1]]))
        numbers = "1 number" if len(value) == 1 else f"{len(value)} numbers"
        needed = "1 axis" if len(axes) == 1 else f"{len(axes)} axes"
        raise SignatureError(
            f"{field} {list(value)} has {numbers}, but x has {needed} to slide along, {names}", field=field
        )
    return value


def pair(value: int | tuple[int, ...], x: TensorType, field: str) -> tuple[int, int]:
    """Return `per_axis` of an image: height, then width."""
    height, width = per_axis(value, x, field)
    return height, width


def plain(value: int | tuple[int, ...], x: TensorType, field: str) -> int | tuple[int, int]:
    """Return `pair`, as one number if both are equal."""
    height, width = pair(value, x, field)
    return height if height == width else (height, width)


def brief(numbers: Sequence[int]) -> int | tuple[int, ...]:
    """Return one number for each axis as one number if all are equal."""
    return numbers[0] if len(set(numbers)) == 1 else tuple(numbers)


def output_sizes(
    x: TensorType, span: Sequence[int], stride: Sequence[int], margins: Margins, *, ceil: bool = False
) -> tuple[Dim, ...]:
    """Return floor((before + size + after − span) / stride) + 1 for each axis that a window of `span` slides along.

    `ceil` rounds up instead, for a partial last window. Raises SignatureError if the window is longer than an axis of
    constant size.
    """
    sizes = x.shape[2:]
    for name, size, window, margin in zip(AXES[x.rank], sizes, span, margins, strict=True):
        if size.constant is not None and size.constant + sum(margin) < window:
            raise SignatureError(f"a window of {window} is longer than the {name} of {x} with its padding", port="x")

    steps = zip(sizes, span, stride, margins, strict=True)
    return tuple((size + sum(margin) - window + (step - 1) * ceil) // step + 1 for size, window, step, margin in steps)


def largest_span(kernel: Sizes, dilation: Sizes = 1) -> int:
    """Return dilation·(kernel − 1) + 1, the largest of any axis."""
    kernels, dilations = (value if isinstance(value, tuple) else (value,) for value in (kernel, dilation))
    return max(dilations) * (max(kernels) - 1) + 1


def window_limits(x: TensorType, span: Sequence[int], margins: Margins) -> tuple[Limit, ...]:
    """Return the limits by which every axis is at least as long as the window."""
    windows = zip(x.shape[2:], span, margins, strict=True)
    limits = (
        Limit(size, f"its window is {window} long", minimum=window - sum(margin))
        for size, window, margin in windows
        if size.constant is None
    )
    return tuple(limit for limit in limits if limit.minimum > 1)
