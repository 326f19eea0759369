"""How many places a sliding window has along an axis: what convolutions and pooling share."""

from __future__ import annotations

from collections.abc import Sequence

from stackc.components.base import Limit, SignatureError
from stackc.components.fields import Natural, Size
from stackc.core.types import Dim, TensorType

Sizes = Size | tuple[Size, ...]
"""A size for all axes that a window slides along, or one for each of them."""

Naturals = Natural | tuple[Natural, ...]
"""The same of numbers from 0 up."""

AXES = {3: ("length",), 4: ("height", "width"), 5: ("depth", "height", "width")}
"""The names of the axes that a window slides along, by the rank of the tensor."""


def require_channels_first(x: TensorType, rank: int) -> None:
    """A SignatureError unless the tensor has the rank of a batch of sequences (3), images (4) or volumes (5)."""
    if x.rank != rank:
        layout = ", ".join(("batch", "channels", *AXES[rank]))
        raise SignatureError(f"needs [{layout}], and gets {x}", port="x")


def per_axis(value: int | tuple[int, ...], x: TensorType, field: str) -> tuple[int, ...]:
    """One number for each axis that a window slides along; a SignatureError where a list has more or fewer."""
    axes = AXES[x.rank]
    if isinstance(value, int):
        return (value,) * len(axes)
    if len(value) != len(axes):
        named = " and ".join(filter(None, [", ".join(axes[:-1]), axes[-1]]))
        there = f"{len(axes)} axes to slide along, {named}" if len(axes) > 1 else f"one, {named}"
        raise SignatureError(
            f"{field} {list(value)} has a number for each of {len(value)} axes, and x has {there}", field=field
        )
    return value


def pair(value: int | tuple[int, ...], x: TensorType, field: str) -> tuple[int, int]:
    """`per_axis` of an image: height, then width."""
    height, width = per_axis(value, x, field)
    return height, width


def plain(value: int | tuple[int, ...], x: TensorType, field: str) -> int | tuple[int, int]:
    """`pair`, as one number where both are the same."""
    height, width = pair(value, x, field)
    return height if height == width else (height, width)


def triple(value: int | tuple[int, ...], x: TensorType, field: str) -> int | tuple[int, int, int]:
    """`per_axis` of a volume: depth, height and width, as one number where all are the same."""
    depth, height, width = per_axis(value, x, field)
    return depth if depth == height == width else (depth, height, width)


def places(
    x: TensorType, span: Sequence[int], stride: Sequence[int], padding: Sequence[int], *, ceil: bool = False
) -> tuple[Dim, ...]:
    """floor((size + 2·padding − span) / stride) + 1 for each axis that a window of `span` positions slides along.

    With `ceil` it is rounded up instead, for a last window that is not full. A SignatureError where the window is longer than
    an axis whose size is a number.
    """
    sizes = x.shape[2:]
    for name, size, window, margin in zip(AXES[x.rank], sizes, span, padding, strict=True):
        if size.constant is not None and size.constant + 2 * margin < window:
            raise SignatureError(f"a window of {window} is longer than the {name} of {x} with its padding", port="x")
    steps = zip(sizes, span, stride, padding, strict=True)
    return tuple((size + 2 * margin - window + (step - 1) * ceil) // step + 1 for size, window, step, margin in steps)


def window_limits(x: TensorType, span: Sequence[int], padding: Sequence[int]) -> tuple[Limit, ...]:
    """The demand on every size that the window fits in once."""
    windows = zip(x.shape[2:], span, padding, strict=True)
    limits = (
        Limit(size, f"its window is {window} long", minimum=window - 2 * margin)
        for size, window, margin in windows
        if size.constant is None
    )
    return tuple(limit for limit in limits if limit.minimum > 1)
