"""Every key of a spec: its allowed values and its meaning. The schema and the language reference are generated from it.

A test compares these tables with the keys that the reader and the resolver accept.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, get_args

from stackc.authoring.field_schema import ref
from stackc.authoring.reference.decode_keys import DECODE
from stackc.authoring.reference.key import AXIS, COUNT, NODE_ID, SWITCH, TEXT, Key, Schema, one_or_list
from stackc.authoring.reference.train_keys import BOUNDS, BUDGET, CHECKPOINTS, COLUMN, DATA, PRIVACY, STOP, TRAIN
from stackc.components.families.merge import MERGES
from stackc.core.types import INPUT_DTYPES
from stackc.resolve.stacks import Mode
from stackc.spec.document import LANGUAGE_VERSION, NONFINITE, TASKS
from stackc.spec.params import KINDS

# the devices of Windows in any case: patterns of JSON Schema have no flags
_DEVICE = r"(?:[cC][oO][nN]|[pP][rR][nN]|[aA][uU][xX]|[nN][uU][lL]|(?:[cC][oO][mM]|[lL][pP][tT])[0-9])"
_NAME: Schema = {
    "type": "string", "pattern": rf"^(?!-)(?!{_DEVICE}(?:\.|$))[^\s/\\:]*[^\s/\\:.]$", "maxLength": 100,
}  # fmt: skip
_END: Schema = {"anyOf": [{"type": "number"}, ref("expression"), {"type": "null"}]}
_ONE_VALUE: Schema = {"anyOf": [{"type": ["number", "boolean"]}, ref("expression")]}
_VALUES: Schema = {"anyOf": [_ONE_VALUE, {"type": "array", "items": _ONE_VALUE, "minItems": 1}, {"type": "null"}]}
_PLAIN: Schema = {"anyOf": [{"type": ["string", "number", "boolean", "null"]}, ref("list")]}
_DESCRIPTION = Key("text", "a description for people", TEXT)
_GRAPH = Key("arrows", "the drawing: nodes and arrows as in a Mermaid flowchart", TEXT, required=True)
_NODES = Key("mapping", "what each node is, in addition to the drawing", ref("nodes"))
_PARAMS = Key(
    "mapping", "named values for expressions: a default, a type if the value is required, or both", ref("params")
)
_OUTPUTS = Key(
    "node, list or mapping",
    "which values the model returns, by name",
    ref("outputs"),
    "the only node without an outgoing arrow",
)

SPEC: Mapping[str, Key] = {
    "stackc": Key(str(LANGUAGE_VERSION), "the version of the language", {"const": LANGUAGE_VERSION}, required=True),
    "name": Key("text", "the name of the model and of its folder in exported/", _NAME, "the name of the file"),
    "description": _DESCRIPTION,
    "dims": Key("mapping", "the sizes known only at run time, and their bounds", ref("dims")),
    "params": _PARAMS,
    "inputs": Key("mapping", "the inputs of the model: names, shapes, element types", ref("inputs"), required=True),
    "graph": _GRAPH,
    "nodes": _NODES,
    "blocks": Key("mapping", "named sub-models with their own params", ref("blocks")),
    "outputs": _OUTPUTS,
    "weights": Key("mapping", "the file that parameters come from, and their names in it", ref("weights")),
    "task": Key(
        "a task",
        f"what the model is for, as `stackc init --list` groups it: {', '.join(TASKS)}",
        {"enum": [*TASKS]},
        "none",
    ),
    "huggingface": Key(
        "mapping",
        "the classes of transformers that the spec implements, for `stackc import`",
        ref("huggingface"),
    ),
    "train": Key("mapping", "how the model is trained, for `stackc train`", ref("train")),
    "assert": Key(
        "mapping",
        "bounds that a build has to keep: of losses and metrics on the validation data, `accuracy: {min: 0.95}`, "
        "and of speed, `ratio_to_eager: {max: 1}`",
        ref("assert"),
    ),
    "budget": Key(
        "mapping",
        "how much error a file of lower precision may have, for `--quantize` and `stackc tune`: `{cosine: 0.999}`",
        ref("budget"),
    ),
    "decode": Key("mapping", "the step that generates: what grows, and what goes in and out", ref("decode")),
}

DIM: Mapping[str, Key] = {
    "min": Key(
        "number or expression over params",
        "the smallest size, inclusive; 0 for an axis that may have no entries, such as an empty past",
        {"anyOf": [{"const": 0}, COUNT]},
        "1",
    ),
    "max": Key("number or expression over params", "the largest size, inclusive", COUNT, "no bound"),
    "below": Key("number or expression over params", "the first size that is too large, in the place of `max`", COUNT),
    "multiple_of": Key("number or expression over params", "every size is a multiple of this", COUNT, "1"),
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
    "min": Key("number or expression over params", "the smallest value, inclusive", _END, "no bound"),
    "max": Key("number or expression over params", "the largest value, inclusive", _END, "no bound"),
    "below": Key("number or expression over params", "the first value that is too large, in the place of `max`", _END),
    "description": _DESCRIPTION,
}

INPUT: Mapping[str, Key] = {
    "shape": Key(
        "list", "the size of each axis: a number, a dim, an expression", one_or_list(ref("size")), required=True
    ),
    "dtype": Key(
        "element type",
        "the type of its elements; float16 and bfloat16 are cast to float32 as they enter, and components move bytes "
        "(uint8, int8) but calculate with them only after `cast`",
        {"enum": [*INPUT_DTYPES]},
        "float32",
    ),
    "to": Key(
        "node or list",
        "nodes it feeds in addition to the arrows of the drawing; `NODE.PORT` names a port",
        one_or_list(NODE_ID, empty=True),
    ),
    "min": Key("number or expression over params", "the smallest number it may hold, inclusive", _END, "no bound"),
    "max": Key("number or expression over params", "the largest number it may hold, inclusive", _END, "no bound"),
    "below": Key(
        "number or expression over params, or a dim",
        "the first whole number it may not hold, or the size of the axis whose entries it counts; without `min`, those "
        "below 0 are not allowed either, as for ids",
        COUNT,
    ),
    "values": Key("list of numbers and expressions over params", "the only values it may hold", _VALUES),
    "description": _DESCRIPTION,
}

FREEZE = Key(
    "true, false or expression",
    "whether training leaves it as it is: its weights and statistics, without dropout",
    SWITCH,
    "false",
)
PART_WEIGHTS = Key(
    "path, list or mapping",
    "the files that it is read from, as under `weights` of a spec, with names inside of it; `false` for random ones",
    ref("part_weights"),
    "those of the spec that it includes",
)

NODE: Mapping[str, Key] = {
    "op": Key("component or block", "what the node is", ref("op"), "its label, otherwise its id"),
    "merge": Key("a merge", f"how to combine several arrows into one port: {', '.join(MERGES)}", ref("merge")),
    "tie": Key(
        "mapping",
        "parameters shared with another node: `weight: embed.weight`; with `if: EXPRESSION`, only if that is true",
        ref("ties"),
    ),
    "same_as": Key("node", "the same module called again, with the same parameters", NODE_ID),
    "reparam": Key("mapping", "how to compute a parameter from the stored one: `weight: standardize`", ref("reparams")),
    "freeze": FREEZE,
    "weights": PART_WEIGHTS,
    "source": Key("FILE:LINE", "where the node was originally written; set in lock files", TEXT),
}

STACK: Mapping[str, Key] = {
    "of": Key("op or list", "the sub-model, or a list of different ones", one_or_list(ref("member")), required=True),
    "repeat": Key("number or expression", "how many times to repeat the sub-model or the list", ref("size"), "1"),
    "mode": Key(
        "a mode",
        f"one after another, or side by side and merged: {', '.join(get_args(Mode))}",
        {"anyOf": [{"enum": [*get_args(Mode)]}, ref("interpolated")]},
        "series",
    ),
    "share": Key(
        "true or false",
        "whether all repetitions are one module with one set of parameters",
        SWITCH,
        "false",
    ),
    "with": Key(
        "mapping",
        "params and fields for the sub-models; may use `index` and `count`",
        {"type": ["object", "null"]},
    ),
    "norm": Key("op", "a normalization after each layer of a series, or after the merge", ref("member")),
    "norm_every": Key("number or expression", "the number of layers of a series between norms", ref("size"), "1"),
    "carry": Key(
        "port, list or mapping",
        "the ports of a series that take the output of the same name, or the one given, of the sub-model before: "
        "`[x, edges]`, `{x: y, edges: updated}`; all other ports go to every sub-model",
        {"anyOf": [*one_or_list(TEXT, unique=True)["anyOf"], {"type": "object", "additionalProperties": TEXT}]},
        "its first port, with the first output",
    ),
    "collect": Key(
        "a merge",
        f"the output of a series merges its input and the outputs of all sub-models: {', '.join(MERGES)}",
        {"anyOf": [{"enum": [*MERGES]}, ref("interpolated")]},
        "the output of the last alone",
    ),
    "axis": Key(
        "number or expression",
        "the axis that `mode: concat`, `mode: dense` and `collect: concat` join along",
        {"anyOf": [{"type": "integer"}, ref("expression")]},
        "-1",
    ),
    "top_k": Key("number or expression", "how many members each position uses, with `mode: gated`", ref("size"), "all"),
    "gate_bias": Key("true or false", "whether the gate of `mode: gated` has a bias", SWITCH, "true"),
    "renormalize": Key("true or false", "whether the weights of those that `top_k` takes sum to 1", SWITCH, "true"),
}

SCAN: Mapping[str, Key] = {
    "of": Key("a block", "the block that is applied at each index", TEXT, required=True),
    "axis": Key("number or expression", "the axis of its inputs to go along, counted from 0", AXIS, "1"),
    "reverse": Key("true or false", "whether to go from the last index to the first", SWITCH, "false"),
    "whole": Key(
        "input or list",
        "inputs of the block that enter every step whole, instead of their part at its index",
        one_or_list(TEXT, empty=True, unique=True),
    ),
    "with": Key("mapping", "params for the block", {"type": ["object", "null"]}),
}

CUSTOM: Mapping[str, Key] = {
    "of": Key("a class", "the dotted name of a torch.nn.Module class: `my_layers.Swish`", TEXT, required=True),
    "outputs": Key(
        "list", "names for the outputs of its forward, in order", one_or_list(TEXT, unique=True), "y, its only output"
    ),
}

BLOCK: Mapping[str, Key] = {
    "params": _PARAMS,
    "inputs": Key(
        "list",
        "its ports, the first for arrows without a label; `mask?` is optional",
        one_or_list(TEXT, unique=True),
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
        one_or_list(TEXT),
    ),
    "map": Key(
        "mapping",
        "patterns of stackc's names, and names in the file or expressions over its tensors; of a list, the first whose"
        " tensors the file has",
        {"type": ["object", "null"], "additionalProperties": one_or_list(TEXT)},
    ),
    "prefix": Key("text", "a beginning of names that those in the file may have or lack: `module.`", TEXT),
    "ignore": Key("list", "patterns of names in the file that the model does not use", one_or_list(TEXT, empty=True)),
    "nonfinite": Key(
        "list", "patterns of names in the file whose tensors may hold NaN or Inf", one_or_list(TEXT, empty=True)
    ),
    "reference": Key(
        "path or mapping",
        "an .npz of inputs and outputs recorded from the original, which the module has to compute",
        {"anyOf": [TEXT, ref("reference")]},
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

_SCALAR: dict[str, Any] = {"type": ["string", "number", "boolean", "null"]}
_ALLOWED: dict[str, Any] = {"anyOf": [_SCALAR, {"type": "array", "items": _SCALAR}]}
_EACH: dict[str, Any] = {
    "type": "object",
    "properties": {"each": _ALLOWED},
    "required": ["each"],
    "additionalProperties": False,
}
_EXPRESSION: dict[str, Any] = {"type": ["string", "number", "boolean"]}
_COUNTED: dict[str, Any] = {
    "type": "object",
    "properties": {"count": _EXPRESSION, "each": _EXPRESSION},
    "required": ["count", "each"],
    "additionalProperties": False,
}
_REQUIREMENT: dict[str, Any] = {"anyOf": [_ALLOWED, _EACH]}
"""What the config must have for a key: a value, a list of which one, or either for all entries of a list."""

HUGGINGFACE: Mapping[str, Key] = {
    "model_type": Key("text or list", "`model_type` of the config", one_or_list(TEXT)),
    "architectures": Key(
        "list", "the names of the classes, as `architectures` of the config has them", one_or_list(TEXT)
    ),
    "params": Key("mapping", "params of the spec, and the keys of the config that set them", ref("config_params")),
    "requires": Key(
        "mapping",
        "keys and the values that they must have: one, a list of which one, or `{each: …}` for all entries of a list",
        {"type": ["object", "null"], "additionalProperties": _REQUIREMENT},
    ),
    "ignores": Key("list", "keys without influence on the outputs of inference", one_or_list(TEXT, empty=True)),
    "defaults": Key(
        "mapping", "what the config class takes for keys that a config lacks", {"type": ["object", "null"]}
    ),
}

CONFIG_PARAM: Mapping[str, Key] = {
    "from": Key(
        "key or list",
        "the key of the config, or several of which the first that is there counts; `a.b` is b inside of a",
        one_or_list(TEXT),
    ),
    "count": Key("key", "the key of a list or mapping; the param is the number of its entries", TEXT),
    "value": Key("expression", "an expression over the keys of the config", {"type": ["string", "number"]}),
    "lacks": Key("name", "the name of a tensor; the param is true if the file of weights does not have it", TEXT),
    "default": Key(
        "expression or list",
        "the value for keys that are null or absent, over the keys of the config; a list also as `{count: …, each: …}`,"
        " one entry for each `index` from 0",
        {"anyOf": [_EXPRESSION, {"type": "array", "items": _EXPRESSION}, _COUNTED]}, "required in the config",
    ),
    "map": Key(
        "mapping", "words of the config, and the value of the param for each; of a list, its JSON, else of each entry",
        {"type": "object"},
    ),
}  # fmt: skip

OUTPUT: Mapping[str, Key] = {
    "of": Key("node", "the node whose value it is, or a path into one: `encoder.3`", NODE_ID, required=True),
    "nonfinite": Key(
        "list",
        f"what it is meant to hold besides numbers: {', '.join(NONFINITE)}; the proof fails on others",
        one_or_list({"enum": [*NONFINITE]}, empty=True, unique=True),
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
        "scan": SCAN,
        "torch": CUSTOM,
        "block": BLOCK,
        "output": OUTPUT,
        "weights": WEIGHTS,
        "reference": REFERENCE,
        "huggingface": HUGGINGFACE,
        "config_param": CONFIG_PARAM,
        "train": TRAIN,
        "train_data": DATA,
        "train_column": COLUMN,
        "train_stop": STOP,
        "train_checkpoint": CHECKPOINTS,
        "train_privacy": PRIVACY,
        "assert": BOUNDS,
        "budget": BUDGET,
        "decode": DECODE,
    }
)
"""The mappings of a spec, by what they describe."""
