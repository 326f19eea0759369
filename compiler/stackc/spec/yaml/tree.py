"""A YAML text as a tree of scalars, lists and mappings, each with its span, before any interpretation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from stackc.core.diagnostics import Span

Scalar: TypeAlias = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Value:
    """One YAML value. `span` covers a scalar, and the first line of anything longer.

    `block` is the location of the first character of a text whose lines are in the file as they are: a text on one
    line, or a `|` block. It is None for a text whose lines YAML joins. Spans do not take part in equality.
    """

    data: Scalar | tuple[Value, ...] | Mapping[str, Entry]
    span: Span = field(compare=False)
    block: Span | None = field(default=None, compare=False)

    @property
    def kind(self) -> str:
        """Its type as messages call it, with an article where there is one."""
        if isinstance(self.data, Mapping):
            return "a mapping"
        if isinstance(self.data, tuple):
            return "a list"
        names = {str: "text", bool: "true or false", int: "a whole number", float: "a number"}
        return names.get(type(self.data), "nothing")

    def texts(self) -> Iterator[str]:
        """Yield every text in it, at any depth."""
        if isinstance(self.data, str):
            yield self.data
        elif isinstance(self.data, Mapping):
            for entry in self.data.values():
                yield from entry.value.texts()
        elif isinstance(self.data, tuple):
            for item in self.data:
                yield from item.texts()

    @property
    def listed(self) -> tuple[Value, ...]:
        """Its entries if it is a list; any other value counts as a list of one."""
        return self.data if isinstance(self.data, tuple) else (self,)

    @property
    def as_id(self) -> Value:
        """A whole number as text, since nodes may be numbered: 22 is the id '22'. Any other value is unchanged."""
        is_number = isinstance(self.data, int) and not isinstance(self.data, bool)
        return replace(self, data=str(self.data)) if is_number else self

    @property
    def written(self) -> str:
        """The scalar as a spec writes it, or the kind of anything else, for messages."""
        if isinstance(self.data, bool):
            return "true" if self.data else "false"
        return str(self.data) if isinstance(self.data, (str, int, float)) else self.kind


@dataclass(frozen=True, slots=True)
class Entry:
    """The value of a key, with the span of the key."""

    key: Span = field(compare=False)
    value: Value
