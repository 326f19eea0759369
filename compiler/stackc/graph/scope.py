"""Names and their values while a spec is resolved: params, dims, and the fields of a node written with them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from stackc.components.base import Component
from stackc.components.fields import fields_of
from stackc.diagnostics import Collector, Span, SpecError, near
from stackc.spec.document import BlockDecl, ParamDecl
from stackc.spec.expressions import Bound, evaluate, interpolate
from stackc.spec.tree import Entry, Value


@dataclass(frozen=True)
class Scope:
    """What the names mean at one place of a spec: params and dims, and blocks; problems are noted in `found`."""

    names: Mapping[str, Bound]
    blocks: Mapping[str, BlockDecl]
    found: Collector

    def with_names(self, names: Mapping[str, Bound]) -> Scope:
        """This scope with more names, which hide those of the same spelling."""
        return replace(self, names={**self.names, **names})

    def text(self, value: Value, what: str) -> str | None:
        """A text with its `${…}` replaced; None, noted, where it is no text."""
        if not isinstance(value.data, str):
            self.found.error("S005", f"{what} has to be text, and is {value.kind}", value.span)
            return None
        try:
            return str(interpolate(value.data, self.names, value.span))
        except SpecError as error:
            self.found.extend(error)
            return None

    def number(self, value: Value) -> Bound:
        """A number, or a text taken as an expression. Raises SpecError."""
        if isinstance(value.data, str):
            text = value.data[2:-1] if value.data.startswith("${") and value.data.endswith("}") else value.data
            return evaluate(text, self.names, value.span)
        return _scalar(value)

    def value(self, value: Value, like: Bound) -> Bound:
        """A value for a param whose default is `like`: text for text, else an expression. Raises SpecError."""
        if isinstance(like, str) and isinstance(value.data, str):
            return interpolate(value.data, self.names, value.span)
        if isinstance(value.data, str) and (like is not None or value.data in self.names):
            return self.number(value)
        return interpolate(value.data, self.names, value.span) if isinstance(value.data, str) else _scalar(value)


def _scalar(value: Value) -> Bound:
    assert not isinstance(value.data, (tuple, Mapping)), "the reader lets scalars alone pass here"
    return value.data


def bind_params(
    decls: Mapping[str, ParamDecl], given: Mapping[str, Entry], outer: Scope, inner: Scope, what: str, span: Span
) -> dict[str, Bound]:
    """The values of params: given ones are read in `outer`, defaults in `inner`, where earlier params are known.

    Notes N312 for a name that is no param and N311 for a param without a value.
    """
    found = outer.found
    for name in given:
        if name not in decls:
            found.error("N312", f"{what} has no param '{name}'", given[name].key, near(name, decls))
    bound: dict[str, Bound] = {}
    for name, decl in decls.items():
        try:
            default = inner.with_names(bound).value(decl.default, None)
            bound[name] = outer.value(given[name].value, default) if name in given else default
        except SpecError as error:
            found.extend(error)
            bound[name] = None
            continue
        if bound[name] is None:
            found.error("N311", f"{what} needs a value for '{name}'", span, f"write `{name}: …`")
    return bound


def component_of(
    op: type[Component], given: Mapping[str, Entry], scope: Scope, what: str, span: Span
) -> Component | None:
    """The component, its fields decoded; None, noted, where one is unknown (N309), missing (N311) or wrong (N310)."""
    specs, found, values, sound = fields_of(op), scope.found, {}, True
    for name, entry in given.items():
        if name not in specs:
            found.error("N309", f"{what} ({op.op}) has no field '{name}'", entry.key, near(name, specs))
            sound = False
            continue
        try:
            values[name] = specs[name].decode(_field_value(entry.value, specs[name].is_text, scope))
        except SpecError as error:
            found.extend(error)
            sound = False
        except ValueError as error:
            found.error("N310", f"{what}: {error}", entry.value.span)
            sound = False
    missing = [name for name, spec in specs.items() if spec.required and name not in given]
    for name in missing:
        found.error("N311", f"{what} ({op.op}) needs the field '{name}'", span, specs[name].doc or f"write `{name}: …`")
    return op(**values) if sound and not missing else None


def _field_value(value: Value, is_text: bool, scope: Scope) -> object:
    if isinstance(value.data, (tuple, Mapping)):
        raise ValueError(f"a single value is wanted here, not {value.kind}")
    if is_text and isinstance(value.data, str):
        return interpolate(value.data, scope.names, value.span)
    return scope.number(value)
