"""The JSON Schema of `train:`, how a model is trained."""

from __future__ import annotations

from collections.abc import Mapping
from inspect import getdoc

from stackc.authoring.field_schema import Json, field_schema, ref
from stackc.authoring.mapping_schema import mapping_schema
from stackc.authoring.reference.train_keys import BOUNDS, BUDGET, CHECKPOINTS, COLUMN, DATA, PRIVACY, STOP, TRAIN
from stackc.components.fields import FieldSpec, dataclass_fields
from stackc.ir.optimizers import OPTIMIZERS, PATTERN_FIELDS, SCHEDULES


def train_sections() -> Json:
    """Return the definitions of `train` and of its parts, and of what is asserted."""
    return {
        "train": _train(),
        "train_data": mapping_schema(DATA),
        "train_column": mapping_schema(COLUMN),
        "train_stop": mapping_schema(STOP),
        "train_checkpoint": mapping_schema(CHECKPOINTS),
        "train_privacy": mapping_schema(PRIVACY),
        "assert": {"type": ["object", "null"], "additionalProperties": {**mapping_schema(BOUNDS), "minProperties": 1}},
        "budget": {**mapping_schema(BUDGET), "type": ["object", "null"]},
        "metrics": {"type": ["object", "null"], "additionalProperties": _metric()},
        "optimizer": _choice(OPTIMIZERS),
        "schedule": _choice(SCHEDULES),
    }


def _train() -> Json:
    """Return the schema of the whole: it ends by `epochs` or by `steps`, and its inputs may be missing."""
    ends = [{"required": ["epochs"]}, {"required": ["steps"]}]
    return {**mapping_schema(TRAIN), "oneOf": ends}


def _metric() -> Json:
    """Return the schema of a metric, whose other keys are the fields of its component."""
    text = {"type": "string"}
    return {"type": "object", "properties": {"op": ref("op"), "of": text, "target": text}, "required": ["of", "target"]}


def _field(spec: FieldSpec) -> Json:
    """Return the schema of a field, which may map patterns of parameters to values."""
    schema = field_schema(spec)
    if spec.name not in PATTERN_FIELDS:
        return schema
    patterns = {"type": "object", "minProperties": 1, "additionalProperties": {"anyOf": schema["anyOf"]}}
    return {**schema, "anyOf": [*schema["anyOf"], patterns]}


def _choice(table: Mapping[str, type]) -> Json:
    """Return the schema of a choice: its name, where nothing is required, or a mapping with its fields."""
    plain, mappings = [], []
    for op, make in table.items():
        specs = dataclass_fields(make)
        required = [spec.name for spec in specs if spec.required]
        plain += [] if required else [op]
        mappings.append(
            {
                "type": "object",
                "description": getdoc(make),
                "properties": {"op": {"const": op}, **{spec.name: _field(spec) for spec in specs}},
                "required": ["op", *required],
                "additionalProperties": False,
            }
        )
    return {"anyOf": [{"enum": plain}, *mappings]}
