"""The keys of `train:`, for the schema and the language reference."""

from __future__ import annotations

from collections.abc import Mapping
from typing import get_args

from stackc.authoring.field_schema import ref
from stackc.authoring.reference.key import COUNT, NODE_ID, SWITCH, TEXT, Key, Schema, one_or_list
from stackc.ir.optimizers import OPTIMIZERS, SCHEDULES
from stackc.ir.training import Decoder, Precision

_POSITIVE: Schema = {"anyOf": [{"type": "number", "exclusiveMinimum": 0}, ref("expression"), {"type": "null"}]}
_WEIGHT: Schema = {"anyOf": [{"type": "number", "minimum": 0}, ref("expression")]}
_COLUMNS: Schema = one_or_list(NODE_ID)
_TEXT_OR_NONE: Schema = {"type": ["string", "null"]}
_NATURAL: Schema = {"anyOf": [{"type": "integer", "minimum": 0}, ref("expression")]}
_CHOICE = "an op, or a mapping with its `op` and its fields"

TRAIN: Mapping[str, Key] = {
    "graph": Key("arrows", "the losses, drawn after nodes, outputs and inputs of the model", TEXT, required=True),
    "inputs": Key("mapping", "inputs that the losses take besides those of the model, as `label`", ref("inputs")),
    "nodes": Key("mapping", "what the losses are, in addition to their drawing", ref("nodes")),
    "data": Key("mapping", "the examples, and what inputs they become", ref("train_data"), required=True),
    "optimizer": Key(
        _CHOICE,
        f"one of {', '.join(OPTIMIZERS)}, as torch.optim has them; `lr` and `weight_decay` are numbers or map patterns "
        "of parameters to numbers",
        ref("optimizer"), "adam",
    ),
    "schedule": Key(
        _CHOICE, f"how the learning rate goes: {', '.join(SCHEDULES)}; all count steps", ref("schedule"), "constant"
    ),
    "epochs": Key("number or expression", "how many times all examples are seen; this or `steps`", COUNT),
    "steps": Key("number or expression", "how many updates are made; this or `epochs`", COUNT),
    "metrics": Key(
        "mapping",
        "what is measured: `accuracy: {of: logits, target: label}`; a component of the families metric and loss, by "
        "its name or its `op`, with its fields",
        ref("metrics"),
    ),
    "stop": Key("mapping", "when to end before that; its metric also says which epoch is best", ref("train_stop")),
    "clip": Key("number or expression", "the largest norm of all gradients together", _POSITIVE, "none"),
    "accumulate": Key("number or expression", "the parts that a batch is cut into to fit in memory", COUNT, "1"),
    "precision": Key(
        "a type", f"the type that the model computes in: {', '.join(get_args(Precision))}",
        {"enum": [*get_args(Precision)]}, "float32",
    ),
    "seed": Key(
        "number or expression", "the seed of weights, of the order of examples and of dropout",
        {"anyOf": [{"type": "integer", "minimum": 0}, ref("expression")]}, "0",
    ),
    "ema": Key(
        "number 0 ≤ · < 1", "the decay of an average of the weights, which is what is evaluated and kept",
        {"anyOf": [{"type": "number", "minimum": 0, "exclusiveMaximum": 1}, ref("expression"), {"type": "null"}]},
        "none",
    ),
    "freeze": Key(
        "node or list", "nodes and blocks that keep their weights and statistics, without dropout: `encoder.3`",
        one_or_list(NODE_ID, empty=True),
    ),
    "loss_weights": Key(
        "mapping", "what each loss is multiplied by before they are summed: `{auxiliary: 0.3}`",
        {"type": ["object", "null"], "additionalProperties": _WEIGHT},
        "1 each",
    ),
    "checkpoint": Key(
        "mapping", "when checkpoints are written besides the end of each epoch: `{every: 500}` steps",
        ref("train_checkpoint"),
    ),
    "recalibrate": Key(
        "number or expression",
        "the batches of examples from which the statistics of batch_norm are calculated anew before each evaluation, "
        "for the weights that are evaluated and kept; with `ema` above all", COUNT, "none",
    ),
    "privacy": Key(
        "mapping", "what the weights may tell of any one example: `{epsilon: 3, delta: 1e-5, clip: 1.0}`",
        ref("train_privacy"),
    ),
}  # fmt: skip

DATA: Mapping[str, Key] = {
    "batch": Key("number or expression", "how many examples make a step", ref("size"), required=True),
    "train": Key(
        "path, or MODULE:CLASS",
        "the examples: an .npz, .safetensors, .csv, .tsv, .jsonl or .parquet, tokens in an .npy, a folder of images, "
        "or a Dataset of one's own",
        TEXT,
    ),
    "validation": Key("path, or MODULE:CLASS", "the examples that are evaluated after each epoch", TEXT),
    "columns": Key(
        "mapping", "what inputs are made from: `x: [age, income]`, `label: target`, or a mapping, see below",
        {"type": ["object", "null"], "additionalProperties": {"anyOf": [_COLUMNS, ref("train_column")]}},
        "each input from the column of its name",
    ),
    "shuffle": Key("true or false", "whether each epoch has an order of its own", SWITCH, "true"),
    "buckets": Key(
        "number or expression", "how many batches are sorted by length together, so that little is filled up", COUNT,
        "none",
    ),
    "window": Key("number or expression", "how many tokens of an .npy make an example", COUNT, "none"),
    "workers": Key(
        "number or expression", "how many threads prepare batches; their order is that without", _NATURAL, "0"
    ),
}  # fmt: skip

COLUMN: Mapping[str, Key] = {
    "from": Key(
        "column or list", "numbers of several columns are stacked along the last axis, two texts are a pair",
        _COLUMNS, "the name of the input",
    ),
    "decode": Key(
        ", ".join(get_args(Decoder)), "what the column has: paths beside the examples, or the bytes of files",
        {"enum": [*get_args(Decoder), None]}, "none",
    ),
    "resize": Key("true or false", "whether images are resized to the height and width of the input", SWITCH, "false"),
    "sample_rate": Key("number or expression", "the samples a second that waveforms have to have", COUNT, "any"),
    "tokenizer": Key("path", "the tokenizer.json, beside the spec, that makes ids of texts", _TEXT_OR_NONE, "none"),
    "classes": Key("list", "the texts that stand for 0, 1, 2, …", {"type": "array", "items": TEXT}, "none"),
    "pad": Key(
        "number or expression", "what fills up rows that are shorter than others of their batch",
        {"anyOf": [{"type": "number"}, ref("expression"), {"type": "null"}]}, "none, so that they are refused",
    ),
    "truncate": Key(
        "true or false", "whether longer rows are cut to the largest size under `dims`", SWITCH,
        "false, so that they are refused",
    ),
    "mask": Key("an input", "the input that gets 1 where a row is, 0 where it is filled up", _TEXT_OR_NONE, "none"),
    "lengths": Key("an input", "the input that gets the length of each row", _TEXT_OR_NONE, "none"),
    "types": Key("an input", "the input that gets the type of each token: 1 in the second text", _TEXT_OR_NONE, "none"),
    "join": Key(
        "true or false", "whether the rows of a batch follow each other along the first axis without a fixed size, as "
        "nodes and edges of graphs do", SWITCH, "false",
    ),
    "offset": Key(
        "an input", "the joined input whose entries these numbers count, from 0 in each example: ends of edges",
        _TEXT_OR_NONE, "none",
    ),
    "members": Key(
        "an input", "the input that gets the number of the example, within the batch, of each joined entry",
        _TEXT_OR_NONE, "none",
    ),
}  # fmt: skip

CHECKPOINTS: Mapping[str, Key] = {
    "every": Key("number or expression", "the steps after which one is written", ref("size"), required=True),
}

_ABOVE_0: Schema = {"anyOf": [{"type": "number", "exclusiveMinimum": 0}, ref("expression")]}
_BETWEEN_0_AND_1: Schema = {
    "anyOf": [{"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1}, ref("expression")]
}
PRIVACY: Mapping[str, Key] = {
    "epsilon": Key(
        "number or expression", "the budget ε of the whole run: the noise is chosen for it", _ABOVE_0, required=True
    ),
    "delta": Key(
        "number 0 < · < 1", "the probability δ that the weights tell more, below 1 / the number of examples",
        _BETWEEN_0_AND_1, required=True,
    ),
    "clip": Key(
        "number or expression", "the largest norm of the gradient of one example", _ABOVE_0, required=True
    ),
}  # fmt: skip

_BOUND: Schema = {"anyOf": [{"type": "number"}, ref("expression"), {"type": "null"}]}
BOUNDS: Mapping[str, Key] = {
    "min": Key("number or expression", "the smallest figure that passes", _BOUND, "no bound"),
    "max": Key("number or expression", "the largest figure that passes", _BOUND, "no bound"),
}

_NAMES: Schema = {"type": "array", "items": {"type": "string"}}
BUDGET: Mapping[str, Key] = {
    "max_error": Key(
        "number or expression", "the largest distance of a number of an output from PyTorch's", _BOUND, "no bound"
    ),
    "cosine": Key(
        "number or expression",
        "the smallest cosine of a vector of an output, along its last axis, with PyTorch's",
        _BOUND,
        "no bound",
    ),
    "metric": Key("a metric", "the metric of `train` that may get worse on `data`; needs `drop`", TEXT, "no bound"),
    "drop": Key("number or expression", "by how much the metric may be worse than that of the float32 file", _BOUND),
    "perplexity_ratio": Key(
        "number or expression",
        "how many times float32's perplexity of the next token may be, on `data`",
        _BOUND,
        "no bound",
    ),
    "outputs": Key("list of outputs", "the outputs that `max_error` and `cosine` are for", _NAMES, "all"),
    "data": Key(
        "a path", "an .npz file of inputs by name, beside the spec; its first axis is examples", TEXT, "drawn inputs"
    ),
}

STOP: Mapping[str, Key] = {
    "metric": Key("a metric", "the metric or loss that has to improve, or `total`", TEXT, required=True),
    "patience": Key("number or expression", "the epochs to wait for that", ref("size"), required=True),
}
