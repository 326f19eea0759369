"""What a YAML text says, before anyone asks what it means: scalars, lists and mappings, each with its place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from stackc.core.diagnostics import Span

Scalar: TypeAlias = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Value:
    """One YAML value. `span` is the place of a scalar, and of the first line of anything longer.

    `block` is the place of the first character of a text whose lines stand in the file as they are: one on one line, or
    a `|` block. It is None for a text whose lines YAML joins. Places take no part in equality.
    """

    data: Scalar | tuple[Value, ...] | Mapping[str, Entry]
    span: Span = field(compare=False)
    block: Span | None = field(default=None, compare=False)

    @property
    def kind(self) -> str:
        """What it is, in words for a message."""
        if isinstance(self.data, Mapping):
            return "a mapping"
        if isinstance(self.data, tuple):
            return "a list"
        names = {str: "text", bool: "true or false", int: "a whole number", float: "a number"}
        return names.get(type(self.data), "nothing")

    def texts(self) -> Iterator[str]:
        """Every text in it, however deep."""
        if isinstance(self.data, str):
            yield self.data
        elif isinstance(self.data, Mapping):
            for entry in self.data.values():
                yield from entry.value.texts()
        elif isinstance(self.data, tuple):
            for item in self.data:
                yield from item.texts()

    @property
    def written(self) -> str:
        """It as a spec writes it, for a message: a scalar itself, anything longer by its kind."""
        if isinstance(self.data, bool):
            return "true" if self.data else "false"
        return str(self.data) if isinstance(self.data, (str, int, float)) else self.kind


@dataclass(frozen=True, slots=True)
class Entry:
    """The value of a key, and where the key stands."""

    key: Span = field(compare=False)
    value: Value
