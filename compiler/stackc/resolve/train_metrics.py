"""The metrics under `train:`, which are drawn nowhere: each is a node of its own, after what it measures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from stackc.core.diagnostics import Collector, Span
from stackc.spec.document import NodeEntry, TrainDecl
from stackc.spec.yaml.getters import Getter
from stackc.spec.yaml.tree import Entry, Value


@dataclass(frozen=True, slots=True)
class MetricDecl:
    """A metric: its op, what it measures and against what, and its other fields."""

    name: str
    op: Value
    of: str
    target: str
    fields: Mapping[str, Entry]
    span: Span


def read_metrics(train: TrainDecl, diagnostics: Collector) -> dict[str, MetricDecl]:
    """Read `metrics: {accuracy: {of: logits, target: label}}`; a metric without an op has its name as op."""
    written = train.settings.get("metrics")
    if written is None:
        return {}

    metrics = {}
    for name, entry, getter in Getter.of(written.value, "train.metrics", diagnostics, written.key).each():
        of, target = getter.text("of"), getter.text("target")
        if of is None or target is None:
            message = f"the metric '{name}' needs `of` and `target`: what it measures, and against what"
            diagnostics.error("S006", message, entry.key, f"for example `{name}: {{of: logits, target: label}}`")
            continue
        op = getter.value("op") or Value(name, entry.key)
        fields = {key: field for key, field in getter.entries.items() if key not in ("of", "target", "op")}
        metrics[name] = MetricDecl(name, op, of, target, fields, entry.key)
    return metrics


def metric_entry(metric: MetricDecl) -> NodeEntry:
    """Return the entry of the node that a metric is."""
    return NodeEntry(metric.name, metric.span, op=metric.op, fields=metric.fields)
