"""`same_as`: which node's module a node calls again."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from stackc.diagnostics import Collector, near
from stackc.graph.model import Node
from stackc.spec.document import Body, NodeEntry


def owners_of(body: Body, names: Collection[str], found: Collector) -> dict[str, str]:
    """Each node with a `same_as`, and the node without one to which it leads; those that lead nowhere are left out.

    Notes N304 for a name that is no node here, and for nodes that are the same as each other in a circle.
    """
    owners: dict[str, str] = {}
    for name in names:
        if (entry := body.nodes.get(name)) and entry.same_as:
            owner = _owner(name, body, names, found)
            owners |= {name: owner} if owner else {}
    return owners


def _owner(name: str, body: Body, names: Collection[str], found: Collector) -> str | None:
    chain = [name]
    while (entry := body.nodes.get(chain[-1])) and (value := entry.same_as):
        target = value.data
        if not isinstance(target, str):
            found.error("S005", f"nodes.{entry.name}.same_as has to be text, and is {value.kind}", value.span)
            return None
        if target not in names:
            message = f"'{entry.name}' is the same as '{target}', which is no node here"
            found.error("N304", message, value.span, near(target, [n for n in names if n != entry.name]))
            return None
        if target in chain:
            circle = [*chain[chain.index(target) :], target]
            if name == min(circle):
                message = f"'{name}' is the same as itself: {' → '.join(circle)}"
                found.error("N304", message, value.span, "one of them has to say what it is")
            return None
        chain.append(target)
    return chain[-1]


def same_module(
    entry: NodeEntry, owner: str, nodes: Mapping[str, Node], connected: Collection[str], found: Collector
) -> Node | None:
    """The node whose module `entry` calls again; None, noted under N310, where it cannot be called so."""
    assert entry.same_as is not None
    other = nodes.get(owner)
    own = [*entry.fields.items(), *entry.tie.items(), *entry.reparam.items()]
    if entry.op:
        message = f"'{entry.name}' is the same module as '{owner}', and has no op of its own"
        found.error("N310", message, entry.op.span, "take `op` away, or `same_as`")
    elif own:
        key, place = own[0]
        message = f"'{entry.name}' is the same module as '{owner}', and has no '{key}' of its own"
        found.error("N310", message, place.key, f"take it away, or write it at '{owner}'")
    elif other and {inlet.port for inlet in other.inlets if inlet.wire} != connected:
        ports = ", ".join(dict.fromkeys(inlet.port for inlet in other.inlets if inlet.wire))
        message = f"'{entry.name}' is the same module as '{owner}', and needs arrows into the same ports: {ports}"
        found.error(
            "N310", message, entry.same_as.span, "draw the arrows that are missing, or take away those too many"
        )
    else:
        return other
    return None
