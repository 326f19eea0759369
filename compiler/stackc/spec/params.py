"""How a param is declared: `heads: 12`, `heads: int`, or `heads: {type: int, default: 12, min: 1}`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import get_args

from stackc.core.diagnostics import did_you_mean
from stackc.spec.document import ParamDecl, ParamKind
from stackc.spec.yaml.getters import Getter
from stackc.spec.yaml.tree import Entry, Value

KINDS: tuple[ParamKind, ...] = get_args(ParamKind)
KEYS = ("type", "default", "choices", "min", "max", "description")
_CHOICES: Mapping[str, tuple[tuple[type, ...], str]] = {
    "text": ((str,), "text"),
    "int": ((int,), "a whole number"),
    "float": ((int, float), "a number"),
}
_UNFIT = {"bool": ("choices", "min", "max"), "text": ("min", "max")}


def plain_param(name: str, entry: Entry) -> ParamDecl:
    """A param with no more than its default, or its type, and then it has to be given."""
    for kind in KINDS:
        if entry.value.data == kind:
            return ParamDecl(name, Value(None, entry.value.span), entry.key, kind)
    return ParamDecl(name, entry.value, entry.key)


def read_param(name: str, getter: Getter) -> ParamDecl:
    """A param written as a mapping. Notes S005 and S006 for what does not go together, and reads on without it."""
    getter = getter.only(*KEYS)
    default = getter.value("default") or Value(None, getter.span)
    if isinstance(default.data, (dict, tuple)):
        getter.wrong("default", "a number, text, true or false", default)
        default = Value(None, default.span)
    least, most = _number(getter, "min"), _number(getter, "max")
    choices = _choices(getter)
    kind = _kind(getter) or _implied(default, choices, least, most)
    if kind is None and default.data is None and not choices and "type" not in getter.entries:
        hint = f"for example `{name}: int`, or `{name}: {{type: int, default: 1}}`"
        getter.diagnostics.error("S006", f"the param '{name}' has neither a type nor a default", getter.span, hint)
    for key in (key for key in _UNFIT.get(kind or "", ()) if key in getter.entries):
        getter.diagnostics.error("S005", f"{getter.path} is {kind}, and has no {key}", getter.entries[key].key)
    if least is not None and most is not None and least > most:
        getter.diagnostics.error("S006", f"{getter.path} allows no value: min is above max", getter.span)
    return ParamDecl(name, default, getter.span, kind, _fitting(getter, kind, choices), least, most)


def _kind(getter: Getter) -> ParamKind | None:
    written = getter.text("type")
    for kind in KINDS:
        if written == kind:
            return kind
    if written is not None:
        place = getter.entries["type"].value.span
        getter.diagnostics.error("S005", f"'{written}' is no type of a param", place, did_you_mean(written, KINDS))
    return None


def _implied(default: Value, choices: tuple[Value, ...], least: float | None, most: float | None) -> ParamKind | None:
    """What the bounds say where no type stands: whole numbers, unless one of them or the default is not whole."""
    if least is None and most is None:
        return None
    numbers = [number for number in (least, most, default.data) if isinstance(number, (int, float))]
    return "int" if all(isinstance(number, int) for number in numbers) and not choices else "float"


def _number(getter: Getter, key: str) -> float | None:
    value = getter.value(key)
    if value is None or (isinstance(value.data, (int, float)) and not isinstance(value.data, bool)):
        return value.data if value and isinstance(value.data, (int, float)) else None
    getter.wrong(key, "a number", value)
    return None


def _choices(getter: Getter) -> tuple[Value, ...]:
    """The entries of `choices`; what is neither text nor a number is noted and left out."""
    listed = getter.values("choices")
    if listed == ():
        getter.diagnostics.error("S006", f"{getter.at('choices')} allows no value", getter.entries["choices"].key)
    return tuple(value for value in listed or () if _is_choice(getter, value))


def _is_choice(getter: Getter, value: Value) -> bool:
    sound = isinstance(value.data, (str, int, float)) and not isinstance(value.data, bool)
    if not sound:
        getter.wrong("choices", "a list of texts and numbers", value)
    return sound


def _fitting(getter: Getter, kind: ParamKind | None, choices: tuple[Value, ...]) -> tuple[str | int | float, ...]:
    """The choices; one that is no value of the type is noted under S005."""
    wanted = _CHOICES.get(kind or "")
    fitting: list[str | int | float] = []
    for value in choices:
        if wanted and not isinstance(value.data, wanted[0]):
            message = f"a choice of {getter.path} has to be {wanted[1]}, and is {value.kind}"
            getter.diagnostics.error("S005", message, value.span)
        elif isinstance(value.data, (str, int, float)):
            fitting.append(value.data)
    return tuple(fitting)
