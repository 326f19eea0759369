"""Entries added before and after the axes that a window slides along, and what they need of the sizes."""

from __future__ import annotations

from collections.abc import Sequence

from stackc.components.base import Limit, SignatureError
from stackc.components.windows import AXES, Margins, Naturals, per_axis
from stackc.core.types import TensorType


def margins_of(padding: Naturals, x: TensorType, field: str) -> Margins:
    """Return the entries before and after each axis.

    `padding` is a number for all of them, one for each axis, or all before and then all after, as in ONNX's `pads`.
    Raises SignatureError if a list has another length.
    """
    axes = len(AXES[x.rank])
    if isinstance(padding, tuple) and len(padding) == 2 * axes:
        return tuple(zip(padding[:axes], padding[axes:], strict=True))
    return tuple((number, number) for number in per_axis(padding, x, field))


def same_margins(x: TensorType, span: Sequence[int], stride: Sequence[int]) -> Margins | None:
    """Return the entries with which a window takes ⌈size / stride⌉ positions, an odd one behind; None if sizes decide.

    In all, an axis needs max((⌈size / stride⌉ − 1)·stride + span − size, 0): ONNX's SAME_UPPER, TensorFlow's SAME.
    """
    margins = []
    for size, window, step in zip(x.shape[2:], span, stride, strict=True):
        if size.constant is not None:
            added = (-(-size.constant // step) - 1) * step + window - size.constant
        elif size.exactly(step) is not None:
            added = window - step
        else:
            return None
        added = max(added, 0)
        margins.append((added // 2, added - added // 2))
    return tuple(margins)


def torch_margins(margins: Margins) -> tuple[int, ...]:
    """Return margins as torch.nn.functional.pad takes them: from the last axis on, before and after."""
    return tuple(number for margin in reversed(margins) for number in margin)


def added_limits(x: TensorType, margins: Margins, mode: str) -> tuple[Limit, ...]:
    """Return the limits by which each axis has the entries that `mode` repeats in its margins.

    Raises SignatureError if an axis of constant size has fewer.
    """
    if mode not in ("reflect", "circular"):
        return ()

    verb, needless = ("mirror", 1) if mode == "reflect" else ("repeat", 0)
    limits = []
    for size, margin in zip(x.shape[2:], margins, strict=True):
        most = max(margin)
        if size.constant is not None and size.constant < most + needless:
            message = f"cannot {verb} {most} entries of an axis of {size}: it must be longer"
            raise SignatureError(message, field="padding")
        if size.constant is None and most + needless > 1:
            limits.append(Limit(size, f"its margins {verb} {most} of its entries", minimum=most + needless))
    return tuple(limits)
