"""Every key of a spec: what may stand there, and what it means. The schema and the language reference are made of it.

A test holds these tables to the keys that the reader and the resolver take.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, get_args

from stackc.components.families.merge import MERGES
from stackc.core.types import INPUT_DTYPES
from stackc.resolve.stacks import Mode
from stackc.spec.document import LANGUAGE_VERSION
from stackc.spec.params import KINDS

Schema = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Key:
    """One key: its value in words and as a JSON Schema, and what it means."""

    value: str
    meaning: str
    schema: Schema
    default: str = ""
    required: bool = False


def _ref(name: str) -> Schema:
    return {"$ref": f"#/$defs/{name}"}


def _one_or_list(item: Schema, *, empty: bool = False, unique: bool = False) -> Schema:
    nothing: list[Schema] = [{"type": "null"}] if empty else []
    once: Schema = {"uniqueItems": True} if unique else {}
    return {"anyOf": [item, {"type": "array", "items": item, **once}, *nothing]}


TEXT: Schema = {"type": "string"}
_NAME: Schema = {"type": "string", "pattern": r"^[^\s/\\:]+$", "maxLength": 100}
_COUNT: Schema = {"anyOf": [_ref("size"), {"type": "null"}]}
_WHOLE: Schema = {"anyOf": [{"type": "integer"}, _ref("expression")]}
_PLAIN: Schema = {"type": ["string", "number", "boolean", "null"]}
_NUMBER: Schema = {"type": "number"}
_DESCRIPTION = Key("text", "what it is, for people", TEXT)
_GRAPH = Key("arrows", "the drawing: nodes and arrows as in a Mermaid flowchart", TEXT, required=True)
_NODES = Key("mapping", "what each node is beside its place in the drawing", _ref("nodes"))
_PARAMS = Key(
    "mapping", "named values for expressions: a default, a type for one that has to be given, or both", _ref("params")
)
_OUTPUTS = Key(
    "node, list or mapping", "which values come out, by name", _ref("outputs"), "the only node without an arrow out"
)

SPEC: Mapping[str, Key] = {
    "stackc": Key(str(LANGUAGE_VERSION), "the version of the language", {"const": LANGUAGE_VERSION}, required=True),
    "name": Key("text", "the name of the model, and of its folder in exported/", _NAME, "the name of the file"),
    "description": _DESCRIPTION,
    "dims": Key("mapping", "the sizes that are known only at run time, and their bounds", _ref("dims")),
    "params": _PARAMS,
    "inputs": Key("mapping", "what goes in: names, shapes, element types", _ref("inputs"), required=True),
    "graph": _GRAPH,
    "nodes": _NODES,
    "blocks": Key("mapping", "sub-models with names and params of their own", _ref("blocks")),
    "outputs": _OUTPUTS,
    "weights": Key("mapping", "where parameters come from, and what the file calls them", _ref("weights")),
}

DIM: Mapping[str, Key] = {
    "min": Key("number or expression over params", "the least size, included", _COUNT, "1"),
    "max": Key("number or expression over params", "the largest size, included", _COUNT, "no bound"),
    "multiple_of": Key("number or expression over params", "every size is a multiple of it", _COUNT, "1"),
}

PARAM: Mapping[str, Key] = {
    "type": Key("a type", f"what values it takes: {', '.join(KINDS)}", {"enum": [*KINDS]}, "that of the default"),
    "default": Key("a value", "its value where none is given; without one it has to be given", _PLAIN, "none"),
    "choices": Key(
        "list",
        "the only values that it takes",
        {"type": "array", "items": {"type": ["string", "number"]}, "minItems": 1},
        "all of the type",
    ),
    "min": Key("number", "the least value, included", _NUMBER, "no bound"),
    "max": Key("number", "the largest value, included", _NUMBER, "no bound"),
    "description": _DESCRIPTION,
}

INPUT: Mapping[str, Key] = {
    "shape": Key(
        "list", "the size of each axis: a number, a dim, an expression", _one_or_list(_ref("size")), required=True
    ),
    "dtype": Key("element type", "what its elements are", {"enum": [*INPUT_DTYPES]}, "float32"),
    "to": Key(
        "node or list",
        "nodes it feeds beside the arrows of the drawing; `NODE.PORT` names a port",
        _one_or_list(TEXT, empty=True),
    ),
    "below": Key("number or expression", "ids are whole numbers from 0 up to one less", _ref("size")),
    "values": Key("list of numbers and expressions", "the only values that occur", _one_or_list(_WHOLE, empty=True)),
    "description": _DESCRIPTION,
}

NODE: Mapping[str, Key] = {
    "op": Key("component or block", "what the node is", _ref("op"), "its label, else its id"),
    "merge": Key("a merge", f"how several arrows into one port become one: {', '.join(MERGES)}", _ref("merge")),
    "tie": Key("mapping", "parameters that are another node's: `weight: embed.weight`", _ref("texts")),
    "same_as": Key("node", "the same module called again, with the same parameters", TEXT),
    "reparam": Key("mapping", "what a parameter is made of: `weight: standardize`", _ref("reparams")),
    "source": Key("FILE:LINE", "where the node was written first; lock files say it", TEXT),
}

STACK: Mapping[str, Key] = {
    "of": Key("op or list", "the sub-model, or a list of different ones", _one_or_list(_ref("member")), required=True),
    "repeat": Key("number or expression", "how many times the sub-model, or the list, stands in it", _ref("size"), "1"),
    "mode": Key(
        "a mode",
        f"one after another, or side by side and merged: {', '.join(get_args(Mode))}",
        {"anyOf": [{"enum": [*get_args(Mode)]}, _ref("interpolated")]},
        "series",
    ),
    "share": Key(
        "true or false",
        "whether all repeats are one module with one set of parameters",
        {"anyOf": [{"type": "boolean"}, _ref("expression")]},
        "false",
    ),
    "with": Key(
        "mapping",
        "params and fields for the sub-models; `index` and `count` are bound in it",
        {"type": ["object", "null"]},
    ),
    "norm": Key("op", "a normalization after each layer of a series, or after the merge", _ref("member")),
    "norm_every": Key("number or expression", "after how many layers of a series the norm stands", _ref("size"), "1"),
    "top_k": Key(
        "number or expression", "how many members each position takes, with `mode: gated`", _ref("size"), "all"
    ),
}

OWN: Mapping[str, Key] = {
    "of": Key("a class", "the dotted name of a torch.nn.Module class: `my_layers.Swish`", TEXT, required=True),
    "outputs": Key(
        "list", "names for what its forward gives, in order", _one_or_list(TEXT, unique=True), "y, its only output"
    ),
}

BLOCK: Mapping[str, Key] = {
    "params": _PARAMS,
    "inputs": Key(
        "list",
        "its ports, the first for arrows without a label; `mask?` may be left open",
        _one_or_list(TEXT, unique=True),
        required=True,
    ),
    "graph": _GRAPH,
    "nodes": _NODES,
    "outputs": _OUTPUTS,
    "description": _DESCRIPTION,
}

WEIGHTS: Mapping[str, Key] = {
    "file": Key("path", "a file of tensors: .safetensors, .npz, .pt, or the .index.json of several", TEXT),
    "map": Key("mapping", "patterns of stackc's names, and what the file calls them", _ref("texts")),
    "ignore": Key("list", "patterns of names in the file that nothing is made of", _one_or_list(TEXT, empty=True)),
}

KEYS: Mapping[str, Mapping[str, Key]] = MappingProxyType(
    {
        "spec": SPEC,
        "dim": DIM,
        "param": PARAM,
        "input": INPUT,
        "node": NODE,
        "stack": STACK,
        "torch": OWN,
        "block": BLOCK,
        "weights": WEIGHTS,
    }
)
"""The mappings of a spec by what they describe."""
