"""Params of a spec or block: their types, declared or implied by the default, and the values bound to them."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Set
from dataclasses import dataclass, replace

from stackc.components.fields import FieldSpec, Range, either
from stackc.core.diagnostics import Collector, Diagnostic, Note, Span, SpecError, did_you_mean
from stackc.core.types import Dim
from stackc.resolve.fields import decode
from stackc.resolve.scope import Scope, scalar
from stackc.spec.document import ParamDecl
from stackc.spec.expressions.expressions import ParamValue, interpolate
from stackc.spec.params import is_list_of_scalars
from stackc.spec.yaml.tree import Entry, Value

_KINDS: Mapping[type, str] = {bool: "bool", int: "int", Dim: "int", float: "float", str: "text", tuple: "list"}


@dataclass(frozen=True, slots=True)
class Binding:
    """The owner of params, for messages: its name `what`, and in `hint` how to set a value.

    `span` is the place to blame for a missing value; None blames the declaration. A `silent` binding does not report
    missing values: if there are unknown params, they are probably misspellings of the missing ones.
    """

    what: str
    span: Span | None
    hint: str
    silent: bool = False


def bind_params(
    decls: Mapping[str, ParamDecl], arguments: Mapping[str, Entry], outer: Scope, inner: Scope, binding: Binding
) -> dict[str, ParamValue] | None:
    """Return the value of each param: arguments are read in `outer`, defaults in `inner` plus the params before them.

    If both scopes are the same, arguments see earlier params as well. Reports N312 for an unknown param, N311 for a
    param without a value and N310 for a value of another type; then returns None.
    """
    for name in arguments:
        if name not in decls:
            hint = did_you_mean(name, decls) or "it has no params"
            outer.diagnostics.error("N312", f"{binding.what} has no param '{name}'", arguments[name].key, hint)

    unknown = arguments.keys() - decls
    values = _bind(decls, arguments, outer, inner, replace(binding, silent=bool(unknown)))
    return values if len(values) == len(decls) else None


def known_params(decls: Mapping[str, ParamDecl], arguments: Mapping[str, Entry], scope: Scope) -> dict[str, ParamValue]:
    """Return the params of a spec that have a value in `scope`; report nothing about the others."""
    quiet = replace(scope, diagnostics=Collector())
    return _bind(decls, arguments, quiet, quiet, Binding("the spec", None, ""))


def _bind(
    decls: Mapping[str, ParamDecl], arguments: Mapping[str, Entry], outer: Scope, inner: Scope, binding: Binding
) -> dict[str, ParamValue]:
    values: dict[str, ParamValue] = {}
    broken: set[str] = set()
    names = dict(inner.names)
    scope = replace(inner, names=names)  # sees every param as soon as it is bound

    for name, decl in decls.items():
        try:
            limits = _limits(decl, scope, broken)
            value = _read(decl, decl.kind, decl.default, scope, f"the default of '{name}'", limits)
            if name in arguments:
                kind, visible = decl.kind or _KINDS.get(type(value)), scope if outer is inner else outer
                value = _read(decl, kind, arguments[name].value, visible, binding.what, limits)
        except SpecError as error:
            outer.diagnostics.extend(error)
            broken.add(name)
            continue

        if value is not None:
            values[name] = names[name] = value
        elif not binding.silent or name in arguments:
            span = arguments[name].key if name in arguments else binding.span or decl.span
            message = f"{binding.what} needs a value for '{name}'"
            outer.diagnostics.error("N311", message, span, binding.hint.format(name=name))
    return values


def text_places(
    decls: Mapping[str, ParamDecl], arguments: Mapping[str, Entry], params: Mapping[str, ParamValue]
) -> dict[str, Span]:
    """Return the place of the text for each param whose value is text, unless its declaration asks for text."""
    texts = [name for name, value in params.items() if isinstance(value, str) and decls[name].kind is None]
    texts = [name for name in texts if not decls[name].choices]
    return {name: (arguments[name].value if name in arguments else decls[name].default).span for name in texts}


def default_of(decl: ParamDecl, scope: Scope) -> ParamValue:
    """Return the default of a param, None without one. Raises SpecError."""
    return _read(decl, decl.kind, decl.default, scope, f"the default of '{decl.name}'", _limits(decl, scope))


def _limits(decl: ParamDecl, scope: Scope, broken: Set[str] = frozenset()) -> Range:
    """Return the bounds of a param, read where it is declared, without those that use a `broken` param.

    Raises SpecError (S005) for one that is not a number.
    """
    numbers = {}
    for key, value in decl.bounds.items():
        if not broken.isdisjoint(re.findall(r"\w+", value.written)):
            continue
        number = scope.quantity(value)
        if isinstance(number, bool) or not isinstance(number, (int, float)):
            shown = "known only at run time" if isinstance(number, Dim) else "not a number"
            message = f"{key} of the param '{decl.name}' must be a number, but '{value.written}' is {shown}"
            raise SpecError(Diagnostic("S005", message, value.span))
        numbers[key] = number
    return Range(numbers.get("min", -math.inf), numbers.get("max", math.inf), numbers.get("below", math.inf))


def is_text(decl: ParamDecl) -> bool:
    """Return whether the declaration of a param asks for text."""
    return decl.kind == "text" or (decl.kind is None and isinstance(decl.default.data, str))


def _read(decl: ParamDecl, kind: str | None, value: Value, scope: Scope, what: str, limits: Range) -> ParamValue:
    """Return a value for a param: a text for text, else an expression. Raises SpecError, N310 for another type."""
    if value.data is None:
        return None
    if kind is None and not decl.choices:
        return _untyped(value, scope)
    try:
        return _list(decl, value, scope, what) if kind == "list" else _typed(decl, kind, value, scope, what, limits)
    except SpecError as error:
        raise SpecError(*(_with_declaration(diagnostic, decl) for diagnostic in error.diagnostics)) from None


def _untyped(value: Value, scope: Scope) -> ParamValue:
    """Return a value without a declared type: a known name is that param or dim, any other text is itself."""
    if isinstance(value.data, tuple):
        return tuple(_untyped(item, scope) for item in value.data)
    if not isinstance(value.data, str):
        return scalar(value)
    return scope.number(value) if value.data in scope.names else interpolate(value.data, scope.names, value.span)


def _list(decl: ParamDecl, value: Value, scope: Scope, what: str) -> ParamValue:
    """Return a list, or the value of an expression that is one. Raises SpecError, N310 for anything else."""
    if isinstance(value.data, tuple) and is_list_of_scalars(value):
        return _untyped(value, scope)
    if isinstance(value.data, str) and isinstance(listed := scope.number(value), tuple):
        return listed
    message = f"{what}: {decl.name} must be a list, but is {value.kind}"
    raise SpecError(Diagnostic("N310", message, value.span, f"write for example `{decl.name}: [1, 2]`"))


def _typed(
    decl: ParamDecl, kind: str | None, value: Value, scope: Scope, what: str, limits: Range
) -> int | float | str | Dim:
    words = tuple(choice for choice in decl.choices if isinstance(choice, str))
    numbers = [choice for choice in decl.choices if not isinstance(choice, str)]
    spec = FieldSpec(decl.name, _kinds(decl, kind), words, limits, "", True, None)
    decoded = decode(spec, value, scope, what)
    if numbers and decoded not in decl.choices:
        message = f"{what}: {decl.name} must be {either([*map(str, decl.choices)])}, but is {decoded}"
        raise SpecError(Diagnostic("N310", message, value.span))
    assert isinstance(decoded, (str, int, float, Dim)), "lists are read by `_list`"
    return decoded


def _kinds(decl: ParamDecl, kind: str | None) -> frozenset[str]:
    """Return the kinds of a field that takes the values of this param. A whole number without bounds may be a dim."""
    if kind is None:
        types = {type(choice) for choice in decl.choices} - {str}
        return frozenset({"float"} if float in types else {"int"} if types else ())
    if kind == "text":
        return frozenset(() if decl.choices else {"str"})
    is_bounded = decl.choices or decl.bounds
    return frozenset({kind} if kind != "int" or is_bounded else {"int", "dim"})


def _with_declaration(diagnostic: Diagnostic, decl: ParamDecl) -> Diagnostic:
    """Add a note at the declaration to the diagnostic (N310) of a value of another type."""
    if diagnostic.code != "N310" or diagnostic.span == decl.default.span:
        return diagnostic
    hint = None
    if decl.kind is None and not decl.choices:
        written = decl.default.written
        hint = f"the default implies the type; to allow others, declare `{decl.name}: {{type: …, default: {written}}}`"
    note = Note(f"'{decl.name}' is declared here", decl.span)
    return replace(diagnostic, hint=diagnostic.hint or hint, notes=(*diagnostic.notes, note))
