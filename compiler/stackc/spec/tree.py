"""What a YAML text says, before anyone asks what it means: scalars, lists and mappings, each with its place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from stackc.diagnostics import Span

Scalar: TypeAlias = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Value:
    """One YAML value. `span` is the place of a scalar, and of the first line of anything longer.

    `block` is the place of the first character of the text of a `|` block, from which its lines count on.
    """

    data: Scalar | tuple[Value, ...] | Mapping[str, Entry]
    span: Span
    block: Span | None = None

    @property
    def kind(self) -> str:
        """What it is, in words for a message."""
        if isinstance(self.data, Mapping):
            return "a mapping"
        if isinstance(self.data, tuple):
            return "a list"
        names = {str: "text", bool: "true or false", int: "a whole number", float: "a number"}
        return names.get(type(self.data), "nothing")


@dataclass(frozen=True, slots=True)
class Entry:
    """The value of a key, and where the key stands."""

    key: Span
    value: Value
