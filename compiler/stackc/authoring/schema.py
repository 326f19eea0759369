"""The JSON Schema (2020-12) of a YAML spec, for editors: completion, hover, red lines.

It accepts every valid spec. `stackc check` covers what a schema cannot express (names, arrows, shapes). If only the
drawing has the op of a node, the schema allows the fields of all components in its entry.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Set
from inspect import getdoc
from typing import Any

from stackc.authoring.reference.keys import (
    BLOCK,
    CUSTOM,
    DIM,
    INPUT,
    NODE,
    OUTPUT,
    PARAM,
    REFERENCE,
    SPEC,
    STACK,
    WEIGHTS,
    Key,
)
from stackc.components import REGISTRY
from stackc.components.base import Component
from stackc.components.families.merge import MERGES
from stackc.components.fields import FieldSpec, fields_of
from stackc.components.plugins import load_plugins
from stackc.components.reparam import REPARAMS, MinMax, Reparam
from stackc.core.types import FLOATS, INPUT_DTYPES
from stackc.spec.expressions.expressions import MAX_LENGTH
from stackc.spec.names import EXPRESSION_WORDS, MERMAID_WORDS, MODULE_NAMES
from stackc.spec.params import KINDS

Json = dict[str, Any]

DIALECT = "https://json-schema.org/draft/2020-12/schema"
SPECIAL = {
    "stack": ("Composes sub-models: one repeated, or different ones, in series or side by side.", STACK),
    "torch": ("A custom torch.nn.Module; its other fields are the arguments of its constructor.", CUSTOM),
}
"""The ops that are not components: their meaning and their keys."""


def schema() -> Json:
    """Return the schema of a spec, its parts under `$defs`; `op.NAME` has the fields of a component."""
    load_plugins()
    return {
        "$schema": DIALECT,
        "title": "stackc spec",
        "description": "A neural-network graph that stackc compiles to ONNX.",
        **_mapping(SPEC),
        "$defs": {**_scalars(), **_sections(), **_nodes_and_ops(), **_fields_of_ops()},
    }


def _scalars() -> Json:
    """Return the definitions of single values and of names."""
    return {
        "expression": {
            "type": "string",
            "minLength": 1,
            "maxLength": MAX_LENGTH,
            "description": "an expression over params and dims, such as `4*dim`",
        },
        "interpolated": {"type": "string", "pattern": r"\$\{", "description": "text with `${name}` in it"},
        "size": {"anyOf": [{"type": "integer", "minimum": 1}, _ref("expression")]},
        "texts": {"type": ["object", "null"], "additionalProperties": {"type": "string"}},
        "name": _name(MODULE_NAMES | MERMAID_WORDS, r"^[^\s.]+$"),
        "symbol": _name(EXPRESSION_WORDS, r"^[^\s.\-]+$"),
        "block_name": _name(MODULE_NAMES | MERMAID_WORDS | REGISTRY.keys() | SPECIAL.keys(), r"^[^\s.]+$"),
    }


def _sections() -> Json:
    """Return the definitions of the top-level sections of a spec."""
    return {
        "params": _named(_param(), "symbol"),
        "dims": _named(_mapping(DIM), "symbol"),
        "inputs": {**_named(_input()), "type": "object", "minProperties": 1},
        "blocks": _named(_block(), "block_name"),
        "nodes": _named(_ref("node")),
        "outputs": _outputs(),
        "weights": {**_mapping(WEIGHTS), "type": ["object", "null"]},
        "reference": _mapping(REFERENCE),
    }


def _nodes_and_ops() -> Json:
    """Return the definitions of a node's entry and of its parts."""
    return {
        "op": _op(),
        "node": _node(),
        "member": _member(),
        "merge": _merge(),
        "reparams": {"type": ["object", "null"], "additionalProperties": _ref("reparam")},
        "reparam": _reparam(),
    }


def _fields_of_ops() -> Json:
    """Return a definition of the fields of each op."""
    special = {
        f"op.{op}": {"description": meaning, "properties": {name: _key(key) for name, key in keys.items()}}
        for op, (meaning, keys) in SPECIAL.items()
    }
    return special | {f"op.{op}": _fields(component) for op, component in REGISTRY.items()}


# -- mappings of the language


def _ref(name: str) -> Json:
    return {"$ref": f"#/$defs/{name}"}


def _key(key: Key) -> Json:
    default = f" Default: {key.default}." if key.default else ""
    return {**key.schema, "description": f"{_sentence(key.meaning)}{default}"}


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."


def _mapping(keys: Mapping[str, Key]) -> Json:
    """Return the schema of a mapping with these keys and no others."""
    return {
        "type": "object",
        "properties": {name: _key(key) for name, key in keys.items()},
        "required": [name for name, key in keys.items() if key.required],
        "additionalProperties": False,
    }


def _named(value: Json, names: str = "name") -> Json:
    """Return the schema of a mapping from user-defined names; a value may be null if none of its keys is required."""
    if value.get("type") == "object" and not value["required"]:
        value = {**value, "type": ["object", "null"]}
    return {"type": ["object", "null"], "propertyNames": _ref(names), "additionalProperties": value}


def _input() -> Json:
    """Return the schema of an input: which of its bounds exclude each other, and what they need of its dtype."""
    integer = {"required": ["dtype"], "properties": {"dtype": {"enum": [d for d in INPUT_DTYPES if d not in FLOATS]}}}
    unordered = {"if": _has_dtype("bool"), "then": {"not": {"anyOf": [{"required": ["min"]}, {"required": ["max"]}]}}}
    clashes = [("min", "values"), ("max", "values"), ("below", "values"), ("max", "below")]
    return {
        **_mapping(INPUT),
        "dependentSchemas": {"below": integer},
        "not": {"anyOf": [{"required": [*clash]} for clash in clashes]},
        "allOf": [unordered, *({"if": _has_dtype(dtype), "then": _bounds_of(dtype)} for dtype in INPUT_DTYPES)],
    }


def _has_dtype(dtype: str) -> Json:
    """Return the schema of an input with this element type, which float32 is by default."""
    written = {"properties": {"dtype": {"const": dtype}}}
    return written if dtype in FLOATS else {"required": ["dtype"], **written}


def _bounds_of(dtype: str) -> Json:
    """Return the schema of the values and bounds that an input of this element type may have."""
    types = ["number"] if dtype in FLOATS else ["boolean", "integer"] if dtype == "bool" else ["integer"]
    number = {"anyOf": [{"type": [*types, "array", "null"], "items": {"type": [*types, "string"]}}, _ref("expression")]}
    return {"properties": dict.fromkeys(("min", "max", "values"), number)}


def _param() -> Json:
    """Return the schema of a param: a default, a type, or a mapping from which its type is clear."""
    typed = [{"required": [key]} for key in ("type", "default", "choices", "min", "max")]
    plain = {"type": ["string", "number", "boolean", "null"]}
    return {"anyOf": [{"enum": [*KINDS]}, plain, {**_mapping(PARAM), "anyOf": typed}]}


def _name(reserved: Set[str], pattern: str) -> Json:
    return {"type": "string", "pattern": pattern, "not": {"enum": sorted(reserved)}}


def _block() -> Json:
    """Return the schema of a block, whose outputs say nothing of NaN and Inf: those of the model do."""
    block = _mapping(BLOCK)
    finite = {"not": {"type": "object", "required": ["nonfinite"]}}
    outputs = {**_outputs(), "additionalProperties": finite}
    return {**block, "properties": {**block["properties"], "outputs": outputs}}


def _outputs() -> Json:
    named = {"type": "object", "additionalProperties": {"anyOf": [{"type": "string"}, _mapping(OUTPUT)]}}
    return {
        "anyOf": [
            {"type": ["string", "null"]},
            {"type": "array", "items": {"type": "string"}, "uniqueItems": True},
            named,
        ]
    }


# -- nodes and what they are


def _op() -> Json:
    """Return the schema of an op: any text, because blocks are ops, but components are listed for completion."""
    meanings = {op: _summary(component) for op, component in REGISTRY.items()}
    meanings |= {op: meaning for op, (meaning, _) in SPECIAL.items()}
    return {"anyOf": [*({"const": op, "description": meanings[op]} for op in sorted(meanings)), {"type": "string"}]}


def _summary(component: type[Component | Reparam]) -> str:
    return (getdoc(component) or "").partition("\n\n")[0].replace("\n", " ")


def _node() -> Json:
    """Return the schema of a node's entry: the fields of its op if the entry names it, otherwise those of any op."""
    ops_by_field: dict[str, list[str]] = {}
    for op in sorted([*REGISTRY, *SPECIAL]):
        for name in _keys_of(op):
            ops_by_field.setdefault(name, []).append(op)
    any_field = {name: {"description": f"A field of {', '.join(ops)}."} for name, ops in ops_by_field.items()}

    return {
        "type": ["object", "null"],
        "properties": {name: _key(key) for name, key in NODE.items()},
        "allOf": [
            {"if": {"not": {"required": ["op"]}}, "then": {"properties": any_field}},
            {"if": _implied_stack(), "then": _ref("op.stack")},
            *_rules_by_op([*NODE], require_fields=True, unless={"required": ["same_as"]}),
        ],
    }


def _implied_stack() -> Json:
    """Return a condition: an entry without `op` whose `of` is not the dotted name of a class belongs to a stack."""
    file = {"pattern": r"\.(ya?ml|mmd|mermaid|md)$"}
    class_name = {"type": "string", "pattern": r"^\w+(\.\w+)+$", "not": file}
    of = {"type": ["string", "array", "object"], "not": class_name}
    return {"required": ["of"], "not": {"required": ["op"]}, "properties": {"of": of}}


def _member() -> Json:
    """Return the schema of a sub-model of a stack: an op, or a mapping with its fields.

    No field is required here, because `with` of the stack may supply it.
    """
    op = {"op": {**_key(NODE["op"])}}
    rules = _rules_by_op(["op"], require_fields=False)
    return {"anyOf": [_ref("op"), {"type": "object", "required": ["op"], "properties": op, "allOf": rules}]}


def _rules_by_op(common_keys: list[str], *, require_fields: bool, unless: Json | None = None) -> list[Json]:
    """Return a rule for each op: an entry with that `op` may have its fields and `common_keys`, and no other keys."""
    rules = []
    for op in [*REGISTRY, *SPECIAL]:
        then = _ref(f"op.{op}")
        if op != "torch":  # a class accepts the arguments of its constructor, which are not known here
            then["propertyNames"] = {"enum": [*_keys_of(op), *common_keys]}
        if require_fields and (required := _required_keys(op)):
            then["required"] = required

        condition: Json = {"properties": {"op": {"const": op}}, "required": ["op"]}
        rules.append({"if": condition | ({"not": unless} if unless else {}), "then": then})
    return rules


def _keys_of(op: str) -> Mapping[str, Key | FieldSpec]:
    """Return the keys that an entry with this op may have in addition to those of any entry."""
    return SPECIAL[op][1] if op in SPECIAL else fields_of(REGISTRY[op])


def _required_keys(op: str) -> list[str]:
    return [name for name, key in _keys_of(op).items() if key.required]


def _merge() -> Json:
    """Return the schema of `merge`: a word, or a mapping with options."""
    words = [*MERGES]
    fields: Json = {}
    for op in MERGES.values():
        fields |= _fields(REGISTRY[op])["properties"]
    properties = {"op": {"enum": words}, **fields}
    mapping = {"type": "object", "properties": properties, "required": ["op"], "additionalProperties": False}
    return {"anyOf": [{"enum": words}, _ref("interpolated"), mapping]}


def _reparam() -> Json:
    """Return the schema of a reparametrization: its name, or a mapping from its name to its options."""
    kinds = {
        name: {**_reparam_options(reparam), "description": _summary(reparam)} for name, reparam in REPARAMS.items()
    }
    mapping = {"type": "object", "properties": kinds, "additionalProperties": False}
    return {"anyOf": [{"enum": [*kinds]}, _ref("interpolated"), {**mapping, "minProperties": 1, "maxProperties": 1}]}


def _reparam_options(reparam: type[Reparam]) -> Json:
    if reparam is MinMax:
        bounds = {"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2}
        return {"anyOf": [bounds, {"type": "null"}]}
    options = {field.name: _option(field) for field in dataclasses.fields(reparam)}
    return {"type": ["object", "null"], "properties": options, "additionalProperties": False}


def _option(field: dataclasses.Field[Any]) -> Json:
    """Return the schema of an option: axes, an axis counted from either end, or a number that is not negative."""
    if field.name == "axes":
        axes = {"type": "array", "items": {"type": "integer"}}
        return {"anyOf": [{"const": "all"}, {"type": ["integer", "null"]}, axes]}
    number = {"type": "integer" if isinstance(field.default, int) else "number"}
    bounds = {} if field.name == "axis" else {"minimum": 0}
    return {"anyOf": [number | bounds, _ref("expression")], "default": field.default}


# -- fields of components


def _fields(component: type[Component]) -> Json:
    properties = {name: field_schema(spec) for name, spec in fields_of(component).items()}
    return {"description": getdoc(component), "properties": properties}


def field_schema(spec: FieldSpec) -> Json:
    """Return the schema of a field: a value of its kinds within its range, an expression, or `${…}` for text.

    A field that takes a list accepts a list of such values, besides or instead of a single one.
    """
    variants = _single_values(spec) if spec.single else []
    if spec.listed:
        variants.append({"type": "array", "items": {"anyOf": _single_values(spec.entry(0))}})

    description = {"description": _sentence(spec.doc)} if spec.doc else {}
    field: Json = {"anyOf": variants, **description}
    if spec.required:
        return field
    return {**field, "default": [*spec.default] if isinstance(spec.default, tuple) else spec.default}


def _single_values(spec: FieldSpec) -> list[Json]:
    """Return the variants of a single value. In a field of numbers, a string is one of the words or an expression."""
    variants: list[Json] = []
    if spec.choices:
        variants += [{"enum": [*spec.choices]}, *([_ref("interpolated")] if spec.is_text else [])]
    if spec.kinds & {"int", "float"}:
        variants.append({"type": "number" if "float" in spec.kinds else "integer", **_bounds(spec)})
    if "bool" in spec.kinds:
        variants.append({"type": "boolean"})

    if not spec.is_text:
        variants.append(_ref("expression"))
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
