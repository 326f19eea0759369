"""The text of a spec with other values in it: defaults of params, the name, the file of weights. All else stays."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

from stackc.core.diagnostics import Span
from stackc.hub.config_params import ParamSetting
from stackc.spec.document import Document
from stackc.spec.yaml.tree import Entry, Value
from stackc.spec.yaml.yaml_reader import parse_scalar, read_yaml


@dataclass(frozen=True, slots=True, order=True)
class _Edit:
    """A replacement of the characters from `start` to `end`."""

    start: int
    end: int
    text: str


def with_settings(
    text: str, document: Document, params: Mapping[str, ParamSetting], name: str, weights: Mapping[str, str]
) -> str:
    """Return the text of a spec with other defaults of params, another name, and entries of its `weights`.

    Requires the text that the document was parsed from. Comments, the order of keys, and whatever is not set stay.
    """
    offsets = _Offsets(text)
    root = read_yaml(text, file=document.file).data
    assert isinstance(root, Mapping), "the spec was parsed"

    edits = [offsets.replace(document.params[param].default, value) for param, value in params.items()]
    if "name" in root:
        edits.append(offsets.replace(root["name"].value, name))
    else:
        edits.append(_new_line(offsets.after_line(root["stackc"].key), f"name: {_scalar_text(name)}"))
    edits += _weight_edits(root.get("weights"), weights, offsets)

    for edit in sorted(edits, reverse=True):
        text = text[: edit.start] + edit.text + text[edit.end :]
    return text


def _weight_edits(entry: Entry | None, weights: Mapping[str, str], offsets: _Offsets) -> list[_Edit]:
    """Return the edits that set entries of `weights`, in whichever style it is written."""
    if entry is None or not isinstance(entry.value.data, Mapping):
        values = ", ".join(f"{key}: {_scalar_text(value)}" for key, value in weights.items())
        start = len(offsets.text.rstrip("\n"))
        return [_Edit(start, len(offsets.text), f"\nweights: {{{values}}}\n")] if weights else []

    written, edits, new = entry.value.data, [], list[str]()
    for key, value in weights.items():
        if key in written:
            edits.append(offsets.replace(written[key].value, value))
        else:
            new.append(f"{key}: {_scalar_text(value)}")

    start = offsets.at(entry.value.span)
    if offsets.text[start] == "{":
        edits.append(_Edit(start + 1, start + 1, "".join(f"{line}, " for line in new)))
    else:
        first = min(inner.key for inner in written.values())
        indent = " " * (first.column - 1)
        edits.append(_Edit(start - first.column + 1, start - first.column + 1, "".join(f"{indent}{n}\n" for n in new)))
    return edits


def _new_line(start: int, line: str) -> _Edit:
    return _Edit(start, start, f"{line}\n")


@dataclass(frozen=True)
class _Offsets:
    """Places in a text, by line and column."""

    text: str

    def at(self, span: Span) -> int:
        """Return the offset of the first character of a span."""
        lines = self.text.split("\n")
        return sum(len(line) + 1 for line in lines[: span.line - 1]) + span.column - 1

    def after_line(self, span: Span) -> int:
        """Return the offset of the line below a span."""
        return self.text.index("\n", self.at(span)) + 1

    def replace(self, value: Value, setting: ParamSetting) -> _Edit:
        """Return the edit that writes another value in place of one."""
        start = self.at(value.span)
        if isinstance(value.data, tuple):
            return _Edit(start, _end_of_list(self.text, start), _setting_text(setting))
        return _Edit(start, start + value.span.end - value.span.column, _setting_text(setting))


def _end_of_list(text: str, start: int) -> int:
    """Return the offset behind the bracket that closes a list; its items hold no brackets in quotes."""
    assert text[start] == "[", "a list that is the default of a param stands in brackets"
    depth = 0
    for match in re.finditer(r"[\[\]]", text[start:]):
        depth += 1 if match[0] == "[" else -1
        if not depth:
            return start + match.end()
    raise AssertionError("the spec was parsed")


def _setting_text(value: ParamSetting) -> str:
    return f"[{', '.join(map(_setting_text, value))}]" if isinstance(value, list) else _scalar_text(value)


def _scalar_text(value: str | int | float | bool | None) -> str:
    """Write a scalar as YAML: a text in quotes if it would be read as something else."""
    if not isinstance(value, str):
        return json.dumps(value)
    is_plain = re.fullmatch(r"[^\W\d][\w.-]*|[\w.-]*/[\w./-]*", value) and parse_scalar(value) == value
    return value if is_plain else json.dumps(value, ensure_ascii=False)
