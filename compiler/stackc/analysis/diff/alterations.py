"""What differs between a node and its counterpart: op, fields, merges, reparametrizations, ties, and what enters it.

A merge that no one drew is told of the node that takes what is merged; the one inside a stack is the stack's mode.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TypeAlias

from stackc.analysis.diff.changes import describe_change
from stackc.analysis.diff.matching import Match, is_merge, is_stack
from stackc.components.base import Component
from stackc.components.families.merge import SIDE_BY_SIDE
from stackc.core.diagnostics import Span
from stackc.ir.model import Node, Region, ValueRef
from stackc.ir.typed import TypedRegion
from stackc.view.captions import field_text, reparam_text


def changed(before: TypedRegion, one: Node, after: TypedRegion, other: Node, blocks: Mapping[str, str]) -> list[str]:
    """What is different about a node by itself: op, fields, what its parameters are made of; else their shapes.

    `blocks` are those of the first spec that the second one has under another name, which is told once of all.
    """
    resolved = any(node.span.column == 0 for node in (one, other))  # a lock has names of its own, and no labels
    found = [] if resolved and _is_model(one) and _is_model(other) else _other_op(one, other, blocks)
    found += _other_merges(before.region, one, after.region, other)
    found += [f"share: {_yes(shares(one))} → {_yes(shares(other))}"] if shares(one) != shares(other) else []
    if isinstance(one.body, Component) and isinstance(other.body, Component):
        found += _other_fields(one.body, other.body)
    if not resolved and _own_label(one) != _own_label(other):
        found += describe_change("label", one.label, other.label)
    reparams = [{name: reparam_text(reparam) for name, reparam in node.reparams} for node in (one, other)]
    ties = [{name: tie.path for name, tie in node.ties.items()} for node in (one, other)]
    for what, (left, right) in (("reparam", reparams), ("tie", ties)):
        for name in dict.fromkeys([*left, *right]):
            found += describe_change(f"{what} of {name}", left.get(name), right.get(name))
    if not (is_stack(before.region) and is_stack(after.region)):  # of which it is told by `share`
        found += describe_change("same_as", one.same_as, other.same_as)
    return found or _other_shapes(before, one, after, other)


def place_of(node: Node, details: Sequence[str]) -> Span:
    """The line that says what the first of the details is of; else that of the node."""
    name, colon, _ = details[0].partition(": ")
    if not colon or name == "label":  # another op, or a label: the drawing says them
        return node.span
    return node.fields.get(name.replace("reparam of ", "reparam.")) or node.entry or node.span


def shares(node: Node) -> bool:
    """Whether a node is a stack whose members are one module."""
    body = node.body
    return isinstance(body, Region) and is_stack(body) and any(inner.same_as for inner in body.nodes.values())


def is_lock(region: Region) -> bool:
    """Whether a spec is one that a build resolved: the places in it are lines of the spec that it was built from."""
    return any(node.span.column == 0 for node in region.nodes.values())


def _yes(value: bool) -> str:
    return "true" if value else "false"


def _own_label(node: Node) -> str | None:
    """The label of a node; one that names the op is none."""
    return None if node.label == node.op else node.label


def _is_model(node: Node) -> bool:
    return isinstance(node.body, Region)


def _other_op(one: Node, other: Node, blocks: Mapping[str, str]) -> list[str]:
    names = [node.body.name if isinstance(node.body, Region) else node.op for node in (one, other)]
    stacked, members = names[0].startswith(_STACK), names[0].removeprefix(_STACK).split(", ")
    if (_STACK if stacked else "") + ", ".join(blocks.get(member, member) for member in members) == names[1]:
        return []
    if all(name.startswith(_STACK) for name in names):
        return describe_change("of", *(name.removeprefix(_STACK) for name in names))
    return [f"{names[0]} → {names[1]}"] if names[0] != names[1] else []


_STACK = "stack of "


def _other_fields(one: Component, other: Component) -> list[str]:
    if type(one) is not type(other):
        return []
    was, now = one.values(), other.values()
    return [
        each
        for name in dict.fromkeys([*was, *now])
        for each in describe_change(
            name, *(field_text(values[name]) if name in values else None for values in (was, now))
        )
    ]


def _other_merges(before: Region, one: Node, after: Region, other: Node) -> list[str]:
    """What joins the members of a stack in another way, or the arrows into a port."""
    found: list[str] = []
    if isinstance(one.body, Region) and isinstance(other.body, Region) and is_stack(one.body) and is_stack(other.body):
        inside = [next(iter(merges_inside(body)), None) for body in (one.body, other.body)]
        found += _told_merge("mode", inside[0], inside[1], "series")
    was, now = merges_into(before, one), merges_into(after, other)
    for port in dict.fromkeys([*was, *now]):
        first = port in (one.operands[0].port, other.operands[0].port)
        found += _told_merge("merge" if first else f"merge of {port}", was.get(port), now.get(port), "none")
    return found


def _told_merge(what: str, one: Node | None, other: Node | None, without: str) -> list[str]:
    names = {op: name for name, op in SIDE_BY_SIDE.items()}
    found = describe_change(what, *(names[node.op] if node else without for node in (one, other)))
    if one and other and isinstance(one.body, Component) and isinstance(other.body, Component):
        found += [f"{what}: {field}" for field in _other_fields(one.body, other.body)]
    return found


def merges_into(region: Region, node: Node) -> dict[str, Node]:
    """What merges the arrows into a node, by the port that they enter. Of a stack it is the mode, not a merge."""
    refs = {
        operand.port: operand.value.node
        for operand in node.operands
        if operand.value and operand.value.node in region.nodes
    }
    known = {} if is_stack(region) else refs
    return {port: region.nodes[id] for port, id in known.items() if is_merge(region, id)}


def merges_inside(region: Region) -> list[Node]:
    """What joins the members of a stack; nothing of one in series, and of what is no stack."""
    return [region.nodes[id] for id in region.nodes if is_merge(region, id)] if is_stack(region) else []


def _other_shapes(before: TypedRegion, one: Node, after: TypedRegion, other: Node) -> list[str]:
    """The first parameter whose type is another one, and how many more there are: weights that no longer fit."""
    if one.id not in before.signatures or other.id not in after.signatures:
        return []
    was, now = before.signatures[one.id].parameters, after.signatures[other.id].parameters
    found = [each for name in was if name in now for each in describe_change(name, str(was[name]), str(now[name]))]
    more = [f"{len(found) - 1} more parameters of another shape"] if len(found) > 1 else []
    return found[:1] + more


# -- what enters a node

End: TypeAlias = tuple[str, str]
"""Where a value comes from: a node, and the name of its output where that is not the first."""


def rewired(before: Region, one: Node, after: Region, other: Node, match: Match) -> Iterator[tuple[str, Span, Span]]:
    """The ports of a node that something else enters, apart from what is only called otherwise; and the two arrows."""
    for port in dict.fromkeys(operand.port for operand in (*one.operands, *other.operands)):
        was, now = _entering(before, one, port), _entering(after, other, port)
        if [renamed(end, match) for end in was] != now:
            yield f"{port}: from {sources(was)} → from {sources(now)}", _arrow(one, port), _arrow(other, port)


def _arrow(node: Node, port: str) -> Span:
    return next((operand.span for operand in node.operands if operand.port == port), node.span)


def _entering(region: Region, node: Node, port: str) -> list[End]:
    """What enters a port as it is drawn: through a merge that no one drew."""
    merge = merges_into(region, node).get(port)
    operands = merge.operands if merge else [operand for operand in node.operands if operand.port == port]
    return ends(region, [operand.value for operand in operands if operand.value])


def ends(region: Region, refs: Sequence[ValueRef]) -> list[End]:
    """Where values of a region come from, outputs by their names: their numbers shift as others come and go."""
    return [(w.node, list(region.nodes[w.node].body.outputs)[w.output] if w.output else "") for w in refs]


def renamed(end: End, match: Match) -> End | None:
    """The value as the second region calls it; None where it has no such node."""
    node, output = end
    return None if node in match.gone else (match.inputs.get(node) or match.pairs.get(node, node), output)


def sources(found: Sequence[End]) -> str:
    """The nodes that values come from, as a path where it is not their first output."""
    return ", ".join(f"{node}.{output}" if output else node for node, output in found) or "nothing"
