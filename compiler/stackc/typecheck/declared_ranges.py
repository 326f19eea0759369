"""The range that a spec declares for an input, `min`, `max`, `below` and `values`, with its expressions evaluated."""

from __future__ import annotations

import math
from collections.abc import Collection

from stackc.components.fields import either
from stackc.core.diagnostics import Diagnostic, SpecError
from stackc.core.types import LIMITS, Dim
from stackc.core.value_range import ValueRange
from stackc.resolve.scope import Scope
from stackc.spec.document import InputDecl
from stackc.spec.yaml.tree import Value


def declared_range(name: str, decl: InputDecl, scope: Scope, axes: Collection[Dim]) -> ValueRange:
    """Return the range that the spec declares for an input; an end that it does not declare is open.

    `axes` are the sizes of all inputs: a dim that ids stay below has to be one of them, so that its size is known.
    Reports S005 for what is no number of the input's element type, S006 for a range without a number, and then returns
    an open range.
    """
    try:
        if decl.values:
            choices = tuple(_number(value, f"inputs.{name}.values", name, decl, scope) for value in decl.values)
            return ValueRange(min(choices), max(choices), choices)

        if decl.below is not None and isinstance(size := scope.quantity(decl.below), Dim):
            return _below_a_dim(name, decl, size, axes)

        bounds = {
            key: _number(value, f"inputs.{name}.{key}", name, decl, scope) for key, value in decl.bounds().items()
        }
    except SpecError as error:
        scope.diagnostics.extend(error)
        return ValueRange()

    minimum, maximum = bounds.get("min"), bounds.get("max")
    if "below" in bounds:
        minimum, maximum = bounds.get("min", 0), bounds["below"] - 1
    if minimum is not None and maximum is not None and minimum > maximum:
        end = "below" if "below" in bounds else "max"
        reason = f"min is {_shown(minimum)}, but {end} is {_shown(bounds[end])}"
        hint = f"an input may hold min itself{', but not below' if end == 'below' else ' and max itself'}"
        scope.diagnostics.error("S006", f"inputs.{name} allows no value: {reason}", decl.bounds()[end].span, hint)
        return ValueRange()
    return ValueRange(minimum, maximum)


def _below_a_dim(name: str, decl: InputDecl, size: Dim, axes: Collection[Dim]) -> ValueRange:
    """Return the range of ids that count the entries of an axis. Raises SpecError (S005) if it is no axis."""
    assert decl.below is not None, "it is written"
    if size not in axes:
        message = f"inputs.{name}.below is '{size}', which is the size of no axis of an input"
        names = [str(axis) for axis in axes if axis.constant is None]
        hint = f"write a number or the size of an axis, here {either(names)}" if names else "write a number"
        raise SpecError(Diagnostic("S005", message, decl.below.span, hint))
    if decl.minimum is not None:
        message = f"inputs.{name}.min does not go with `below: {size}`: ids count from 0"
        raise SpecError(Diagnostic("S005", message, decl.minimum.span, "remove `min`"))
    return ValueRange.ids(size)


def _shown(number: float) -> str:
    return str(int(number) if float(number).is_integer() and abs(number) < 1e15 else number)


def _number(value: Value, path: str, name: str, decl: InputDecl, scope: Scope) -> float:
    """Return a number as the element type of the input has it. Raises SpecError (S005) if it does not have it."""
    if decl.dtype not in LIMITS:
        return _float(value, path, name, decl.dtype, scope)
    if decl.dtype == "bool" and isinstance(value.data, bool):
        return int(value.data)

    is_below = path.endswith(".below")
    number = scope.whole(value, path, 1 if is_below else None)
    held = number - 1 if is_below else number
    least, largest = LIMITS[decl.dtype]
    if not least <= held <= largest:
        message = f"the input '{name}' may hold {held}, but {decl.dtype} ranges from {least} to {largest}"
        raise SpecError(Diagnostic("S005", message, value.span))
    return number


_FLOAT_RANGES = {"float32": (24, 127, -149), "float16": (11, 15, -24), "bfloat16": (8, 127, -133)}
"""The bits of a significand, the largest exponent, and the exponent of the least positive number."""


def _float(value: Value, path: str, name: str, dtype: str, scope: Scope) -> float:
    """Return a number within the range of a type of floats. Raises SpecError (S005) for anything else.

    It is not rounded: who compares inputs with it, or draws them, has it as an element of their type.
    """
    number = value.data if isinstance(value.data, bool) else scope.quantity(value)
    if isinstance(number, bool) or not isinstance(number, int | float) or not math.isfinite(number):
        shown = value.written if isinstance(number, bool | str | None) else f"{number}, known only at run time"
        hint = "write a number, or an expression over params"
        raise SpecError(Diagnostic("S005", f"{path} must be a number, but is {shown}", value.span, hint))

    bits, exponent, least = _FLOAT_RANGES[dtype]
    is_huge = abs(number) >= (2 - 2.0**-bits) * 2.0**exponent  # rounded to infinity
    if is_huge or 0 < abs(number) <= 2.0 ** (least - 1):  # or to 0
        end = (2 - 2.0 ** (1 - bits)) * 2.0**exponent if is_huge else 2.0**least
        reason = f"{'ends' if is_huge else 'begins'} at {end:.2g}".replace("e+", "e")
        message = f"the input '{name}' may hold {number:g}, but {dtype} {reason}"
        raise SpecError(Diagnostic("S005", message, value.span))
    return float(number)
