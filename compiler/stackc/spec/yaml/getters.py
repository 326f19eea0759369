"""Typed access to a YAML mapping that reports wrong values and continues.

Each getter reports a diagnostic under the path of the value ("nodes.embed.dim") and then returns a default.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from stackc.core.diagnostics import Collector, Span, closest, did_you_mean
from stackc.spec.yaml.tree import Entry, Value


@dataclass(frozen=True)
class Getter:
    """One mapping of a spec with its path from the root."""

    entries: Mapping[str, Entry]
    path: str
    span: Span
    diagnostics: Collector

    @staticmethod
    def of(value: Value, path: str, diagnostics: Collector, key: Span | None = None) -> Getter:
        """Return the mapping in `value`; an empty one for null, and after reporting S005 for anything else.

        Messages about the whole mapping point at `key`, or else at its first line.
        """
        if isinstance(value.data, Mapping):
            return Getter(value.data, path, key or value.span, diagnostics)
        if value.data is not None:
            _not_a_mapping(value, path, diagnostics)
        return Getter({}, path, key or value.span, diagnostics)

    def at(self, key: str) -> str:
        """Return the path of a key, for messages."""
        return f"{self.path}.{key}" if self.path else key

    def only(self, *known: str) -> Getter:
        """Return the mapping with the known keys only.

        Every other key is reported as S004, and read as the known key that it most likely means, if there is one.
        """
        entries = {key: entry for key, entry in self.entries.items() if key in known}
        where = f" in {self.path}" if self.path else ""
        for key, entry in self.entries.items():
            if key in known:
                continue

            message, hint = f"unknown key '{key}'{where}", did_you_mean(key, known)
            if (intended := closest(key, known)) and intended not in entries:
                self.diagnostics.repair("S004", message, entry.key, hint)
                entries[intended] = entry
                continue

            if not intended and entry.value.data is None:  # `{a, b}` has two keys without values
                hint = f"write a list in square brackets: `[…, {key}]`"
            self.diagnostics.error("S004", message, entry.key, hint)
        return replace(self, entries=entries)

    def value(self, key: str) -> Value | None:
        """Return the value of a key, or None if it is missing."""
        return self.entries[key].value if key in self.entries else None

    def wrong(self, key: str, wanted: str, value: Value, hint: str | None = None) -> None:
        """Report S005: the value of a key is not of the kind that is wanted."""
        self.diagnostics.error("S005", f"{self.at(key)} must be {wanted}, but is {value.kind}", value.span, hint)

    def text(self, key: str) -> str | None:
        """Return a text, or None if the key is missing. Reports S005 for anything else."""
        value = self.value(key)
        if value is None or isinstance(value.data, str):
            return value.data if value and isinstance(value.data, str) else None
        self.wrong(key, "text", value)
        return None

    def values(self, key: str) -> tuple[Value, ...] | None:
        """Return a list; a single value counts as a list of one. Returns None if there is no value."""
        value = self.value(key)
        if value is None or value.data is None:
            return None
        return value.listed

    def texts(self, key: str, wanted: str, hint: str | None = None, *, ids: bool = False) -> tuple[Value, ...]:
        """Return the texts of a list, reporting and leaving out other values; `ids` may be whole numbers."""
        texts = []
        for value in (each.as_id if ids else each for each in self.values(key) or ()):
            if isinstance(value.data, str):
                texts.append(value)
            else:
                self.wrong(key, wanted, value, hint)
        return tuple(texts)

    def inner_keys(self, key: str) -> tuple[str, ...]:
        """Return the keys of the mapping under a key; none for anything else."""
        value = self.value(key)
        return tuple(value.data) if value and isinstance(value.data, Mapping) else ()

    def inner(self, key: str) -> Getter:
        """Return the mapping under a key, empty if it is missing."""
        entry = self.entries.get(key)
        if entry is None:
            return Getter({}, self.at(key), self.span, self.diagnostics)
        return Getter.of(entry.value, self.at(key), self.diagnostics, entry.key)

    def each(self) -> Iterator[tuple[str, Entry, Getter]]:
        """Yield every entry that holds a mapping or null, with its getter; report and skip the others."""
        for key, entry in self.entries.items():
            if isinstance(entry.value.data, Mapping) or entry.value.data is None:
                yield key, entry, Getter.of(entry.value, self.at(key), self.diagnostics, entry.key)
            else:
                _not_a_mapping(entry.value, self.at(key), self.diagnostics)


# The value below each section of a spec, for examples in hints.
_EXAMPLES = {
    "dims": "{min: 1, max: 512}", "params": "128", "inputs": "{shape: [batch, 128]}", "nodes": "{op: linear, out: 128}",
    "blocks": "{inputs: [x], graph: x --> y[gelu]}", "tie": "embed.weight", "reparam": "standardize",
    "map": "encoder.weight", "assert": "{min: 0.95}", "weights": "model.safetensors",
}  # fmt: skip
_NAMES = {"assert": "accuracy", "weights": "file", "tie": "weight", "reparam": "weight"}


def _not_a_mapping(value: Value, path: str, diagnostics: Collector) -> None:
    parent, _, key = path.rpartition(".")
    section = parent.rpartition(".")[2]
    if section in _EXAMPLES:
        hint = f"for example `{key}: {_EXAMPLES[section]}`"
    else:
        hint = f"for example `{key}: {{{_NAMES.get(key, 'NAME')}: {_EXAMPLES.get(key, '…')}}}`"
    message = f"{path or 'a spec'} must be a mapping, but is {value.kind}"
    diagnostics.error("S005", message, value.span, hint if path else "begin with `stackc: 1`")
