"""Compare how two specs are trained: what is drawn under `train:`, its inputs, its settings; and what they assert."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from stackc.analysis.diff.changes import Change, SpanPair, describe_change
from stackc.core.diagnostics import Span
from stackc.frontend import Checked
from stackc.ir.optimizers import OPTIMIZERS, SCHEDULES
from stackc.ir.training import Training, TrainSettings
from stackc.ir.typed import TypedRegion

RegionChanges = Callable[[TypedRegion, TypedRegion], Iterable[Change]]
"""Compares the nodes of two regions; the changes have ids for paths."""

_OPS = {make: op for table in (OPTIMIZERS, SCHEDULES) for op, make in table.items()}
_OF_FILES = ("data.train", "data.validation", "checkpoint")
"""Settings that a lock leaves out."""


def training_changes(before: Checked, after: Checked, compare: RegionChanges, *, with_a_lock: bool) -> Iterator[Change]:
    """Yield every such difference: nodes, inputs, settings, assertions."""
    old, new = before.training, after.training
    at = _span(before), _span(after)
    if old is None or new is None:
        if old is not None or new is not None:
            names = "train" if old is not None else None, "train" if new is not None else None
            yield Change("removed" if new is None else "added", *names, "train", at=at)
    else:
        yield from _inputs(before, after, old, new)
        yield from _nodes(before, after, compare(old.typed.root, new.typed.root), old, new)
        if details := tuple(_settings(old.settings, new.settings, with_a_lock=with_a_lock)):
            yield Change("changed", "train", "train", "train", details, at=at)
    if not with_a_lock:
        yield from _assertions(before, after)


def _span(checked: Checked) -> Span | None:
    return checked.document.train.span if checked.document.train else None


def _inputs(before: Checked, after: Checked, old: Training, new: Training) -> Iterator[Change]:
    """Compare the inputs that training takes besides those of the model, with what they may hold."""
    texts = [
        {
            name: f"{type_}{_allowed(training, name)}"
            for name, type_ in training.program.inputs.items()
            if name not in checked.program.inputs
        }
        for checked, training in ((before, old), (after, new))
    ]
    spans = [
        {name: decl.span for name, decl in checked.document.train.inputs.items()} if checked.document.train else {}
        for checked in (before, after)
    ]
    yield from _named(texts, spans, "input")


def _allowed(training: Training, name: str) -> str:
    allowed = training.ranges[name].binding if name in training.ranges else None
    return "".join(f", {key} {value}" for key, value in allowed.declaration().items()) if allowed else ""


def _nodes(
    before: Checked, after: Checked, changes: Iterable[Change], old: Training, new: Training
) -> Iterator[Change]:
    """Yield the changes of a whole train graph that are not those of the model in it."""
    removed = old.typed.root.region.nodes.keys() - before.graph.root.nodes.keys()
    added = new.typed.root.region.nodes.keys() - after.graph.root.nodes.keys()
    for change in changes:
        if change.before in removed or change.after in added:
            left, right = (None if id is None else f"train.{id}" for id in (change.before, change.after))
            yield dataclasses.replace(change, before=left, after=right)


def _settings(old: TrainSettings, new: TrainSettings, *, with_a_lock: bool) -> Iterator[str]:
    """Yield what differs in the settings, one by one: `optimizer.lr: 0.01 → 0.001`."""
    left, right = dict(_flat("", old)), dict(_flat("", new))
    order = [field.name for field in dataclasses.fields(TrainSettings)]
    for name in sorted({**left, **right}, key=lambda name: order.index(name.partition(".")[0])):
        is_of_one_loss = name.startswith("loss_weights.") and (name not in left or name not in right)
        if not is_of_one_loss and not (with_a_lock and name in _OF_FILES):
            yield from describe_change(name, left.get(name), right.get(name))


def _flat(path: str, value: Any) -> Iterator[tuple[str, str]]:
    """Yield every setting by its path, as text; those that are None are left out."""
    if type(value) in _OPS:
        yield path, _OPS[type(value)]
    if dataclasses.is_dataclass(value):
        for field in dataclasses.fields(value):
            yield from _flat(f"{path}.{field.name}".lstrip("."), getattr(value, field.name))
    elif isinstance(value, Mapping):
        for name, each in value.items():
            yield from _flat(f"{path}.{name}", each)
    elif isinstance(value, tuple):
        if value:
            yield path, f"[{', '.join(map(_text, value))}]"
    elif value is not None:
        yield path, _text(value)


def _text(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)


def _assertions(before: Checked, after: Checked) -> Iterator[Change]:
    """Compare the bounds that the specs assert."""
    texts = [{each.name: each.bounds for each in checked.assertions} for checked in (before, after)]
    spans = [{each.name: each.span for each in checked.assertions} for checked in (before, after)]
    yield from _named(texts, spans, "assert")


def _named(texts: list[dict[str, str]], spans: list[dict[str, Span]], op: str) -> Iterator[Change]:
    """Yield what differs between two mappings of names to texts."""
    old, new = texts
    path = "train." if op == "input" else ""
    for name in dict.fromkeys([*old, *new]):
        at: SpanPair = spans[0].get(name), spans[1].get(name)
        if name not in new:
            yield Change("removed", f"{path}{name}", None, op, (old[name],), at=at)
        elif name not in old:
            yield Change("added", None, f"{path}{name}", op, (new[name],), at=at)
        elif old[name] != new[name]:
            yield Change("changed", f"{path}{name}", f"{path}{name}", op, (f"{old[name]} → {new[name]}",), at=at)
