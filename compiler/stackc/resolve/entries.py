"""What a node's entry says beside its op and fields: how arrows merge, what is tied."""

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
    """The component of `merge: sum`, or of `merge: {op: concat, axis: 1}`; None, noted, where it is none."""
    value = entry.merge
    assert value is not None
    fields = dict(value.data) if isinstance(value.data, Mapping) else {}
    named = fields.pop("op").value if "op" in fields else value
    if not isinstance(named.data, str):
        hint = "for example `merge: sum`, or `merge: {op: concat, axis: 1}`"
        scope.diagnostics.error("N310", f"'{entry.name}': merge has to name how arrows merge", named.span, hint)
        return None
    name = scope.text(named, f"nodes.{entry.name}.merge")
    if name not in MERGES:
        if name is not None:
            scope.diagnostics.error("N310", f"no merge is called '{name}'", named.span, did_you_mean(name, MERGES))
        return None
    return component_of(REGISTRY[MERGES[name]], fields, scope, f"the merge of '{entry.name}'", value.span)


def ties_of(entry: NodeEntry | None, scope: Scope) -> dict[str, Tie]:
    """Parameters of the node that are another one: `tie: {weight: embed.weight}`."""
    ties = {}
    for name, item in (entry.tie if entry else {}).items():
        if (path := scope.text(item.value, f"tie.{name}")) is not None:
            ties[name] = Tie(path, item.value.span, item.key)
    return ties


def reparam_places(entry: NodeEntry | None) -> dict[str, Span]:
    """Where each reparametrization of a node is written, under `reparam.NAME`."""
    return {f"reparam.{name}": item.key for name, item in (entry.reparam if entry else {}).items()}
