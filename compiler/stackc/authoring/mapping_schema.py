"""The JSON Schema of mappings of the language, from the tables of their keys."""

from __future__ import annotations

from collections.abc import Mapping

from stackc.authoring.field_schema import Json, sentence
from stackc.authoring.reference.key import Key


def key_schema(key: Key) -> Json:
    """Return the schema of a key, with its meaning and its default."""
    default = f" Default: {key.default}." if key.default else ""
    return {**key.schema, "description": f"{sentence(key.meaning)}{default}"}


def mapping_schema(keys: Mapping[str, Key]) -> Json:
    """Return the schema of a mapping with these keys and no others."""
    return {
        "type": "object",
        "properties": {name: key_schema(key) for name, key in keys.items()},
        "required": [name for name, key in keys.items() if key.required],
        "additionalProperties": False,
    }
