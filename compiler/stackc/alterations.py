"""What differs between a node and its counterpart: op, fields, merges, reparametrizations, ties, and what enters it.

A merge that no one drew is told of the node that takes what is merged; the one inside a stack is the stack's mode.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from stackc.components.base import Component
from stackc.components.merge import SIDE_BY_SIDE
from stackc.graph.check import TypedRegion
from stackc.graph.model import Node, Region, Wire
from stackc.matching import Match, is_merge, is_stack
from stackc.view.captions import field_text, reparam_text


def changed(before: TypedRegion, one: Node, after: TypedRegion, other: Node) -> list[str]:
    """What is different about a node by itself: op, fields, what its parameters are made of; else their shapes."""
    resolved = any(node.span.column == 0 for node in (one, other))  # a lock has names of its own, and no labels
    told = [] if resolved and _is_model(one) and _is_model(other) else _other_op(one, other)
    told += _other_merges(before.region, one, after.region, other)
    if isinstance(one.body, Component) and isinstance(other.body, Component):
        told += _other_fields(one.body, other.body)
    if one.id == other.id and not resolved:
        told += _told("label", *(node.label if node.label not in (None, node.op) else node.id for node in (one, other)))
    reparams = [{name: reparam_text(reparam) for name, reparam in node.reparams} for node in (one, other)]
    ties = [{name: tie.path for name, tie in node.ties.items()} for node in (one, other)]
    for what, (left, right) in (("reparam", reparams), ("tie", ties)):
        for name in dict.fromkeys([*left, *right]):
            told += _told(f"{what} of {name}", left.get(name), right.get(name))
    told += _told("same_as", one.same_as, other.same_as)
    return told or _other_shapes(before, one, after, other)


def _is_model(node: Node) -> bool:
    return isinstance(node.body, Region)


def _other_op(one: Node, other: Node) -> list[str]:
    names = [node.body.name if isinstance(node.body, Region) else node.op for node in (one, other)]
    if all(name.startswith(_STACK) for name in names):
        return _told("of", *(name.removeprefix(_STACK) for name in names))
    return [f"{names[0]} → {names[1]}"] if names[0] != names[1] else []


_STACK = "stack of "


def _other_fields(one: Component, other: Component) -> list[str]:
    if type(one) is not type(other):
        return []
    was, now = one.values(), other.values()
    return [
        told
        for name in dict.fromkeys([*was, *now])
        for told in _told(name, *(field_text(values[name]) if name in values else None for values in (was, now)))
    ]


def _other_merges(before: Region, one: Node, after: Region, other: Node) -> list[str]:
    """What joins the members of a stack in another way, or the arrows into a port."""
    told: list[str] = []
    if isinstance(one.body, Region) and isinstance(other.body, Region) and is_stack(one.body) and is_stack(other.body):
        inside = [next(iter(merges_inside(body)), None) for body in (one.body, other.body)]
        told += _told_merge("mode", inside[0], inside[1], "series")
    was, now = merges_into(before, one), merges_into(after, other)
    for port in dict.fromkeys([*was, *now]):
        first = port in (one.inlets[0].port, other.inlets[0].port)
        told += _told_merge("merge" if first else f"merge of {port}", was.get(port), now.get(port), "none")
    return told


def _told_merge(what: str, one: Node | None, other: Node | None, without: str) -> list[str]:
    names = {op: name for name, op in SIDE_BY_SIDE.items()}
    told = _told(what, *(names[node.op] if node else without for node in (one, other)))
    if one and other and isinstance(one.body, Component) and isinstance(other.body, Component):
        told += [f"{what}: {field}" for field in _other_fields(one.body, other.body)]
    return told


def merges_into(region: Region, node: Node) -> dict[str, Node]:
    """What merges the arrows into a node, by the port that they enter. Of a stack it is the mode, not a merge."""
    wires = {inlet.port: inlet.wire.node for inlet in node.inlets if inlet.wire and inlet.wire.node in region.nodes}
    known = {} if is_stack(region) else wires
    return {port: region.nodes[id] for port, id in known.items() if is_merge(region, id)}


def merges_inside(region: Region) -> list[Node]:
    """What joins the members of a stack; nothing of one in series, and of what is no stack."""
    return [region.nodes[id] for id in region.nodes if is_merge(region, id)] if is_stack(region) else []


def _other_shapes(before: TypedRegion, one: Node, after: TypedRegion, other: Node) -> list[str]:
    """The first parameter whose type is another one, and how many more there are: weights that no longer fit."""
    if one.id not in before.signatures or other.id not in after.signatures:
        return []
    was, now = before.signatures[one.id].parameters, after.signatures[other.id].parameters
    found = [told for name in was if name in now for told in _told(name, str(was[name]), str(now[name]))]
    more = [f"{len(found) - 1} more parameters of another shape"] if len(found) > 1 else []
    return found[:1] + more


def _told(name: str, before: str | None, after: str | None) -> list[str]:
    return [f"{name}: {before or 'none'} → {after or 'none'}"] if before != after else []


def rewired(before: Region, one: Node, after: Region, other: Node, match: Match) -> Iterator[str]:
    """The ports of a node that something else enters, apart from what is only called otherwise."""
    for port in dict.fromkeys(inlet.port for inlet in (*one.inlets, *other.inlets)):
        was, now = _entering(before, one, port), _entering(after, other, port)
        if [renamed(wire, match) for wire in was] != now:
            yield f"{port}: from {sources(was)} → from {sources(now)}"


def _entering(region: Region, node: Node, port: str) -> list[Wire]:
    """What enters a port as it is drawn: through a merge that no one drew."""
    merge = merges_into(region, node).get(port)
    inlets = merge.inlets if merge else [inlet for inlet in node.inlets if inlet.port == port]
    return [inlet.wire for inlet in inlets if inlet.wire]


def renamed(wire: Wire, match: Match) -> Wire | None:
    """The value as the second region calls it; None where it has no such node."""
    if wire.node in match.gone:
        return None
    return Wire(match.pairs.get(wire.node, wire.node), wire.output)


def sources(wires: Sequence[Wire]) -> str:
    """The nodes that wires come from."""
    return ", ".join(wire.node + (f":{wire.output}" if wire.output else "") for wire in wires) or "nothing"
