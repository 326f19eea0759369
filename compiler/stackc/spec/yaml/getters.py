"""Typed access to a YAML mapping that reports what is wrong with it and goes on.

Each getter notes a diagnostic under the path of the value ("nodes.embed.dim") and returns its default.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from stackc.core.diagnostics import Collector, Span, closest, did_you_mean
from stackc.spec.yaml.tree import Entry, Value


@dataclass(frozen=True)
class Getter:
    """One mapping of a spec, under its path from the root."""

    entries: Mapping[str, Entry]
    path: str
    span: Span
    diagnostics: Collector

    @staticmethod
    def of(value: Value, path: str, diagnostics: Collector, key: Span | None = None) -> Getter:
        """The mapping in `value`; empty, with a diagnostic, where it is something else. Nothing written is empty.

        Messages about the whole of it point at `key`, or else at its first line.
        """
        if isinstance(value.data, Mapping):
            return Getter(value.data, path, key or value.span, diagnostics)
        if value.data is not None:
            _not_a_mapping(value, path, diagnostics)
        return Getter({}, path, key or value.span, diagnostics)

    def at(self, key: str) -> str:
        """The path of a key in messages."""
        return f"{self.path}.{key}" if self.path else key

    def only(self, *known: str) -> Getter:
        """The mapping with these keys alone; every other one is noted, and read as the one that is meant, if any is."""
        entries = {key: entry for key, entry in self.entries.items() if key in known}
        where = f" in {self.path}" if self.path else ""
        for key, entry in self.entries.items():
            if key in known:
                continue
            message, hint = f"unknown key '{key}'{where}", did_you_mean(key, known)
            if (meant := closest(key, known)) and meant not in entries:
                self.diagnostics.repair("S004", message, entry.key, hint)
                entries[meant] = entry
                continue
            if not meant and entry.value.data is None:
                hint = f"a list has brackets: `[…, {key}]`"
            self.diagnostics.error("S004", message, entry.key, hint)
        return replace(self, entries=entries)

    def value(self, key: str) -> Value | None:
        """The value of a key as it is."""
        return self.entries[key].value if key in self.entries else None

    def wrong(self, key: str, wanted: str, value: Value, hint: str | None = None) -> None:
        """Note that a value is of another kind than wanted."""
        self.diagnostics.error("S005", f"{self.at(key)} has to be {wanted}, and is {value.kind}", value.span, hint)

    def text(self, key: str) -> str | None:
        """A text, or None where there is none."""
        value = self.value(key)
        if value is None or isinstance(value.data, str):
            return value.data if value and isinstance(value.data, str) else None
        self.wrong(key, "text", value)
        return None

    def values(self, key: str) -> tuple[Value, ...] | None:
        """A list, or a single value as a list of one; None where there is none."""
        value = self.value(key)
        if value is None or value.data is None:
            return None
        return value.data if isinstance(value.data, tuple) else (value,)

    def texts(self, key: str, wanted: str, hint: str | None = None) -> tuple[Value, ...]:
        """The texts of a list; what is something else is noted and left out."""
        texts = []
        for value in self.values(key) or ():
            if isinstance(value.data, str):
                texts.append(value)
            else:
                self.wrong(key, wanted, value, hint)
        return tuple(texts)

    def inner_keys(self, key: str) -> tuple[str, ...]:
        """The keys of the mapping under a key; none where it is no mapping."""
        value = self.value(key)
        return tuple(value.data) if value and isinstance(value.data, Mapping) else ()

    def inner(self, key: str) -> Getter:
        """The mapping under a key, empty where it is missing."""
        entry = self.entries.get(key)
        if entry is None:
            return Getter({}, self.at(key), self.span, self.diagnostics)
        return Getter.of(entry.value, self.at(key), self.diagnostics, entry.key)

    def each(self) -> Iterator[tuple[str, Entry, Getter]]:
        """Every entry that holds a mapping, or nothing, with the getter of it; others are noted and left out."""
        for key, entry in self.entries.items():
            if isinstance(entry.value.data, Mapping) or entry.value.data is None:
                yield key, entry, Getter.of(entry.value, self.at(key), self.diagnostics, entry.key)
            else:
                _not_a_mapping(entry.value, self.at(key), self.diagnostics)


# What stands under the keys of a spec, for the examples in messages.
_EXAMPLES = {
    "dims": "{min: 1, max: 512}", "params": "128", "inputs": "{shape: [batch, 128]}", "nodes": "{op: linear, out: 128}",
    "blocks": "{inputs: [x], graph: x --> y[gelu]}", "tie": "embed.weight", "reparam": "standardize",
    "map": "encoder.weight", "weights": "model.safetensors",
}  # fmt: skip


_NAMES = {"weights": "file", "tie": "weight", "reparam": "weight"}


def _not_a_mapping(value: Value, path: str, diagnostics: Collector) -> None:
    above, _, key = path.rpartition(".")
    if above.rpartition(".")[2] in _EXAMPLES:
        hint = f"for example `{key}: {_EXAMPLES[above.rpartition('.')[2]]}`"
    else:
        hint = f"for example `{key}: {{{_NAMES.get(key, 'NAME')}: {_EXAMPLES.get(key, '…')}}}`"
    message = f"{path or 'a spec'} has to be a mapping, and is {value.kind}"
    diagnostics.error("S005", message, value.span, hint if path else "it begins with `stackc: 1`")
