"""`same_as`: which node's module a node calls again."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from stackc.core.diagnostics import Collector, did_you_mean
from stackc.ir.model import Node
from stackc.spec.document import Body, NodeEntry
from stackc.spec.yaml.tree import Value


def owners_of(body: Body, names: Collection[str], diagnostics: Collector) -> dict[str, str]:
    """Each node with a `same_as`, and the node without one to which it leads; those that lead nowhere are left out.

    Notes N304 for a name that is no node here, and for nodes that are the same as each other in a circle.
    """
    known, owners = set(names), dict[str, str | None]()
    for name in names:
        if (entry := body.nodes.get(name)) and entry.same_as:
            _find_owner(name, body, known, owners, diagnostics)
    return {name: owner for name, owner in owners.items() if owner}


def _find_owner(
    name: str, body: Body, names: Collection[str], owners: dict[str, str | None], diagnostics: Collector
) -> None:
    """Add the owner of a node, and of all that its chain of `same_as` passes, to `owners`: None where there is none."""
    chain: dict[str, None] = {}
    end: str | None = name
    while end and end not in owners and (entry := body.nodes.get(end)) and entry.same_as:
        chain[end] = None
        end = _named(entry, entry.same_as, chain, names, diagnostics)
    owner = owners.get(end, end) if end else None
    owners.update(dict.fromkeys(chain, owner))


def _named(
    entry: NodeEntry, value: Value, chain: Collection[str], names: Collection[str], diagnostics: Collector
) -> str | None:
    """The node that an entry is the same as; None, noted, where that is none, or leads back into `chain`."""
    target = value.data
    if not isinstance(target, str):
        diagnostics.error("S005", f"nodes.{entry.name}.same_as has to be text, and is {value.kind}", value.span)
    elif target not in names:
        message = f"'{entry.name}' is the same as '{target}', which is no node here"
        diagnostics.error("N304", message, value.span, did_you_mean(target, [n for n in names if n != entry.name]))
    elif target in chain:
        circle = [*chain][[*chain].index(target) :]
        message = f"'{target}' is the same as itself: {' → '.join([*circle, target])}"
        diagnostics.error("N304", message, value.span, "one of them has to say what it is")
    else:
        return target
    return None


def same_module(
    entry: NodeEntry, owner: str, nodes: Mapping[str, Node], connected: Collection[str], diagnostics: Collector
) -> Node | None:
    """The node whose module `entry` calls again; None, noted under N310, where it cannot be called so."""
    assert entry.same_as is not None
    other = nodes.get(owner)
    own = [*entry.fields.items(), *entry.tie.items(), *entry.reparam.items()]
    if entry.op:
        message = f"'{entry.name}' is the same module as '{owner}', and has no op of its own"
        diagnostics.error("N310", message, entry.op.span, "take `op` away, or `same_as`")
    elif own:
        key, place = own[0]
        message = f"'{entry.name}' is the same module as '{owner}', and has no '{key}' of its own"
        diagnostics.error("N310", message, place.key, f"take it away, or write it at '{owner}'")
    elif other and {operand.port for operand in other.operands if operand.value} != connected:
        ports = ", ".join(dict.fromkeys(operand.port for operand in other.operands if operand.value))
        message = f"'{entry.name}' is the same module as '{owner}', and needs arrows into the same ports: {ports}"
        diagnostics.error(
            "N310", message, entry.same_as.span, "draw the arrows that are missing, or take away those too many"
        )
    else:
        return other
    return None
