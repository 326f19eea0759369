"""Every key of a spec: its allowed values and its meaning. The schema and the language reference are generated from it.

A test compares these tables with the keys that the reader and the resolver accept.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, get_args

from stackc.components.families.merge import MERGES
from stackc.core.types import INPUT_DTYPES
from stackc.resolve.stacks import Mode
from stackc.spec.document import LANGUAGE_VERSION, NONFINITE
from stackc.spec.params import KINDS

Schema = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Key:
    """One key: its value, described for people and as a JSON Schema, and its meaning."""

    value: str
    meaning: str
    schema: Schema
    default: str = ""
    required: bool = False


def _ref(name: str) -> Schema:
    return {"$ref": f"#/$defs/{name}"}


def _one_or_list(item: Schema, *, empty: bool = False, unique: bool = False) -> Schema:
    """Return the schema of a single item or a list; `empty` allows null, `unique` forbids duplicates."""
    null: list[Schema] = [{"type": "null"}] if empty else []
    uniqueness: Schema = {"uniqueItems": True} if unique else {}
    return {"anyOf": [item, {"type": "array", "items": item, **uniqueness}, *null]}


TEXT: Schema = {"type": "string"}
# the devices of Windows in any case: patterns of JSON Schema have no flags
_DEVICE = r"(?:[cC][oO][nN]|[pP][rR][nN]|[aA][uU][xX]|[nN][uU][lL]|(?:[cC][oO][mM]|[lL][pP][tT])[0-9])"
_NAME: Schema = {
    "type": "string", "pattern": rf"^(?!-)(?!{_DEVICE}(?:\.|$))[^\s/\\:]*[^\s/\\:.]$", "maxLength": 100,
}  # fmt: skip
_COUNT: Schema = {"anyOf": [_ref("size"), {"type": "null"}]}
_END: Schema = {"anyOf": [{"type": "number"}, _ref("expression"), {"type": "null"}]}
_ONE_VALUE: Schema = {"anyOf": [{"type": ["number", "boolean"]}, _ref("expression")]}
_VALUES: Schema = {"anyOf": [_ONE_VALUE, {"type": "array", "items": _ONE_VALUE, "minItems": 1}, {"type": "null"}]}
_PLAIN: Schema = {"type": ["string", "number", "boolean", "null"]}
_NUMBER: Schema = {"type": "number"}
_DESCRIPTION = Key("text", "a description for people", TEXT)
_GRAPH = Key("arrows", "the drawing: nodes and arrows as in a Mermaid flowchart", TEXT, required=True)
_NODES = Key("mapping", "what each node is, in addition to the drawing", _ref("nodes"))
_PARAMS = Key(
    "mapping", "named values for expressions: a default, a type if the value is required, or both", _ref("params")
)
_OUTPUTS = Key(
    "node, list or mapping",
    "which values the model returns, by name",
    _ref("outputs"),
    "the only node without an outgoing arrow",
)

SPEC: Mapping[str, Key] = {
    "stackc": Key(str(LANGUAGE_VERSION), "the version of the language", {"const": LANGUAGE_VERSION}, required=True),
    "name": Key("text", "the name of the model and of its folder in exported/", _NAME, "the name of the file"),
    "description": _DESCRIPTION,
    "dims": Key("mapping", "the sizes known only at run time, and their bounds", _ref("dims")),
    "params": _PARAMS,
    "inputs": Key("mapping", "the inputs of the model: names, shapes, element types", _ref("inputs"), required=True),
    "graph": _GRAPH,
    "nodes": _NODES,
    "blocks": Key("mapping", "named sub-models with their own params", _ref("blocks")),
    "outputs": _OUTPUTS,
    "weights": Key("mapping", "the file that parameters come from, and their names in it", _ref("weights")),
}

DIM: Mapping[str, Key] = {
    "min": Key("number or expression over params", "the smallest size, inclusive", _COUNT, "1"),
    "max": Key("number or expression over params", "the largest size, inclusive", _COUNT, "no bound"),
    "multiple_of": Key("number or expression over params", "every size is a multiple of this", _COUNT, "1"),
}

PARAM: Mapping[str, Key] = {
    "type": Key("a type", f"the type of its values: {', '.join(KINDS)}", {"enum": [*KINDS]}, "the type of the default"),
    "default": Key(
        "a value", "its value unless another one is set; without a default, a value is required", _PLAIN, "none"
    ),
    "choices": Key(
        "list",
        "the only values it may have",
        {"type": "array", "items": {"type": ["string", "number"]}, "minItems": 1},
        "all values of the type",
    ),
    "min": Key("number", "the smallest value, inclusive", _NUMBER, "no bound"),
    "max": Key("number", "the largest value, inclusive", _NUMBER, "no bound"),
    "description": _DESCRIPTION,
}

INPUT: Mapping[str, Key] = {
    "shape": Key(
        "list", "the size of each axis: a number, a dim, an expression", _one_or_list(_ref("size")), required=True
    ),
    "dtype": Key("element type", "the type of its elements", {"enum": [*INPUT_DTYPES]}, "float32"),
    "to": Key(
        "node or list",
        "nodes it feeds in addition to the arrows of the drawing; `NODE.PORT` names a port",
        _one_or_list(TEXT, empty=True),
    ),
    "min": Key("number or expression over params", "the smallest number it may hold, inclusive", _END, "no bound"),
    "max": Key("number or expression over params", "the largest number it may hold, inclusive", _END, "no bound"),
    "below": Key(
        "number or expression over params",
        "the first whole number it may not hold; without `min`, those below 0 are not allowed either, as for ids",
        _COUNT,
    ),
    "values": Key("list of numbers and expressions over params", "the only values it may hold", _VALUES),
    "description": _DESCRIPTION,
}

NODE: Mapping[str, Key] = {
    "op": Key("component or block", "what the node is", _ref("op"), "its label, otherwise its id"),
    "merge": Key("a merge", f"how to combine several arrows into one port: {', '.join(MERGES)}", _ref("merge")),
    "tie": Key("mapping", "parameters shared with another node: `weight: embed.weight`", _ref("texts")),
    "same_as": Key("node", "the same module called again, with the same parameters", TEXT),
    "reparam": Key(
        "mapping", "how to compute a parameter from the stored one: `weight: standardize`", _ref("reparams")
    ),
    "source": Key("FILE:LINE", "where the node was originally written; set in lock files", TEXT),
}

STACK: Mapping[str, Key] = {
    "of": Key("op or list", "the sub-model, or a list of different ones", _one_or_list(_ref("member")), required=True),
    "repeat": Key("number or expression", "how many times to repeat the sub-model or the list", _ref("size"), "1"),
    "mode": Key(
        "a mode",
        f"one after another, or side by side and merged: {', '.join(get_args(Mode))}",
        {"anyOf": [{"enum": [*get_args(Mode)]}, _ref("interpolated")]},
        "series",
    ),
    "share": Key(
        "true or false",
        "whether all repetitions are one module with one set of parameters",
        {"anyOf": [{"type": "boolean"}, _ref("expression")]},
        "false",
    ),
    "with": Key(
        "mapping",
        "params and fields for the sub-models; may use `index` and `count`",
        {"type": ["object", "null"]},
    ),
    "norm": Key("op", "a normalization after each layer of a series, or after the merge", _ref("member")),
    "norm_every": Key("number or expression", "the number of layers of a series between norms", _ref("size"), "1"),
    "top_k": Key(
        "number or expression", "how many members each position uses, with `mode: gated`", _ref("size"), "all"
    ),
}

CUSTOM: Mapping[str, Key] = {
    "of": Key("a class", "the dotted name of a torch.nn.Module class: `my_layers.Swish`", TEXT, required=True),
    "outputs": Key(
        "list", "names for the outputs of its forward, in order", _one_or_list(TEXT, unique=True), "y, its only output"
    ),
}

BLOCK: Mapping[str, Key] = {
    "params": _PARAMS,
    "inputs": Key(
        "list",
        "its ports, the first for arrows without a label; `mask?` is optional",
        _one_or_list(TEXT, unique=True),
        required=True,
    ),
    "graph": _GRAPH,
    "nodes": _NODES,
    "outputs": _OUTPUTS,
    "description": _DESCRIPTION,
}

WEIGHTS: Mapping[str, Key] = {
    "file": Key(
        "path or list",
        "files of tensors, or folders: .safetensors, .npz, .pt, .onnx, .gguf, or the .index.json of several",
        _one_or_list(TEXT),
    ),
    "map": Key(
        "mapping", "patterns of stackc's names, and names in the file or expressions over its tensors", _ref("texts")
    ),
    "prefix": Key("text", "a beginning of names that those in the file may have or lack: `module.`", TEXT),
    "ignore": Key("list", "patterns of names in the file that the model does not use", _one_or_list(TEXT, empty=True)),
    "nonfinite": Key(
        "list", "patterns of names in the file whose tensors may hold NaN or Inf", _one_or_list(TEXT, empty=True)
    ),
    "reference": Key(
        "path or mapping",
        "an .npz of inputs and outputs recorded from the original, which the module has to compute",
        {"anyOf": [TEXT, _ref("reference")]},
    ),
}

REFERENCE: Mapping[str, Key] = {
    "file": Key("path", "an .npz with `input.NAME` and `output.NAME`", TEXT, required=True),
    "budget": Key(
        "number 0 < · < 1",
        "the share of an output's largest number by which it may differ; needed for half precision",
        {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1},
        "the rule of the proof",
    ),
}

OUTPUT: Mapping[str, Key] = {
    "of": Key("node", "the node whose value it is, or a path into one: `encoder.3`", TEXT, required=True),
    "nonfinite": Key(
        "list",
        f"what it is meant to hold besides numbers: {', '.join(NONFINITE)}; the proof fails on others",
        _one_or_list({"enum": [*NONFINITE]}, empty=True, unique=True),
    ),
}

KEYS: Mapping[str, Mapping[str, Key]] = MappingProxyType(
    {
        "spec": SPEC,
        "dim": DIM,
        "param": PARAM,
        "input": INPUT,
        "node": NODE,
        "stack": STACK,
        "torch": CUSTOM,
        "block": BLOCK,
        "output": OUTPUT,
        "weights": WEIGHTS,
        "reference": REFERENCE,
    }
)
"""The mappings of a spec, by what they describe."""
