"""How many places a sliding window has along an axis: what convolutions and pooling share."""

from __future__ import annotations

from stackc.components.base import Limit, Misfit
from stackc.types import Dim, TensorType

AXES = {3: ("length",), 4: ("height", "width")}
"""The names of the axes that a window slides along, by the rank of the tensor."""


def require_channels_first(x: TensorType, rank: int) -> None:
    """A Misfit unless the tensor has the rank of a batch of sequences (3) or images (4), channels first."""
    if x.rank != rank:
        layout = ", ".join(("batch", "channels", *AXES[rank]))
        raise Misfit(f"needs [{layout}], and gets {x}", port="x")


def places(x: TensorType, span: int, stride: int, padding: int) -> tuple[Dim, ...]:
    """floor((size + 2·padding − span) / stride) + 1 for each axis that a window of `span` positions slides along.

    A Misfit where the window is longer than an axis whose size is a number.
    """
    for name, size in zip(AXES[x.rank], x.shape[2:], strict=True):
        if size.constant is not None and size.constant + 2 * padding < span:
            raise Misfit(f"a window of {span} is longer than the {name} of {x} with its padding", port="x")
    return tuple((size + 2 * padding - span) // stride + 1 for size in x.shape[2:])


def window_limits(x: TensorType, span: int, padding: int) -> tuple[Limit, ...]:
    """The demand on every size that the window fits in once."""
    reason = f"its window is {span} long"
    limits = (Limit(size, reason, minimum=span - 2 * padding) for size in x.shape[2:] if size.constant is None)
    return tuple(limit for limit in limits if limit.minimum > 1)
