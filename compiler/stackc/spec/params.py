"""Read declarations of params: `heads: 12`, `heads: int`, `rates: [1, 2]`, `heads: {type: int, default: 12}`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import get_args

from stackc.core.diagnostics import did_you_mean
from stackc.spec.document import ParamDecl, ParamKind
from stackc.spec.yaml.getters import Getter
from stackc.spec.yaml.tree import Entry, Value

KINDS: tuple[ParamKind, ...] = get_args(ParamKind)
KEYS = ("type", "default", "choices", "min", "max", "below", "description")
_BOUNDS = ("min", "max", "below")
_CHOICES: Mapping[str, tuple[tuple[type, ...], str]] = {
    "text": ((str,), "text"),
    "int": ((int,), "a whole number"),
    "float": ((int, float), "a number"),
}
_NOT_FOR = {"bool": ("choices", *_BOUNDS), "text": _BOUNDS, "list": ("choices", *_BOUNDS)}


def plain_param(name: str, entry: Entry) -> ParamDecl:
    """Return a param declared by its default alone, or by its type alone, which makes it required."""
    for kind in KINDS:
        if entry.value.data == kind:
            return ParamDecl(name, Value(None, entry.value.span), entry.key, kind)
    return ParamDecl(name, entry.value, entry.key, "list" if isinstance(entry.value.data, tuple) else None)


def read_param(name: str, getter: Getter) -> ParamDecl:
    """Read a param written as a mapping.

    Reports S005 for values of a wrong type, which are left out, and S006 for values that contradict each other.
    """
    getter = getter.only(*KEYS)
    default = getter.value("default") or Value(None, getter.span)
    if isinstance(default.data, dict) or not is_list_of_scalars(default):
        getter.wrong("default", "a number, text, true, false or a list of these", default)
        default = Value(None, default.span)

    bounds = {key: _bound(getter, key) for key in _BOUNDS}
    choices = _choices(getter)
    kind = _kind(getter) or _inferred_kind(default, choices, bounds)
    if isinstance(default.data, tuple) and kind != "list":
        getter.wrong("default", f"of the type {kind}", default, "write `type: list`, or a single value")
        default = Value(None, default.span)
    choices_of_kind = _choices_of_kind(getter, kind, choices)
    minimum, maximum, below = bounds.values()
    decl = ParamDecl(name, default, getter.span, kind, choices_of_kind, minimum, maximum, below)
    _check_consistency(decl, getter)
    return decl


def is_list_of_scalars(value: Value) -> bool:
    """Return whether a list has numbers, texts and lists of these alone; anything but a list is as well."""
    if not isinstance(value.data, tuple):
        return True
    return all(is_list_of_scalars(item) and not isinstance(item.data, (dict, type(None))) for item in value.data)


def _check_consistency(decl: ParamDecl, getter: Getter) -> None:
    if decl.kind is None and decl.default.data is None and not decl.choices and "type" not in getter.entries:
        hint = f"for example `{decl.name}: int`, or `{decl.name}: {{type: int, default: 1}}`"
        message = f"the param '{decl.name}' has neither a type nor a default"
        getter.diagnostics.error("S006", message, getter.span, hint)

    for key in (key for key in _NOT_FOR.get(decl.kind or "", ()) if key in getter.entries):
        getter.diagnostics.error("S005", f"{getter.path} is {decl.kind}, which has no {key}", getter.entries[key].key)

    numbers = {key: value.data for key, value in decl.bounds.items() if isinstance(value.data, (int, float))}
    if "max" in decl.bounds and "below" in decl.bounds:
        message = f"{getter.path} has both `max` and `below`"
        getter.diagnostics.error("S005", message, getter.entries["below"].key, "keep one of the two")
    elif "min" in numbers and (
        numbers["min"] > numbers.get("max", math.inf) or numbers["min"] >= numbers.get("below", math.inf)
    ):
        end = "above max" if "max" in numbers else "not below `below`"
        getter.diagnostics.error("S006", f"{getter.path} allows no value: min is {end}", getter.span)


def _kind(getter: Getter) -> ParamKind | None:
    written = getter.text("type")
    for kind in KINDS:
        if written == kind:
            return kind
    if written is not None:
        span = getter.entries["type"].value.span
        getter.diagnostics.error(
            "S005", f"'{written}' is not a valid type of a param", span, did_you_mean(written, KINDS)
        )
    return None


def _inferred_kind(default: Value, choices: tuple[Value, ...], bounds: Mapping[str, Value | None]) -> ParamKind | None:
    """Infer the type of a list, and of a param with bounds: int if these and the default are whole, else float."""
    if isinstance(default.data, tuple):
        return "list"
    written = [bound.data for bound in bounds.values() if bound is not None]
    if not written:
        return None
    numbers = [number for number in (*written, default.data) if isinstance(number, (int, float))]
    return "int" if all(isinstance(number, int) for number in numbers) and not choices else "float"


def _bound(getter: Getter, key: str) -> Value | None:
    """Return a bound, a number or an expression; None, reported as S005, for anything else."""
    value = getter.value(key)
    if value is None or value.data is None:
        return None
    if isinstance(value.data, (int, float, str)) and not isinstance(value.data, bool):
        return value
    getter.wrong(key, "a number, or an expression over params", value)
    return None


def _choices(getter: Getter) -> tuple[Value, ...]:
    """Return the entries of `choices`, reporting and leaving out those that are neither text nor a number."""
    listed = getter.values("choices")
    if listed == ():
        getter.diagnostics.error("S006", f"{getter.at('choices')} allows no value", getter.entries["choices"].key)
    return tuple(value for value in listed or () if _is_choice(getter, value))


def _is_choice(getter: Getter, value: Value) -> bool:
    is_choice = isinstance(value.data, (str, int, float)) and not isinstance(value.data, bool)
    if not is_choice:
        getter.wrong("choices", "a list of texts and numbers", value)
    return is_choice


def _choices_of_kind(
    getter: Getter, kind: ParamKind | None, choices: tuple[Value, ...]
) -> tuple[str | int | float, ...]:
    """Return the choices of the type, reporting S005 for the others."""
    wanted = _CHOICES.get(kind or "")
    of_kind: list[str | int | float] = []
    for value in choices:
        if wanted and not isinstance(value.data, wanted[0]):
            message = f"a choice of {getter.path} must be {wanted[1]}, but is {value.kind}"
            getter.diagnostics.error("S005", message, value.span)
        elif isinstance(value.data, (str, int, float)):
            of_kind.append(value.data)
    return tuple(of_kind)
