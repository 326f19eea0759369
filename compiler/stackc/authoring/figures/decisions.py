"""Decide which op a node of a figure is: the only one that fits its words, its numbers and its arrows, or none."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from stackc.authoring.figures.labels import LabelOperation, Reading
from stackc.components import REGISTRY
from stackc.components.fields import fields_of

COLLECTIVE = frozenset(
    {"add", "mul", "mean", "concat", "weighted_sum", "gated_sum", "maximum", "minimum", "sub", "div"}
)
"""Ops that make one value of several: with one arrow they are not meant."""

_NOT_OF_IMAGES = frozenset(
    {"conv1d", "conv_transpose1d", "max_pool1d", "avg_pool1d", "mean_pool", "max_pool", "cls_pool"}
)
MERGES = {"add": "sum", "mul": "mul", "mean": "mean", "concat": "concat"}
"""The `merge` of a node that does what a collective op does."""


@dataclass(frozen=True)
class OpChoice:
    """One op with the fields that the figure gives."""

    op: str
    fields: Mapping[str, object]


@dataclass(frozen=True)
class Decision:
    """What a node is: its ops, one after another, the op that merges its arrows, if any, and how often they repeat."""

    steps: tuple[OpChoice, ...]
    merged: str | None = None
    repeat: str | None = None


def decide(reading: Reading, entering: int, *, images: bool) -> Decision | None:
    """Return what a node with this label and this number of arrows without a port is; None if that is not certain."""
    operations = list(reading.operations)
    if not operations or any(not each.ops or each.unread for each in operations):
        return None

    # `Add & Norm`: the first of several operations may merge the arrows
    merged = None
    if entering > 1 and len(operations) > 1:
        merged = only(candidates(operations[0], entering, images=images))
        if merged not in MERGES:
            return None
        operations, entering = operations[1:], 1

    ops = [only(candidates(each, entering if not n else 1, images=images)) for n, each in enumerate(operations)]
    if any(op is None for op in ops):
        return None
    steps = tuple(OpChoice(op, fields_from(op, each)) for op, each in zip(ops, operations, strict=True) if op)
    scaled = steps[0].op == "upsample" and len(steps) == 1

    # a number that no op takes says something that is not understood
    stated = {name for each in reading.operations for name in each.numbers} - {"repeat"}
    if not stated <= {name for step in steps for name in step.fields}:
        return None
    return Decision(steps, merged, None if scaled else reading.repeat)


def candidates(operation: LabelOperation, entering: int, *, images: bool) -> tuple[str, ...]:
    """Return the ops that an operation may be, with so many arrows; "block" and "stack" are of the user's own."""
    ops = [op for op in operation.ops if _takes(op, entering)]
    if "kernel" in operation.numbers:
        ops = [op for op in ops if op in REGISTRY and "kernel" in fields_of(REGISTRY[op])]
    if images or "kernel" in operation.numbers:
        ops = [op for op in ops if op not in _NOT_OF_IMAGES]
    return tuple(ops)


def only(ops: Iterable[str]) -> str | None:
    """Return the one op that there is, if it is a component."""
    one, *others = [*ops, "", ""][:2]
    return one if one in REGISTRY and others == [""] else None


def fields_from(op: str, operation: LabelOperation) -> dict[str, object]:
    """Return the fields of an op that the numbers of a label give."""
    numbers = dict(operation.numbers)
    if op == "upsample" and "repeat" in numbers:
        numbers["scale"] = numbers["repeat"]
    return {name: numbers[name] for name in fields_of(REGISTRY[op]) if name in numbers}


def _takes(op: str, entering: int) -> bool:
    """Return whether an op may be meant with so many arrows; one with a port for each has to be told which."""
    if op not in REGISTRY:
        return entering <= 1
    if entering <= 1:
        return op not in COLLECTIVE
    return any(port.variadic for port in REGISTRY[op].ports[:1]) or len(REGISTRY[op].ports) >= entering
