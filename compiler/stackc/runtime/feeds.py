"""What a model takes and gives, and whether arrays fit it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stackc.core.diagnostics import Collector, did_you_mean
from stackc.core.types import DimContract, DimRange, ValueRange

Array = NDArray[Any]
Feeds = Mapping[str, Array]


@dataclass(frozen=True, slots=True)
class ValueInfo:
    """An input or output of a model; a size in `shape` is a number, the name of a dim, or None if unknown.

    `allowed` is what an input of whole numbers may hold, None where that is not known.
    """

    name: str
    dtype: str
    shape: tuple[int | str | None, ...]
    allowed: ValueRange | None = None

    def __str__(self) -> str:
        return f"{self.dtype}[{', '.join('?' if size is None else str(size) for size in self.shape)}]"


def numpy_name(element: str) -> str:
    """Return NumPy's name of an ONNX element type: `float` is float32, `double` is float64, all others agree."""
    return {"float": "float32", "double": "float64"}.get(element, element)


@dataclass(slots=True)
class _Sizes:
    """What each named dim was seen to be first, and by which input."""

    contract: DimContract
    seen: dict[str, tuple[int, str]]


def check_feeds(inputs: Iterable[ValueInfo], feeds: Feeds, contract: DimContract | None = None) -> None:
    """Refuse feeds that do not fit the inputs of a model, with every problem in one SpecError.

    R411 an input is missing, R412 there is no such input, R413 dtype, R414 rank, R415 a fixed size, R416 a dim that has
    two sizes, R417 a size outside the dims contract, R418 a number that an input may not hold. A size like `2*seq` is
    known by its text only.
    """
    diagnostics, sizes = Collector(), _Sizes(contract or {}, {})
    known = {value.name: value for value in inputs}
    for name in feeds:
        if name not in known:
            diagnostics.error("R412", f"the model has no input '{name}'", hint=did_you_mean(name, known))
    for name, value in known.items():
        if name not in feeds:
            diagnostics.error("R411", f"input '{name}' is missing", hint=f"it takes {value}")
        else:
            array = np.asarray(feeds[name])
            _check(value, array, sizes, diagnostics)
            _check_values(value, array, diagnostics)
    diagnostics.raise_if_any()


def _check(value: ValueInfo, array: Array, sizes: _Sizes, diagnostics: Collector) -> None:
    what = f"input '{value.name}'"
    if str(array.dtype) != value.dtype:
        hint = f"convert it with .astype('{value.dtype}')"
        diagnostics.error("R413", f"{what} takes {value.dtype}, not {array.dtype}", hint=hint)
    if array.ndim != len(value.shape):
        hint = f"it takes {value}"
        diagnostics.error("R414", f"{what} takes {len(value.shape)} dims, not {array.ndim}: {array.shape}", hint=hint)
        return
    for axis, (size, wanted) in enumerate(zip(array.shape, value.shape, strict=True)):
        if isinstance(wanted, str):
            _check_named(f"axis {axis} of {what}", wanted, size, sizes, diagnostics)
        elif wanted is not None and size != wanted:
            diagnostics.error(
                "R415", f"axis {axis} of {what} has to be {wanted}; it is {size}", hint=f"it takes {value}"
            )


def _check_named(where: str, dim: str, size: int, sizes: _Sizes, diagnostics: Collector) -> None:
    first, place = sizes.seen.setdefault(dim, (size, where))
    if size != first:
        diagnostics.error(
            "R416", f"dim '{dim}' is {size} at {where} and {first} at {place}", hint="one name is one size"
        )
    elif place == where and dim in sizes.contract and (problem := _outside(size, sizes.contract[dim])):
        diagnostics.error(
            "R417", f"dim '{dim}' {problem}; it is {size} at {where}", hint="the spec says so under `dims:`"
        )


def _check_values(value: ValueInfo, array: Array, diagnostics: Collector) -> None:
    """The first number that the input may not hold, and how many more there are."""
    if value.allowed is None or not np.issubdtype(array.dtype, np.integer):
        return
    choices = value.allowed.choices
    wrong = ~np.isin(array, choices) if choices else (array < 0) | (array >= value.allowed.below)
    if many := int(np.count_nonzero(wrong)):
        index = tuple(int(places[0]) for places in np.nonzero(np.atleast_1d(wrong)))[: array.ndim]
        more = f", and {many - 1:,} more are wrong" if many > 1 else ""
        place = f" at [{', '.join(map(str, index))}]" if index else ""
        message = f"input '{value.name}' holds {array[index]}{place}{more}"
        diagnostics.error("R418", message, hint=f"it takes {value.allowed}")


def _outside(size: int, allowed: DimRange) -> str | None:
    if size < allowed.minimum:
        return f"has to be at least {allowed.minimum}"
    if allowed.maximum is not None and size > allowed.maximum:
        return f"has to be at most {allowed.maximum}"
    return f"has to be a multiple of {allowed.multiple_of}" if size % allowed.multiple_of else None
