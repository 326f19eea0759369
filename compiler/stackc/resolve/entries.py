"""Parts of a node's entry besides op and fields: how arrows merge, tied and reparametrized parameters."""

from __future__ import annotations

from collections.abc import Mapping

from stackc.components import REGISTRY
from stackc.components.base import Component
from stackc.components.families.merge import MERGES
from stackc.core.diagnostics import Span, did_you_mean
from stackc.ir.model import Tie
from stackc.resolve.fields import component_of
from stackc.resolve.scope import Scope
from stackc.spec.document import NodeEntry


def merge_of(entry: NodeEntry, scope: Scope) -> Component | None:
    """Return the component of `merge: sum` or `merge: {op: concat, axis: 1}`; None, reported as N310, if invalid."""
    value = entry.merge
    assert value is not None
    fields = dict(value.data) if isinstance(value.data, Mapping) else {}
    op = fields.pop("op").value if "op" in fields else value
    if not isinstance(op.data, str):
        hint = "write for example `merge: sum`, or `merge: {op: concat, axis: 1}`"
        scope.diagnostics.error("N310", f"'{entry.name}': merge must name a way to merge arrows", op.span, hint)
        return None

    name = scope.text(op, f"nodes.{entry.name}.merge")
    if name not in MERGES:
        if name is not None:
            scope.diagnostics.error("N310", f"unknown merge '{name}'", op.span, did_you_mean(name, MERGES))
        return None
    return component_of(REGISTRY[MERGES[name]], fields, scope, f"the merge of '{entry.name}'", value.span)


def ties_of(entry: NodeEntry | None, scope: Scope) -> dict[str, Tie]:
    """Return the tied parameters of a node: `tie: {weight: embed.weight}`."""
    ties = {}
    for name, item in (entry.tie if entry else {}).items():
        if (path := scope.text(item.value, f"tie.{name}")) is not None:
            ties[name] = Tie(path, item.value.span, item.key)
    return ties


def reparam_places(entry: NodeEntry | None) -> dict[str, Span]:
    """Return the place of each reparametrization of a node, under `reparam.NAME`."""
    return {f"reparam.{name}": item.key for name, item in (entry.reparam if entry else {}).items()}
