"""The JSON Schema (2020-12) of a spec in YAML, for editors: completion, hover, red lines.

No legal spec is refused by it. What a schema cannot say (names, arrows, shapes) is left to `stackc check`. A node whose
op stands in the drawing alone is offered the fields of all components.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Set
from inspect import getdoc
from typing import Any

from stackc.authoring.reference.keys import BLOCK, DIM, INPUT, NODE, OWN, PARAM, SPEC, STACK, WEIGHTS, Key
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
    "stack": ("Sub-models composed: one repeated, or different ones, in series or side by side.", STACK),
    "torch": ("A torch.nn.Module of your own; its other fields are the arguments of the constructor.", OWN),
}
"""The ops that are no components, what they mean and which keys they take."""


def schema() -> Json:
    """The schema of a whole spec, its parts under `$defs`; `op.NAME` are the fields of a component."""
    load_plugins()
    return {
        "$schema": DIALECT,
        "title": "stackc spec",
        "description": "A neural-network graph that stackc compiles to ONNX.",
        **_mapping(SPEC),
        "$defs": _definitions(),
    }


def _definitions() -> Json:
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
        "params": _named(_param(), "symbol"),
        "dims": _named(_mapping(DIM), "symbol"),
        "inputs": {**_named(_input()), "type": "object", "minProperties": 1},
        "block_name": _name(MODULE_NAMES | MERMAID_WORDS | REGISTRY.keys() | SPECIAL.keys(), r"^[^\s.]+$"),
        "blocks": _named(_mapping(BLOCK), "block_name"),
        "nodes": _named(_ref("node")),
        "outputs": _outputs(),
        "weights": {**_mapping(WEIGHTS), "type": ["object", "null"]},
        "op": _op(),
        "node": _node(),
        "member": _member(),
        "merge": _merge(),
        "reparams": {"type": ["object", "null"], "additionalProperties": _ref("reparam")},
        "reparam": _reparam(),
        **{
            f"op.{op}": {"description": meaning, "properties": {name: _key(key) for name, key in keys.items()}}
            for op, (meaning, keys) in SPECIAL.items()
        },
        **{f"op.{op}": _fields(component) for op, component in REGISTRY.items()},
    }


# -- mappings of the language


def _ref(name: str) -> Json:
    return {"$ref": f"#/$defs/{name}"}


def _key(key: Key) -> Json:
    default = f" Default: {key.default}." if key.default else ""
    return {**key.schema, "description": f"{_sentence(key.meaning)}{default}"}


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."


def _mapping(keys: Mapping[str, Key]) -> Json:
    """A mapping with these keys and no others."""
    return {
        "type": "object",
        "properties": {name: _key(key) for name, key in keys.items()},
        "required": [name for name, key in keys.items() if key.required],
        "additionalProperties": False,
    }


def _named(value: Json, names: str = "name") -> Json:
    """A mapping from names that the user gives; a value that says nothing may be left out if it needs no key."""
    if value.get("type") == "object" and not value["required"]:
        value = {**value, "type": ["object", "null"]}
    return {"type": ["object", "null"], "propertyNames": _ref(names), "additionalProperties": value}


def _input() -> Json:
    """A declaration; what values there are is said of whole numbers, and the default is a floating-point type."""
    whole = {"required": ["dtype"], "properties": {"dtype": {"enum": [d for d in INPUT_DTYPES if d not in FLOATS]}}}
    both = {"not": {"required": ["below", "values"]}}
    return {**_mapping(INPUT), "dependentSchemas": {"below": whole, "values": whole}, **both}


def _param() -> Json:
    """A default, a type, or a mapping that says at least what values there are."""
    says = [{"required": [key]} for key in ("type", "default", "choices", "min", "max")]
    plain = {"type": ["string", "number", "boolean", "null"]}
    return {"anyOf": [{"enum": [*KINDS]}, plain, {**_mapping(PARAM), "anyOf": says}]}


def _name(taken: Set[str], pattern: str) -> Json:
    return {"type": "string", "pattern": pattern, "not": {"enum": sorted(taken)}}


def _outputs() -> Json:
    named = {"type": "object", "additionalProperties": {"type": "string"}}
    return {
        "anyOf": [
            {"type": ["string", "null"]},
            {"type": "array", "items": {"type": "string"}, "uniqueItems": True},
            named,
        ]
    }


# -- nodes and what they are


def _op() -> Json:
    """Any text, since blocks are ops as well; the components are listed, so that an editor proposes them."""
    known = {op: _summary(component) for op, component in REGISTRY.items()}
    known |= {op: meaning for op, (meaning, _) in SPECIAL.items()}
    return {"anyOf": [*({"const": op, "description": known[op]} for op in sorted(known)), {"type": "string"}]}


def _summary(component: type[Component | Reparam]) -> str:
    return (getdoc(component) or "").partition("\n\n")[0].replace("\n", " ")


def _node() -> Json:
    """What may stand beside a node: the fields of its op where the entry names it, else those of any op."""
    takers: dict[str, list[str]] = {}
    for op in sorted([*REGISTRY, *SPECIAL]):
        for name in _taken(op):
            takers.setdefault(name, []).append(op)
    anything = {name: {"description": f"A field of {', '.join(ops)}."} for name, ops in takers.items()}
    return {
        "type": ["object", "null"],
        "properties": {name: _key(key) for name, key in NODE.items()},
        "allOf": [
            {"if": {"not": {"required": ["op"]}}, "then": {"properties": anything}},
            {"if": _of_a_stack(), "then": _ref("op.stack")},
            *_by_op([*NODE], needs=True, unless={"not": {"required": ["same_as"]}}),
        ],
    }


def _of_a_stack() -> Json:
    """Where the drawing says what a node is and its entry says `of`, it is a stack; unless a class stands there."""
    file = {"pattern": r"\.(ya?ml|mmd|mermaid|md)$"}
    of_a_class = {"type": "string", "pattern": r"^\w+(\.\w+)+$", "not": file}
    of = {"type": ["string", "array", "object"], "not": of_a_class}
    return {"required": ["of"], "not": {"required": ["op"]}, "properties": {"of": of}}


def _member() -> Json:
    """A sub-model of a stack: an op, or a mapping with its fields. Others may come by `with`, so none is demanded."""
    op = {"op": {**_key(NODE["op"])}}
    written = {"type": "object", "required": ["op"], "properties": op, "allOf": _by_op(["op"], needs=False)}
    return {"anyOf": [_ref("op"), written]}


def _by_op(beside: list[str], *, needs: bool, unless: Json | None = None) -> list[Json]:
    """For each op: where `op` names it, its fields and the keys `beside` them are all that may stand there."""
    rules = []
    for op in [*REGISTRY, *SPECIAL]:
        rule = _ref(f"op.{op}")
        if op != "torch":  # which takes what its class takes
            rule["propertyNames"] = {"enum": [*_taken(op), *beside]}
        if needs and (required := _required(op)):
            rule["required"] = required
        rules.append({"if": {"properties": {"op": {"const": op}}, "required": ["op"], **(unless or {})}, "then": rule})
    return rules


def _taken(op: str) -> Mapping[str, Key | FieldSpec]:
    """What an entry with this op may say beside what any entry may."""
    return SPECIAL[op][1] if op in SPECIAL else fields_of(REGISTRY[op])


def _required(op: str) -> list[str]:
    return [name for name, taken in _taken(op).items() if taken.required]


def _merge() -> Json:
    words = [*MERGES]
    fields: Json = {}
    for op in MERGES.values():
        fields |= _fields(REGISTRY[op])["properties"]
    properties = {"op": {"enum": words}, **fields}
    written = {"type": "object", "properties": properties, "required": ["op"], "additionalProperties": False}
    return {"anyOf": [{"enum": words}, _ref("interpolated"), written]}


def _reparam() -> Json:
    """A reparametrization by name, or as a mapping of that one key with its options."""
    kinds = {
        name: {**_reparam_options(reparam), "description": _summary(reparam)} for name, reparam in REPARAMS.items()
    }
    written = {"type": "object", "properties": kinds, "additionalProperties": False, "minProperties": 1}
    return {"anyOf": [{"enum": [*kinds]}, _ref("interpolated"), {**written, "maxProperties": 1}]}


def _reparam_options(reparam: type[Reparam]) -> Json:
    if reparam is MinMax:
        ends = {"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2}
        return {"anyOf": [ends, {"type": "null"}]}
    options = {field.name: _option(field) for field in dataclasses.fields(reparam)}
    return {"type": ["object", "null"], "properties": options, "additionalProperties": False}


def _option(field: dataclasses.Field[Any]) -> Json:
    """An option of a reparametrization: axes, an axis counted from either end, or a number of 0 or more."""
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
    """What a spec may write for a field: a value of its kinds within its range, an expression, or `${…}` for text.

    Beside that, or instead, a list of such values where the field takes one.
    """
    forms = _forms(spec) if spec.single else []
    if spec.listed:
        forms.append({"type": "array", "items": {"anyOf": _forms(spec.entry(0))}})
    described: Json = {"anyOf": forms, "description": _sentence(spec.doc)} if spec.doc else {"anyOf": forms}
    if spec.required:
        return described
    return {**described, "default": [*spec.default] if isinstance(spec.default, tuple) else spec.default}


def _forms(spec: FieldSpec) -> list[Json]:
    """The single values of a field. Beside a number, a string is one of the words or an expression."""
    forms: list[Json] = []
    if spec.choices:
        forms += [{"enum": [*spec.choices]}, *([_ref("interpolated")] if spec.is_text else [])]
    if spec.kinds & {"int", "float"}:
        forms.append({"type": "number" if "float" in spec.kinds else "integer", **_bounds(spec)})
    if "bool" in spec.kinds:
        forms.append({"type": "boolean"})
    if not spec.is_text:
        forms.append(_ref("expression"))
    elif not spec.choices:
        forms.append({"type": "string"})
    if "none" in spec.kinds:
        forms.append({"type": "null"})
    return forms


def _bounds(spec: FieldSpec) -> Json:
    bounds = {
        "minimum": spec.range.minimum,
        "maximum": spec.range.maximum,
        "exclusiveMaximum": spec.range.below,
    }
    finite = {name: end for name, end in bounds.items() if math.isfinite(end)}
    return {name: int(end) if end == int(end) else end for name, end in finite.items()}
