"""The keys of `train:`, for the schema and the language reference."""

from __future__ import annotations

from collections.abc import Mapping
from typing import get_args

from stackc.authoring.field_schema import ref
from stackc.authoring.reference.key import COUNT, NODE_ID, SWITCH, TEXT, Key, Schema, one_or_list
from stackc.ir.optimizers import OPTIMIZERS, SCHEDULES
from stackc.ir.training import Precision

_POSITIVE: Schema = {"anyOf": [{"type": "number", "exclusiveMinimum": 0}, ref("expression"), {"type": "null"}]}
_WEIGHT: Schema = {"anyOf": [{"type": "number", "minimum": 0}, ref("expression")]}
_CHOICE = "an op, or a mapping with its `op` and its fields"

TRAIN: Mapping[str, Key] = {
    "graph": Key("arrows", "the losses, drawn after nodes, outputs and inputs of the model", TEXT, required=True),
    "inputs": Key("mapping", "inputs that the losses take besides those of the model, as `label`", ref("inputs")),
    "nodes": Key("mapping", "what the losses are, in addition to their drawing", ref("nodes")),
    "data": Key("mapping", "the files of examples, and the size of a batch", ref("train_data"), required=True),
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
}  # fmt: skip

DATA: Mapping[str, Key] = {
    "batch": Key("number or expression", "how many examples make a step", ref("size"), required=True),
    "train": Key("path", "the file of examples, .npz or .safetensors, with a column for each input", TEXT),
    "validation": Key("path", "the file that is evaluated after each epoch", TEXT),
    "shuffle": Key("true or false", "whether each epoch has an order of its own", SWITCH, "true"),
}

CHECKPOINTS: Mapping[str, Key] = {
    "every": Key("number or expression", "the steps after which one is written", ref("size"), required=True),
}

_BOUND: Schema = {"anyOf": [{"type": "number"}, ref("expression"), {"type": "null"}]}
BOUNDS: Mapping[str, Key] = {
    "min": Key("number or expression", "the smallest figure that passes", _BOUND, "no bound"),
    "max": Key("number or expression", "the largest figure that passes", _BOUND, "no bound"),
}

STOP: Mapping[str, Key] = {
    "metric": Key("a metric", "the metric or loss that has to improve, or `total`", TEXT, required=True),
    "patience": Key("number or expression", "the epochs to wait for that", ref("size"), required=True),
}
