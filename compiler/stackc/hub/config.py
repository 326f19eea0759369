"""A config.json: its keys, and where they stand in the file."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Set
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from stackc.core.diagnostics import Diagnostic, Span, SpecError
from stackc.core.special_files import special_kind

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"

CONFIG = "config.json"
MAX_BYTES = 16 * 1024 * 1024


class Absent:
    """The value of a key that a config does not have."""


ABSENT = Absent()


@dataclass(frozen=True)
class ModelConfig:
    """The keys of a config.json; a nested key is written with dots, and an entry of a list by its number."""

    file: str
    text: str
    keys: dict[str, Json]

    def value(self, key: str) -> Json | Absent:
        """Return the value of a key, or ABSENT."""
        return nested_value(self.keys, key)

    def places(self) -> Iterator[str]:
        """Yield where a config begins: "" for this one, and `text_config.` and the like for those inside of it."""
        yield ""
        inside = (key for key, value in self.keys.items() if key.endswith("_config") and isinstance(value, dict))
        yield from (f"{key}." for key in inside)

    def unexplained(self, known: Set[str]) -> Iterator[str]:
        """Yield the keys that are not among the known ones; one is looked into if a key inside of it is known."""
        inside = {name[: end.start()] for name in known for end in re.finditer(r"\.", name)}
        yield from _unexplained(self.keys, "", known, inside)

    def span(self, key: str) -> Span:
        """Return where a key stands in the file; the file if it does not, or is written in another way."""
        written = json.dumps(key.rpartition(".")[2], ensure_ascii=False)
        match = re.search(rf"^[ \t]*({re.escape(written)})\s*:", self.text, re.MULTILINE)
        if match is None:
            return Span(self.file, 0)
        line = self.text.count("\n", 0, match.start(1)) + 1
        column = match.start(1) - self.text.rfind("\n", 0, match.start(1))
        return Span(self.file, line, column, column + len(written))


def read_config(path: Path) -> ModelConfig:
    """Read a config.json. Raises SpecError: H901 if there is none, H902 if it is no JSON object."""
    text = _read_text(path)
    try:
        keys = json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        span = Span(str(path), error.lineno, error.colno) if isinstance(error, json.JSONDecodeError) else None
        reason = error.msg if isinstance(error, json.JSONDecodeError) else "it is nested too deep"
        hint = "is the file whole? Compare its size with the original"
        raise SpecError(Diagnostic("H902", f"{path} is not JSON: {reason}", span, hint)) from None
    if not isinstance(keys, dict):
        message = f"{path} is not the config of a model: it holds {json_kind(keys)} instead of keys"
        raise SpecError(Diagnostic("H902", message, Span(str(path), 1)))
    return ModelConfig(str(path), text, _without_overrides(keys))


def _without_overrides(keys: dict[str, Json]) -> dict[str, Json]:
    """Return the keys of a config with `text_config_dict` in the place of `text_config`, and others like it.

    In early configs of CLIP and its kin it says what differs from the defaults of the class, and alone counts.
    """
    overrides = {key.removesuffix("_dict"): value for key, value in keys.items() if key.endswith("_config_dict")}
    counting = {key: value for key, value in overrides.items() if value is not None}
    return {key: value for key, value in keys.items() if not key.endswith("_config_dict")} | counting


def _read_text(path: Path) -> str:
    if kind := special_kind(path):
        raise SpecError(Diagnostic("H902", f"{path} cannot be read: it is {kind}"))
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            raise SpecError(Diagnostic("H902", f"{path} is no config: it has more than {MAX_BYTES:,} bytes"))
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        message = f"{path} is not UTF-8 text: {error.reason} at byte {error.start}"
        raise SpecError(Diagnostic("H902", message)) from None
    except OSError as error:
        raise SpecError(Diagnostic("H902", f"{path} cannot be read: {error.strerror}")) from None


def nested_value(keys: Json, key: str) -> Json | Absent:
    """Return the value at a path such as `rope_parameters.rope_theta` or `depths.0`; ABSENT if there is none."""
    value = keys
    for part in key.split("."):
        if isinstance(value, dict) and part in value:
            value = value[part]
        elif isinstance(value, list) and part.isdecimal() and int(part) < len(value):
            value = value[int(part)]
        else:
            return ABSENT
    return value


def _unexplained(value: Json, path: str, known: Set[str], inside: Set[str]) -> Iterator[str]:
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for part, entry in entries:
        key = f"{path}.{part}" if path else str(part)
        if key in known:
            continue
        if key in inside and (entry is None or isinstance(entry, (dict, list))):
            yield from _unexplained(entry, key, known, inside)
        else:
            yield key


def json_kind(value: object) -> str:
    """Return what a value of a config is, for messages."""
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    if value is None:
        return "null"
    if isinstance(value, bool):
        return json.dumps(value)
    return f"the text '{value}'" if isinstance(value, str) else f"the number {value}"
