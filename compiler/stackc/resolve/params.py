"""The params of a spec or a block: their types, as declared or as the default has it, and the values they are given."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from stackc.components.fields import FieldSpec, Range, either
from stackc.core.diagnostics import Collector, Diagnostic, Note, Span, SpecError, did_you_mean
from stackc.core.types import Dim
from stackc.resolve.fields import decode
from stackc.resolve.scope import Scope, scalar
from stackc.spec.document import ParamDecl
from stackc.spec.expressions.expressions import ParamValue, interpolate
from stackc.spec.yaml.tree import Entry, Value

_KINDS: Mapping[type, str] = {bool: "bool", int: "int", Dim: "int", float: "float", str: "text"}


@dataclass(frozen=True, slots=True)
class Binding:
    """Who takes params, for messages: `what` it is, and how a value is given. `span` is the place that leaves one out;
    without it, that is the declaration. A `silent` one says nothing of params that are left out: those that are
    given and unknown are them, misspelt.
    """

    what: str
    span: Span | None
    hint: str
    silent: bool = False


def bind_params(
    decls: Mapping[str, ParamDecl], given: Mapping[str, Entry], outer: Scope, inner: Scope, binding: Binding
) -> dict[str, ParamValue] | None:
    """The values of params: given ones are read in `outer`, defaults in `inner`, where earlier params are known.

    They are known to given ones as well where both scopes are one. Notes N312 for a name that is no param, N311 for a
    param without a value and N310 for a value of another type, which leaves no binding at all.
    """
    diagnostics = outer.diagnostics
    for name in given:
        if name not in decls:
            hint = did_you_mean(name, decls) or "it has no params"
            diagnostics.error("N312", f"{binding.what} has no param '{name}'", given[name].key, hint)
    unknown = given.keys() - decls
    bound = _bound(decls, given, outer, inner, replace(binding, silent=bool(unknown)))
    return bound if len(bound) == len(decls) else None


def known_params(decls: Mapping[str, ParamDecl], given: Mapping[str, Entry], scope: Scope) -> dict[str, ParamValue]:
    """Those params of a spec that have a value as far as `scope` tells; nothing is noted of the others."""
    quiet = replace(scope, diagnostics=Collector())
    return _bound(decls, given, quiet, quiet, Binding("the spec", None, ""))


def _bound(
    decls: Mapping[str, ParamDecl], given: Mapping[str, Entry], outer: Scope, inner: Scope, binding: Binding
) -> dict[str, ParamValue]:
    bound: dict[str, ParamValue] = {}
    names = dict(inner.names)
    scope = replace(inner, names=names)  # in which every param stands as soon as it is bound
    for name, decl in decls.items():
        try:
            value = default_of(decl, scope)
            if name in given:
                kind = decl.kind or _KINDS.get(type(value))
                value = _read(decl, kind, given[name].value, scope if outer is inner else outer, binding.what)
        except SpecError as error:
            outer.diagnostics.extend(error)
            continue
        if value is not None:
            bound[name] = names[name] = value
        elif not binding.silent or name in given:
            span = given[name].key if name in given else binding.span or decl.span
            outer.diagnostics.error(
                "N311", f"{binding.what} needs a value for '{name}'", span, binding.hint.format(name=name)
            )
    return bound


def text_places(
    decls: Mapping[str, ParamDecl], given: Mapping[str, Entry], params: Mapping[str, ParamValue]
) -> dict[str, Span]:
    """Where each param that stands for a text has it from, unless its declaration asks for a text."""
    texts = [name for name, value in params.items() if isinstance(value, str) and decls[name].kind is None]
    texts = [name for name in texts if not decls[name].choices]
    return {name: (given[name].value if name in given else decls[name].default).span for name in texts}


def default_of(decl: ParamDecl, scope: Scope) -> ParamValue:
    """The default of a param, None where it has none. Raises SpecError."""
    return _read(decl, decl.kind, decl.default, scope, f"the default of '{decl.name}'")


def is_text(decl: ParamDecl) -> bool:
    """Whether the param takes text, as far as its declaration tells."""
    return decl.kind == "text" or (decl.kind is None and isinstance(decl.default.data, str))


def _read(decl: ParamDecl, kind: str | None, value: Value, scope: Scope, what: str) -> ParamValue:
    """A value for the param: a text for text, else an expression. Raises SpecError, N310 for one of another type."""
    if value.data is None:
        return None
    if kind is None and not decl.choices:
        return _untyped(value, scope)
    try:
        return _typed(decl, kind, value, scope, what)
    except SpecError as error:
        raise SpecError(*(_declared(diagnostic, decl) for diagnostic in error.diagnostics)) from None


def _untyped(value: Value, scope: Scope) -> ParamValue:
    """A value of which nobody says what it should be: a name stands for its value, any other text for itself."""
    if not isinstance(value.data, str):
        return scalar(value)
    return scope.number(value) if value.data in scope.names else interpolate(value.data, scope.names, value.span)


def _typed(decl: ParamDecl, kind: str | None, value: Value, scope: Scope, what: str) -> ParamValue:
    words = tuple(choice for choice in decl.choices if isinstance(choice, str))
    numbers = [choice for choice in decl.choices if not isinstance(choice, str)]
    low = -math.inf if decl.minimum is None else decl.minimum
    high = math.inf if decl.maximum is None else decl.maximum
    taken = FieldSpec(decl.name, _kinds(decl, kind), words, Range(low, high), "", True, None)
    decoded = decode(taken, value, scope, what)
    if numbers and decoded not in decl.choices:
        message = f"{what}: {decl.name} has to be {either([*map(str, decl.choices)])}; it is {decoded}"
        raise SpecError(Diagnostic("N310", message, value.span))
    assert isinstance(decoded, (str, int, float, Dim)), "no param is a list"
    return decoded


def _kinds(decl: ParamDecl, kind: str | None) -> frozenset[str]:
    """What a field that took the values of this param would take. A whole number without bounds may be a dim."""
    if kind is None:
        types = {type(choice) for choice in decl.choices} - {str}
        return frozenset({"float"} if float in types else {"int"} if types else ())
    if kind == "text":
        return frozenset(() if decl.choices else {"str"})
    bounded = decl.choices or decl.minimum is not None or decl.maximum is not None
    return frozenset({kind} if kind != "int" or bounded else {"int", "dim"})


def _declared(diagnostic: Diagnostic, decl: ParamDecl) -> Diagnostic:
    """The diagnostic of a value of another type, with the place that asks for that type."""
    if diagnostic.code != "N310" or diagnostic.span == decl.default.span:
        return diagnostic
    hint = None
    if decl.kind is None and not decl.choices:
        hint = f"its default says so; for others, `{decl.name}: {{type: …, default: {decl.default.written}}}`"
    note = Note(f"'{decl.name}' is declared here", decl.span)
    return replace(diagnostic, hint=diagnostic.hint or hint, notes=(*diagnostic.notes, note))
