"""The range that a spec declares for an input, `min`, `max`, `below` and `values`, with its expressions evaluated."""

from __future__ import annotations

import math
import struct

from stackc.core.diagnostics import Diagnostic, SpecError
from stackc.core.types import INT64
from stackc.core.value_range import ValueRange
from stackc.resolve.scope import Scope
from stackc.spec.document import InputDecl
from stackc.spec.yaml.tree import Value

LIMITS = {"bool": (0, 1), "int32": (-(1 << 31), (1 << 31) - 1), "int64": (-INT64, INT64 - 1)}
"""The least and the largest number of each element type of whole numbers."""


def declared_range(name: str, decl: InputDecl, scope: Scope) -> ValueRange:
    """Return the range that the spec declares for an input; an end that it does not declare is open.

    Reports S005 for what is no number of the input's element type, S006 for a range without a number, and then returns
    an open range.
    """
    try:
        if decl.values:
            choices = tuple(_number(value, f"inputs.{name}.values", name, decl, scope) for value in decl.values)
            return ValueRange(min(choices), max(choices), choices)

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


def _shown(number: float) -> str:
    return str(int(number) if float(number).is_integer() and abs(number) < 1e15 else number)


def _number(value: Value, path: str, name: str, decl: InputDecl, scope: Scope) -> float:
    """Return a number as the element type of the input has it. Raises SpecError (S005) if it does not have it."""
    if decl.dtype not in LIMITS:
        return _float32(value, path, name, scope)
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


def _float32(value: Value, path: str, name: str, scope: Scope) -> float:
    """Return a number within the range of float32. Raises SpecError (S005) for anything else.

    It is not rounded: who compares inputs with it, or draws them, has it as an element of their type.
    """
    number = value.data if isinstance(value.data, bool) else scope.quantity(value)
    if isinstance(number, bool) or not isinstance(number, int | float) or not math.isfinite(number):
        shown = value.written if isinstance(number, bool | str | None) else f"{number}, known only at run time"
        hint = "write a number, or an expression over params"
        raise SpecError(Diagnostic("S005", f"{path} must be a number, but is {shown}", value.span, hint))

    try:
        (rounded,) = struct.unpack("f", struct.pack("f", number))
    except OverflowError:
        rounded = math.inf
    if math.isinf(rounded) or (number and not rounded):
        reason = "ends at 3.4e38" if rounded else "begins at 1.4e-45"
        message = f"the input '{name}' may hold {number:g}, but float32 {reason}"
        raise SpecError(Diagnostic("S005", message, value.span))
    return float(number)
