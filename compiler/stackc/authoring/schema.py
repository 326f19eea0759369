"""The JSON Schema (2020-12) of a YAML spec, for editors: completion, hover, red lines.

It accepts every valid spec. `stackc check` covers what a schema cannot express (names, arrows, shapes). If only the
drawing has the op of a node, the schema allows the fields of all components in its entry.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Set
from inspect import getdoc
from typing import Any

from stackc.authoring.field_schema import Json, field_schema, ref
from stackc.authoring.mapping_schema import key_schema, mapping_schema
from stackc.authoring.reference.decode_keys import DECODE
from stackc.authoring.reference.key import NODE_ID, TEXT, Key, one_or_list
from stackc.authoring.reference.keys import (
    BLOCK,
    CONFIG_PARAM,
    HUGGINGFACE,
    INPUT,
    KEYS,
    NODE,
    OUTPUT,
    PARAM,
    SPEC,
    WEIGHTS,
)
from stackc.authoring.train_schema import train_sections
from stackc.components import REGISTRY
from stackc.components.base import Component
from stackc.components.families.merge import MERGES
from stackc.components.fields import FieldSpec, fields_of
from stackc.components.plugins import load_plugins
from stackc.components.reparam import REPARAMS, MinMax, Reparam
from stackc.core.types import FLOATS, INPUT_DTYPES
from stackc.resolve.operators import MEMBER_KEYS
from stackc.spec.expressions.expressions import MAX_LENGTH
from stackc.spec.names import EXPRESSION_WORDS, MERMAID_WORDS, MODULE_NAMES
from stackc.spec.params import KINDS
from stackc.spec.weights_key import PART_KEYS

DIALECT = "https://json-schema.org/draft/2020-12/schema"
SPECIAL = {
    "stack": ("Composes sub-models: one repeated, or different ones, in series or side by side.", KEYS["stack"]),
    "scan": ("Applies a block along an axis, with states that go from one index to the next.", KEYS["scan"]),
    "torch": ("A custom torch.nn.Module; its other fields are the arguments of its constructor.", KEYS["torch"]),
}
"""The ops that are not components: their meaning and their keys."""


def schema() -> Json:
    """Return the schema of a spec, its parts under `$defs`; `op.NAME` has the fields of a component."""
    load_plugins()
    return {
        "$schema": DIALECT,
        "title": "stackc spec",
        "description": "A neural-network graph that stackc compiles to ONNX.",
        **mapping_schema(SPEC),
        "$defs": {**_scalars(), **_sections(), **_nodes_and_ops(), **_fields_of_ops()},
    }


_ABOVE_0: Json = {"type": ["number", "null"], "exclusiveMinimum": 0}
_ONE_END: Json = {"not": {"required": ["max", "below"]}}


def _scalars() -> Json:
    """Return the definitions of single values and of names."""
    return {
        "expression": {
            "type": "string",
            "minLength": 1,
            "maxLength": MAX_LENGTH,
            "description": "an expression over params and dims, such as `4*dim`",
        },
        "list": {"type": "array", "items": {"anyOf": [{"type": ["string", "number", "boolean"]}, ref("list")]}},
        "interpolated": {"type": "string", "pattern": r"\$\{", "description": "text with `${name}` in it"},
        "size": {"anyOf": [{"type": "integer", "minimum": 1}, ref("expression")]},
        "ties": _ties(),
        "name": _name(MODULE_NAMES | MERMAID_WORDS, r"^[^\s.]+$"),
        "symbol": _name(EXPRESSION_WORDS, r"^[^\s.\-]+$"),
        "block_name": _name(MODULE_NAMES | MERMAID_WORDS | REGISTRY.keys() | SPECIAL.keys(), r"^[^\s.]+$"),
    }


def _sections() -> Json:
    """Return the definitions of the top-level sections of a spec."""
    return {
        "params": _named(_param(), "symbol"),
        "dims": _named(mapping_schema(KEYS["dim"]) | _ONE_END, "symbol"),
        "inputs": {**_named(_input()), "type": "object", "minProperties": 1},
        "blocks": _named(_block(), "block_name"),
        "nodes": _named(ref("node")),
        "outputs": _outputs(),
        "weights": {**mapping_schema(WEIGHTS), "type": ["object", "null"]},
        "part_weights": _part_weights(),
        "reference": mapping_schema(KEYS["reference"]),
        "huggingface": {
            **mapping_schema(HUGGINGFACE),
            "anyOf": [{"required": [key]} for key in ("model_type", "architectures")],
        },
        "config_params": {"type": ["object", "null"], "additionalProperties": _config_param()},
        **train_sections(),
        "decode": mapping_schema(DECODE),
    }


def _nodes_and_ops() -> Json:
    """Return the definitions of a node's entry and of its parts."""
    return {
        "op": _op(),
        "node": _node(),
        "member": _member(),
        "merge": _merge(),
        "reparams": {"type": ["object", "null"], "additionalProperties": ref("reparam")},
        "reparam": _reparam(),
    }


def _fields_of_ops() -> Json:
    """Return a definition of the fields of each op."""
    special = {
        f"op.{op}": {"description": meaning, "properties": {name: key_schema(key) for name, key in keys.items()}}
        for op, (meaning, keys) in SPECIAL.items()
    }
    return special | {f"op.{op}": _fields(component) for op, component in REGISTRY.items()}


# -- mappings of the language


def _named(value: Json, names: str = "name") -> Json:
    """Return the schema of a mapping from user-defined names; a value may be null if none of its keys is required."""
    if value.get("type") == "object" and not value["required"]:
        value = {**value, "type": ["object", "null"]}
    return {"type": ["object", "null"], "propertyNames": ref(names), "additionalProperties": value}


def _input() -> Json:
    """Return the schema of an input: which of its bounds exclude each other, and what they need of its dtype."""
    integer = {"required": ["dtype"], "properties": {"dtype": {"enum": [d for d in INPUT_DTYPES if d not in FLOATS]}}}
    unordered = {"if": _has_dtype("bool"), "then": {"not": {"anyOf": [{"required": ["min"]}, {"required": ["max"]}]}}}
    clashes = [("min", "values"), ("max", "values"), ("below", "values"), ("max", "below")]
    return {
        **mapping_schema(INPUT),
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
    number = {"anyOf": [{"type": [*types, "array", "null"], "items": {"type": [*types, "string"]}}, ref("expression")]}
    return {"properties": dict.fromkeys(("min", "max", "values"), number)}


def _param() -> Json:
    """Return the schema of a param: a default, a type, or a mapping from which its type is clear."""
    typed = [{"required": [key]} for key in ("type", "default", "choices", "min", "max", "below")]
    plain = {"type": ["string", "number", "boolean", "null"]}
    return {"anyOf": [{"enum": [*KINDS]}, plain, ref("list"), {**mapping_schema(PARAM), **_ONE_END, "anyOf": typed}]}


def _ties() -> Json:
    """Return the schema of `tie`: names of parameters with paths, and perhaps a condition."""
    condition = {"if": {"anyOf": [{"type": "boolean"}, ref("expression")]}}
    return {
        "type": ["object", "null"], "properties": condition, "additionalProperties": {"type": "string"},
        "if": {"required": ["if"]}, "then": {"minProperties": 2},
    }  # fmt: skip


def _config_param() -> Json:
    """Return the schema of what sets a param: a key of the config, or a mapping with one of four ways to read it."""
    ways = [{"required": [way]} for way in ("from", "count", "value", "lacks")]
    return {"anyOf": [{"type": "string"}, {**mapping_schema(CONFIG_PARAM), "oneOf": ways}]}


def _name(reserved: Set[str], pattern: str) -> Json:
    return {"type": "string", "pattern": pattern, "not": {"enum": sorted(reserved)}}


def _block() -> Json:
    """Return the schema of a block, whose outputs say nothing of NaN and Inf: those of the model do."""
    block = mapping_schema(BLOCK)
    finite = {"not": {"type": "object", "required": ["nonfinite"]}}
    outputs = {**_outputs(), "additionalProperties": finite}
    return {**block, "properties": {**block["properties"], "outputs": outputs}}


def _outputs() -> Json:
    named = {"type": "object", "additionalProperties": {"anyOf": [NODE_ID, mapping_schema(OUTPUT)]}}
    return {
        "anyOf": [
            {"type": ["string", "integer", "null"]},
            {"type": "array", "items": NODE_ID, "uniqueItems": True},
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
        "properties": {name: key_schema(key) for name, key in NODE.items()},
        "allOf": [
            {"if": {"not": {"required": ["op"]}}, "then": {"properties": any_field}},
            {"if": _implied_stack(), "then": ref("op.stack")},
            *_rules_by_op([*NODE], require_fields=True, unless={"required": ["same_as"]}),
        ],
    }


def _implied_stack() -> Json:
    """Return a condition: an entry without `op` whose `of` is not the dotted name of a class belongs to a stack."""
    file = {"pattern": r"\.(ya?ml|mmd|mermaid|md)$"}
    class_name = {"type": "string", "pattern": r"^\w+(\.\w+)+$", "not": file}
    of = {"type": ["string", "array", "object"], "not": class_name}
    return {"required": ["of"], "not": {"required": ["op"]}, "properties": {"of": of}}


def _part_weights() -> Json:
    """Return the schema of the weights of a part: files, `false`, or a mapping as for those of a spec."""
    keys = {name: key for name, key in WEIGHTS.items() if name in PART_KEYS}
    return {"anyOf": [*one_or_list(TEXT)["anyOf"], {"const": False}, mapping_schema(keys), {"type": "null"}]}


def _member() -> Json:
    """Return the schema of a sub-model of a stack: an op, or a mapping with its fields.

    No field is required here, because `with` of the stack may supply it.
    """
    keys = {name: key_schema(NODE[name]) for name in MEMBER_KEYS}
    rules = _rules_by_op([*MEMBER_KEYS], require_fields=False)
    return {"anyOf": [ref("op"), {"type": "object", "required": ["op"], "properties": keys, "allOf": rules}]}


def _rules_by_op(common_keys: list[str], *, require_fields: bool, unless: Json | None = None) -> list[Json]:
    """Return a rule for each op: an entry with that `op` may have its fields and `common_keys`, and no other keys."""
    rules = []
    for op in [*REGISTRY, *SPECIAL]:
        then = ref(f"op.{op}")
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
    return {"anyOf": [{"enum": words}, ref("interpolated"), mapping]}


def _reparam() -> Json:
    """Return the schema of a reparametrization: its name, or a mapping from its name to its options."""
    kinds = {
        name: {**_reparam_options(reparam), "description": _summary(reparam)} for name, reparam in REPARAMS.items()
    }
    mapping = {"type": "object", "properties": kinds, "additionalProperties": False}
    plain = [name for name in kinds if "required" not in kinds[name]]
    return {"anyOf": [{"enum": plain}, ref("interpolated"), {**mapping, "minProperties": 1, "maxProperties": 1}]}


def _reparam_options(reparam: type[Reparam]) -> Json:
    if reparam is MinMax:
        bounds = {"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2}
        return {"anyOf": [bounds, {"type": "null"}]}
    options = {field.name: _option(field) for field in dataclasses.fields(reparam)}
    required = [field.name for field in dataclasses.fields(reparam) if field.default is dataclasses.MISSING]
    type_ = {"type": "object", "required": required} if required else {"type": ["object", "null"]}
    return {**type_, "properties": options, "additionalProperties": False}


def _option(field: dataclasses.Field[Any]) -> Json:
    """Return the schema of an option: axes, an axis counted from either end, or a number that is not negative."""
    if field.name == "axes":
        axes = {"type": "array", "items": {"type": "integer"}}
        return {"anyOf": [{"const": "all"}, {"type": ["integer", "null"]}, axes]}
    if field.name in ("rank", "alpha"):
        size: Json = {"type": "integer", "minimum": 1} if field.name == "rank" else _ABOVE_0
        return {"anyOf": [size, ref("expression")]}
    number = {"type": "integer" if isinstance(field.default, int) else "number"}
    bounds = {} if field.name == "axis" else {"minimum": 0}
    return {"anyOf": [number | bounds, ref("expression")], "default": field.default}


# -- fields of components


def _fields(component: type[Component]) -> Json:
    properties = {name: field_schema(spec) for name, spec in fields_of(component).items()}
    return {"description": getdoc(component), "properties": properties}
