"""Typed access to a YAML mapping that reports what is wrong with it and goes on.

Each getter notes a diagnostic under the path of the value ("nodes.embed.dim") and returns its default.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

from stackc.diagnostics import Collector, Span, near
from stackc.spec.tree import Entry, Value

T = TypeVar("T")


@dataclass(frozen=True)
class Getter:
    """One mapping of a spec, under its path from the root."""

    entries: Mapping[str, Entry]
    path: str
    span: Span
    found: Collector

    @staticmethod
    def of(value: Value, path: str, found: Collector) -> Getter:
        """The mapping in `value`; empty, with a diagnostic, where it is something else. Nothing written is empty."""
        if isinstance(value.data, Mapping):
            return Getter(value.data, path, value.span, found)
        if value.data is not None:
            found.error("S005", f"{path or 'a spec'} has to be a mapping, and is {value.kind}", value.span)
        return Getter({}, path, value.span, found)

    def at(self, key: str) -> str:
        """The path of a key in messages."""
        return f"{self.path}.{key}" if self.path else key

    def only(self, *known: str) -> None:
        """Every other key is unknown."""
        for key, entry in self.entries.items():
            if key not in known:
                where = f" in {self.path}" if self.path else ""
                self.found.error("S004", f"unknown key '{key}'{where}", entry.key, near(key, known))

    def value(self, key: str) -> Value | None:
        """The value of a key as it is."""
        return self.entries[key].value if key in self.entries else None

    def wrong(self, key: str, wanted: str, value: Value) -> None:
        """Note that a value is of another kind than wanted."""
        self.found.error("S005", f"{self.at(key)} has to be {wanted}, and is {value.kind}", value.span)

    def text(self, key: str) -> str | None:
        """A text, or None where there is none."""
        value = self.value(key)
        if value is None or isinstance(value.data, str):
            return value.data if value and isinstance(value.data, str) else None
        self.wrong(key, "text", value)
        return None

    def whole(self, key: str, default: T, *, least: int) -> int | T:
        """A whole number of at least `least`."""
        value = self.value(key)
        if value is None or value.data is None:
            return default
        if isinstance(value.data, int) and not isinstance(value.data, bool) and value.data >= least:
            return value.data
        self.found.error("S005", f"{self.at(key)} has to be a whole number from {least} up", value.span)
        return default

    def values(self, key: str) -> tuple[Value, ...] | None:
        """A list, or a single value as a list of one; None where the key is missing."""
        value = self.value(key)
        if value is None:
            return None
        return value.data if isinstance(value.data, tuple) else (value,)

    def inner(self, key: str) -> Getter:
        """The mapping under a key, empty where it is missing."""
        value = self.value(key)
        return Getter.of(value, self.at(key), self.found) if value else Getter({}, self.at(key), self.span, self.found)

    def each(self) -> Iterator[tuple[str, Entry, Getter]]:
        """Every entry with the getter of the mapping in it."""
        for key, entry in self.entries.items():
            yield key, entry, Getter.of(entry.value, self.at(key), self.found)
