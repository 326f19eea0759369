"""Read the declaration of an input: `x: {dtype: int64, shape: [batch, seq], min: 0, max: 9}`."""

from __future__ import annotations

from collections.abc import Sequence

from stackc.core.diagnostics import closest, did_you_mean
from stackc.core.types import FLOATS, INPUT_DTYPES
from stackc.spec.document import InputDecl
from stackc.spec.yaml.getters import Getter

KEYS = ("dtype", "shape", "to", "min", "max", "below", "values", "description")
_BOUNDS = ("min", "max", "below", "values")


def read_input(name: str, getter: Getter) -> InputDecl:
    """Read an input; an S005 or S006 is reported for each thing that is wrong with it."""
    getter = getter.only(*KEYS)
    dtype = _dtype(getter)

    shape = getter.values("shape")
    if shape is None:
        hint = "for example `shape: [batch, 128]`, or `shape: []` for a single number"
        getter.diagnostics.error("S006", f"the input '{name}' has no shape", getter.span, hint)

    _check_bounds(name, dtype, getter)
    targets = getter.texts("to", "a node, or a list of nodes", ids=True)
    minimum, maximum, below = (getter.value(key) for key in ("min", "max", "below"))
    return InputDecl(
        name, dtype, shape or (), targets, below, getter.values("values") or (), getter.span, minimum, maximum
    )


def _dtype(getter: Getter) -> str:
    written = getter.text("dtype") or "float32"
    if written in INPUT_DTYPES:
        return written
    span, intended = getter.entries["dtype"].value.span, closest(written, INPUT_DTYPES)
    hint = did_you_mean(written, INPUT_DTYPES)
    if written in ("float64", "double"):
        intended, hint = "float32", "write `dtype: float32`: models are calculated in float32, and proven in float64"
    report = getter.diagnostics.repair if intended else getter.diagnostics.error
    report("S005", f"'{written}' is not a valid dtype of an input", span, hint)
    return intended or written


def _check_bounds(name: str, dtype: str, getter: Getter) -> None:
    """Report keys that the element type does not have, or that exclude each other, and an empty `values`."""
    keys = [key for key in _BOUNDS if key in getter.entries]
    spans = {key: getter.entries[key].key for key in keys}
    ordered = [key for key in keys if key in ("min", "max")]

    if "below" in keys and dtype in FLOATS:
        message = f"{getter.at('below')} limits whole numbers, but '{name}' is {dtype}"
        hint = "write `dtype: int64`, or the largest number it may hold as `max`"
        getter.diagnostics.error("S005", message, spans["below"], hint)
    elif ordered and dtype == "bool":
        message = f"{getter.at(ordered[0])} limits numbers, but '{name}' is bool"
        hint = f"remove `{ordered[0]}`, or write the only value it may hold, as in `values: [true]`"
        getter.diagnostics.error("S005", message, spans[ordered[0]], hint)
    elif clash := _clash(keys):
        first, second = clash
        message = f"'{name}' has both `{first}` and `{second}`"
        getter.diagnostics.error("S005", message, spans[second], "keep one of the two")

    if getter.values("values") == ():
        getter.diagnostics.error("S006", f"{getter.at('values')} allows no value", spans["values"], "list at least one")


def _clash(keys: Sequence[str]) -> tuple[str, str] | None:
    """Return two keys that exclude each other, if there are any: `values` and a bound, `max` and `below`."""
    if "values" in keys and len(keys) > 1:
        return keys[0], "values"
    return ("max", "below") if {"max", "below"} <= set(keys) else None
