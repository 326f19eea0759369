"""Inputs and outputs of a model, and whether arrays fit its inputs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stackc.core.diagnostics import Collector, did_you_mean
from stackc.core.types import FLOATS, DimContract, DimRange
from stackc.core.value_range import ValueRange

Array = NDArray[Any]
Feeds = Mapping[str, Array]


@dataclass(frozen=True, slots=True)
class ValueInfo:
    """An input or output of a model; a size in `shape` is a number, the name of a dim, or None if unknown.

    `allowed` are the values that an input may hold; None if it may hold any, or they are not known.
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
    """The size of each named dim where it occurs first, with that location: an axis of an input."""

    contract: DimContract
    first: dict[str, tuple[int, str]]


def check_feeds(inputs: Iterable[ValueInfo], feeds: Feeds, contract: DimContract | None = None) -> None:
    """Refuse feeds that do not fit the inputs of a model.

    Raises SpecError with all problems: R411 an input is missing, R412 there is no such input, R413 dtype, R414 rank,
    R415 a fixed size, R416 a dim with two sizes, R417 a size outside the dims contract, R418 a number that an input may
    not hold. A size like `2*seq` is compared by its text only.
    """
    diagnostics, sizes = Collector(), _Sizes(contract or {}, {})
    expected = {value.name: value for value in inputs}
    for name in feeds:
        if name not in expected:
            diagnostics.error("R412", f"the model has no input '{name}'", hint=did_you_mean(name, expected))

    for name, value in expected.items():
        if name not in feeds:
            diagnostics.error("R411", f"input '{name}' is missing", hint=f"it takes {value}")
            continue
        _check_type(value, np.asarray(feeds[name]), sizes, diagnostics)

    # what an input may hold can depend on the sizes of others
    for value in expected.values():
        if value.name in feeds:
            _check_values(value, np.asarray(feeds[value.name]), sizes, diagnostics)
    diagnostics.raise_if_any()


def _check_type(value: ValueInfo, array: Array, sizes: _Sizes, diagnostics: Collector) -> None:
    """Report a wrong dtype, rank or size of one input."""
    subject = f"input '{value.name}'"
    if str(array.dtype) != value.dtype:
        hint = f"convert it with .astype('{value.dtype}')"
        hint += ", after `import ml_dtypes`" * (value.dtype == "bfloat16")
        diagnostics.error("R413", f"{subject} takes {value.dtype}, not {array.dtype}", hint=hint)

    hint = f"it takes {value}"
    if array.ndim != len(value.shape):
        message = f"{subject} takes {len(value.shape)} dims, not {array.ndim}: {array.shape}"
        diagnostics.error("R414", message, hint=hint)
        return

    for axis, (size, expected) in enumerate(zip(array.shape, value.shape, strict=True)):
        location = f"axis {axis} of {subject}"
        if isinstance(expected, str):
            _check_named_dim(location, expected, size, sizes, diagnostics)
        elif expected is not None and size != expected:
            diagnostics.error("R415", f"{location} must be {expected}, but is {size}", hint=hint)


def _check_named_dim(location: str, dim: str, size: int, sizes: _Sizes, diagnostics: Collector) -> None:
    """Report a dim that has another size than before, or, where it occurs first, a size outside its contract."""
    first_size, first_location = sizes.first.setdefault(dim, (size, location))
    if size != first_size:
        message = f"dim '{dim}' is {size} at {location}, but {first_size} at {first_location}"
        diagnostics.error("R416", message, hint="a dim has the same size in all inputs")
    elif location == first_location and dim in sizes.contract and (limit := _broken_limit(size, sizes.contract[dim])):
        message = f"dim '{dim}' must be {limit}, but is {size} at {location}"
        diagnostics.error("R417", message, hint="the spec limits it under `dims:`")


def _check_values(value: ValueInfo, array: Array, sizes: _Sizes, diagnostics: Collector) -> None:
    """Report the first number that the input may not hold, and how many more there are."""
    if value.allowed is None or str(array.dtype) != value.dtype:
        return
    known = {dim: size for dim, (size, _) in sizes.first.items()}
    if value.allowed.size is not None and not value.allowed.size.symbols().keys() <= known.keys():
        return  # the input with that axis is missing, or has another rank
    allowed = value.allowed.at(known)
    wrong = ~_allowed(allowed, array)
    if count := int(np.count_nonzero(wrong)):
        index = tuple(int(indices[0]) for indices in np.nonzero(np.atleast_1d(wrong)))[: array.ndim]
        location = f" at [{', '.join(map(str, index))}]" if index else ""
        more = f", and {count - 1:,} more {'is' if count == 2 else 'are'} wrong" if count > 1 else ""
        message = f"input '{value.name}' holds {array[index]!s}{location}{more}"
        diagnostics.error("R418", message, hint=f"it takes {allowed}{_reason(value.allowed, allowed)}")


def _reason(declared: ValueRange, allowed: ValueRange) -> str:
    """Return why an input takes these numbers here, if that depends on a size."""
    return "" if declared.size is None else f", since {declared.size} is {allowed.below}"


def _allowed(allowed: ValueRange, array: Array) -> NDArray[np.bool_]:
    """Return where an array holds what it may; NaN is in no range."""
    if allowed.choices:
        return np.isin(array, np.array(allowed.choices).astype(array.dtype))
    inside = np.ones(array.shape, np.bool_)
    if allowed.minimum is not None:
        inside &= array >= _element(allowed.minimum, array)
    if allowed.maximum is not None:
        inside &= array <= _element(allowed.maximum, array)
    return inside


def _element(number: float, array: Array) -> Any:
    """Return a number as an element of a float array has it: an input that is set to 0.1 is within `max: 0.1`."""
    return array.dtype.type(number) if str(array.dtype) in FLOATS else number


def _broken_limit(size: int, limits: DimRange) -> str | None:
    if size < limits.minimum:
        return f"at least {limits.minimum}"
    if limits.maximum is not None and size > limits.maximum:
        return f"at most {limits.maximum}"
    return f"a multiple of {limits.multiple_of}" if size % limits.multiple_of else None
