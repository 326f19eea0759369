"""What a key of the language is, and the schemas that several keys share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from stackc.authoring.field_schema import ref

Schema = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Key:
    """One key: its value, described for people and as a JSON Schema, and its meaning."""

    value: str
    meaning: str
    schema: Schema
    default: str = ""
    required: bool = False


def one_or_list(item: Schema, *, empty: bool = False, unique: bool = False) -> Schema:
    """Return the schema of a single item or a list; `empty` allows null, `unique` forbids duplicates."""
    null: list[Schema] = [{"type": "null"}] if empty else []
    uniqueness: Schema = {"uniqueItems": True} if unique else {}
    return {"anyOf": [item, {"type": "array", "items": item, **uniqueness}, *null]}


TEXT: Schema = {"type": "string"}
NODE_ID: Schema = {"type": ["string", "integer"]}
COUNT: Schema = {"anyOf": [ref("size"), {"type": "null"}]}
AXIS: Schema = {"anyOf": [{"type": "integer", "minimum": 0}, ref("expression")]}
SWITCH: Schema = {"anyOf": [{"type": "boolean"}, ref("expression")]}
