"""The JSON Schema of a field of a component: its kinds, range, words, lists and members."""

from __future__ import annotations

import math
from typing import Any

from stackc.components.fields import FieldSpec

Json = dict[str, Any]


def ref(name: str) -> Json:
    """Return a reference to a definition of the schema."""
    return {"$ref": f"#/$defs/{name}"}


def sentence(text: str) -> str:
    """Return a phrase as a sentence."""
    return f"{text[0].upper()}{text[1:]}."


def field_schema(spec: FieldSpec) -> Json:
    """Return the schema of a field: a value of its kinds within its range, an expression, or `${…}` for text.

    A field that takes a list accepts a list of such values, besides or instead of a single one.
    """
    variants = _single_values(spec) if spec.single else []
    if spec.listed:
        variants.append({"type": "array", "items": {"anyOf": _single_values(spec.entry(0))}})
    if spec.members:
        variants.append(_members(spec))
    if "none" in spec.kinds and not spec.single:
        variants.append({"type": "null"})

    description = {"description": sentence(spec.doc)} if spec.doc else {}
    field: Json = {"anyOf": variants, **description}
    if spec.required:
        return field
    return {**field, "default": [*spec.default] if isinstance(spec.default, tuple) else spec.default}


def _members(spec: FieldSpec) -> Json:
    """Return the schema of a mapping with the members of a field."""
    return {
        "type": "object",
        "properties": {member.name: field_schema(member) for member in spec.members},
        "required": [member.name for member in spec.members if member.required],
        "additionalProperties": False,
    }


def _single_values(spec: FieldSpec) -> list[Json]:
    """Return the variants of a single value. In a field of numbers, a string is one of the words or an expression."""
    variants: list[Json] = []
    if spec.choices:
        variants += [{"enum": [*spec.choices]}, *([ref("interpolated")] if spec.is_text else [])]
    if spec.kinds & {"int", "float"}:
        variants.append({"type": "number" if "float" in spec.kinds else "integer", **_bounds(spec)})
    if "bool" in spec.kinds:
        variants.append({"type": "boolean"})

    if not spec.is_text:
        variants.append(ref("expression"))
    elif not spec.choices:
        variants.append({"type": "string"})
    if "none" in spec.kinds:
        variants.append({"type": "null"})
    return variants


def _bounds(spec: FieldSpec) -> Json:
    bounds = {
        "minimum": spec.range.minimum,
        "maximum": spec.range.maximum,
        "exclusiveMaximum": spec.range.below,
    }
    finite = {name: end for name, end in bounds.items() if math.isfinite(end)}
    return {name: int(end) if end == int(end) else end for name, end in finite.items()}
