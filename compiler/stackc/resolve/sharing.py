"""Module sharing: the node whose module a node with `same_as` calls again."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from stackc.core.diagnostics import Collector, did_you_mean
from stackc.ir.model import Node
from stackc.spec.document import Body, NodeEntry
from stackc.spec.yaml.tree import Entry, Value


def owners_of(body: Body, names: Collection[str], diagnostics: Collector) -> dict[str, str]:
    """Map each node with a `same_as` to the node at the end of its chain, which has none; omit invalid ones.

    Reports N304 for an unknown node, and for nodes that are the same as each other in a cycle.
    """
    nodes, owners = set(names), dict[str, str | None]()
    for name in names:
        if (entry := body.nodes.get(name)) and entry.same_as:
            _find_owner(name, body, nodes, owners, diagnostics)
    return {name: owner for name, owner in owners.items() if owner}


def _find_owner(
    name: str, body: Body, names: Collection[str], owners: dict[str, str | None], diagnostics: Collector
) -> None:
    """Add to `owners` the owner of a node and of all nodes along its chain of `same_as`; None if there is no owner."""
    chain: dict[str, None] = {}
    end: str | None = name
    while end and end not in owners and (entry := body.nodes.get(end)) and entry.same_as:
        chain[end] = None
        end = _target(entry, entry.same_as, chain, names, diagnostics)

    owner = owners.get(end, end) if end else None
    owners.update(dict.fromkeys(chain, owner))


def _target(
    entry: NodeEntry, value: Value, chain: Collection[str], names: Collection[str], diagnostics: Collector
) -> str | None:
    """Return the node that a `same_as` names; None, reported, if there is no such node or it leads back to `chain`."""
    target = value.data
    if not isinstance(target, str):
        diagnostics.error("S005", f"nodes.{entry.name}.same_as must be text, but is {value.kind}", value.span)
        return None

    if target not in names:
        message = f"'{entry.name}' is the same as '{target}', which is not a node here"
        diagnostics.error("N304", message, value.span, did_you_mean(target, [n for n in names if n != entry.name]))
        return None

    if target in chain:
        cycle = [*chain][[*chain].index(target) :]
        message = f"'{target}' is the same as itself: {' → '.join([*cycle, target])}"
        diagnostics.error("N304", message, value.span, "remove `same_as` from one of them, and write its op")
        return None
    return target


def same_module(
    entry: NodeEntry, owner: str, nodes: Mapping[str, Node], connected: Collection[str], diagnostics: Collector
) -> Node | None:
    """Return the node whose module `entry` calls again; None, reported as N310, if it cannot be called like that.

    `connected` lists the ports of `entry` that arrows enter: its owner must have arrows into the same ones.
    """
    assert entry.same_as is not None
    other = nodes.get(owner)
    subject = f"'{entry.name}' is the same module as '{owner}'"
    items = [*entry.fields.items(), *entry.tie.items(), *entry.reparam.items()]
    items += [(key, Entry(value.span, value)) for key in ("freeze", "weights") if (value := getattr(entry, key))]

    if entry.op:
        message = f"{subject} and cannot have its own op"
        diagnostics.error("N310", message, entry.op.span, "remove `op` or `same_as`")
        return None
    if items:
        key, item = items[0]
        message = f"{subject} and cannot have its own '{key}'"
        diagnostics.error("N310", message, item.key, f"remove it, or write it at '{owner}'")
        return None
    if other and {operand.port for operand in other.operands if operand.value} != connected:
        ports = ", ".join(dict.fromkeys(operand.port for operand in other.operands if operand.value))
        message = f"{subject} and needs arrows into the same ports: {ports}"
        hint = "draw the missing arrows, or remove the extra ones"
        diagnostics.error("N310", message, entry.same_as.span, hint)
        return None
    return other
