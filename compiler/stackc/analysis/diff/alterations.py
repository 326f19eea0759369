"""Compare a node with its counterpart: op, fields, merges, reparametrizations, ties, and the values that enter it.

A merge that was inserted rather than drawn is reported at the node that it feeds; one inside a stack is the stack's
mode.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TypeAlias

from stackc.analysis.diff.changes import describe_change
from stackc.analysis.diff.matching import Match, is_merge, is_stack
from stackc.components.base import Component
from stackc.components.families.merge import MERGES, SIDE_BY_SIDE
from stackc.core.diagnostics import Span
from stackc.core.plurals import counted
from stackc.ir.model import Node, Region, ValueRef
from stackc.ir.typed import TypedRegion
from stackc.view.captions import field_text, reparam_text


def node_changes(before: TypedRegion, old: Node, after: TypedRegion, new: Node, blocks: Mapping[str, str]) -> list[str]:
    """Return what differs in a node itself: op, fields, how its parameters are made; failing these, their shapes.

    `blocks` maps renamed blocks of the first spec to their new names, which are reported once for all their uses.
    """
    resolved = any(node.span.column == 0 for node in (old, new))  # a lock has its own block names, and no labels
    both_models = isinstance(old.body, Region) and isinstance(new.body, Region)

    details = [] if resolved and both_models else _op_change(old, new, blocks)
    details += _merge_changes(before.region, old, after.region, new)
    details += describe_change("share", _boolean(is_shared(old)), _boolean(is_shared(new)))
    if isinstance(old.body, Component) and isinstance(new.body, Component):
        details += _field_changes(old.body, new.body)
    if not resolved and _own_label(old) != _own_label(new):
        details += describe_change("label", old.label, new.label)
    details += _parameter_source_changes(old, new)
    if not (is_stack(before.region) and is_stack(after.region)):  # in a stack `share` already reports it
        details += describe_change("same_as", old.same_as, new.same_as)

    return details or _shape_changes(before, old, after, new)


def span_of_detail(node: Node, details: Sequence[str]) -> Span:
    """Return the span of the field that the first detail is about, or else of the node."""
    name, colon, _ = details[0].partition(": ")
    if not colon or name == "label":  # the op or the label: both are in the drawing
        return node.span
    return node.fields.get(name.replace("reparam of ", "reparam.")) or node.entry or node.span


def is_shared(node: Node) -> bool:
    """Return whether a node is a stack whose members are one module."""
    body = node.body
    return isinstance(body, Region) and is_stack(body) and any(inner.same_as for inner in body.nodes.values())


def is_lock(region: Region) -> bool:
    """Return whether a spec is a lock: the spans in it are lines of the spec that it was resolved from."""
    return any(node.span.column == 0 for node in region.nodes.values())


def _boolean(value: bool) -> str:
    return "true" if value else "false"


def _own_label(node: Node) -> str | None:
    """Return the label of a node, None if it only names the op."""
    return None if node.label == node.op else node.label


def _op_change(old: Node, new: Node, blocks: Mapping[str, str]) -> list[str]:
    before, after = (node.body.name if isinstance(node.body, Region) else node.op for node in (old, new))
    prefix = _STACK if before.startswith(_STACK) else ""
    members = before.removeprefix(_STACK).split(", ")
    if prefix + ", ".join(blocks.get(member, member) for member in members) == after:
        return []  # only its blocks were renamed

    if before.startswith(_STACK) and after.startswith(_STACK):
        return describe_change("of", before.removeprefix(_STACK), after.removeprefix(_STACK))
    return [f"{before} → {after}"] if before != after else []


_STACK = "stack of "


def _field_changes(old: Component, new: Component) -> list[str]:
    if type(old) is not type(new):
        return []
    before, after = ({name: field_text(value) for name, value in each.values().items()} for each in (old, new))
    return _dict_changes("", before, after)


def _parameter_source_changes(old: Node, new: Node) -> list[str]:
    """Return what differs in reparametrizations and ties."""
    reparams = [{name: reparam_text(reparam) for name, reparam in node.reparams} for node in (old, new)]
    ties = [{name: tie.path for name, tie in node.ties.items()} for node in (old, new)]
    return _dict_changes("reparam of ", *reparams) + _dict_changes("tie of ", *ties)


def _dict_changes(prefix: str, before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    """Return what differs between two mappings, key by key."""
    return [
        change
        for name in dict.fromkeys([*before, *after])
        for change in describe_change(f"{prefix}{name}", before.get(name), after.get(name))
    ]


def _merge_changes(before: Region, old: Node, after: Region, new: Node) -> list[str]:
    """Return what differs in how the members of a stack are joined, or the arrows into a port."""
    details: list[str] = []
    if isinstance(old.body, Region) and isinstance(new.body, Region) and is_stack(old.body) and is_stack(new.body):
        details += _stack_changes(old.body, new.body)

    left, right = merges_into(before, old), merges_into(after, new)
    for port in dict.fromkeys([*left, *right]):
        is_first = port in (old.operands[0].port, new.operands[0].port)
        key = "merge" if is_first else f"merge of {port}"
        details += _merge_change(key, left.get(port), right.get(port))
    return details


_MERGE_WORDS = {op: word for word, op in MERGES.items()}


def _stack_changes(before: Region, after: Region) -> list[str]:
    """Compare the fields by which two stacks join their members; what one mode alone has goes with its mode."""
    both = _stack_fields(before), _stack_fields(after)
    compared = {"mode", "collect", "top_k"} | (both[0].keys() & both[1].keys())
    left, right = ({name: text for name, text in fields.items() if name in compared} for fields in both)
    return _dict_changes("", left, right)


def _stack_fields(region: Region) -> dict[str, str]:
    """Return the fields of a stack that ask for nodes beside its members, as a spec writes them."""
    fields = {"mode": "series"}
    for node in merges_inside(region):
        assert isinstance(node.body, Component), "no block or stack is inserted"
        values = {name: field_text(value) for name, value in node.body.values().items()}
        if node.id == "chosen":
            fields["top_k"] = values["k"]
        elif node.id == "gate":
            fields["gate_bias"] = values["bias"]
        elif node.id == "collect":
            fields |= values | {"collect": _MERGE_WORDS[node.op]}
        else:
            mode = node.id if node.id in SIDE_BY_SIDE else "dense"
            fields |= {"gate_bias" if name == "bias" else name: value for name, value in values.items()}
            fields["mode"] = mode
    return fields


def _merge_change(key: str, old: Node | None, new: Node | None) -> list[str]:
    """Compare two merges by the words and the fields that a spec uses."""
    details = describe_change(key, *(_MERGE_WORDS[node.op] if node else None for node in (old, new)))
    if old and new and isinstance(old.body, Component) and isinstance(new.body, Component):
        details += [f"{key}: {change}" for change in _field_changes(old.body, new.body)]
    return details


def merges_into(region: Region, node: Node) -> dict[str, Node]:
    """Return the merges that feed a node, by port; none in a stack, where a merge is the mode."""
    if is_stack(region):
        return {}
    sources = {
        operand.port: operand.value.node
        for operand in node.operands
        if operand.value and operand.value.node in region.nodes
    }
    return {port: region.nodes[id] for port, id in sources.items() if is_merge(region, id) and not _is_cast(region, id)}


def _is_cast(region: Region, id: str) -> bool:
    """Return whether a node is the cast of an input of half precision that was inserted rather than drawn."""
    return id in region.nodes and region.nodes[id].op == "cast" and is_merge(region, id)


def merges_inside(region: Region) -> list[Node]:
    """Return what joins the members of a stack; nothing for a stack in series, or for another region."""
    return [region.nodes[id] for id in region.nodes if is_merge(region, id)] if is_stack(region) else []


def _shape_changes(before: TypedRegion, old: Node, after: TypedRegion, new: Node) -> list[str]:
    """Return the first parameter whose type changed, and how many more changed: weights that no longer fit."""
    left, right = _parameter_types(before, old), _parameter_types(after, new)
    changes = [line for name in left if name in right for line in describe_change(name, left[name], right[name])]
    if len(changes) < 2:
        return changes
    count = len(changes) - 1
    return [changes[0], f"{counted(count, 'more parameter')} changed shape"]


def _parameter_types(typed: TypedRegion, node: Node) -> dict[str, str]:
    """Return the types of the parameters of a component; of a stack those of what was inserted into it."""
    if node.id in typed.signatures:
        return {name: str(type_) for name, type_ in typed.signatures[node.id].parameters.items()}
    body = typed.bodies[node.id]
    return {
        f"{merge.id}.{name}": str(type_)
        for merge in merges_inside(body.region)
        for name, type_ in body.signatures[merge.id].parameters.items()
    }


# -- the values that enter a node

Origin: TypeAlias = tuple[str, str]
"""Where a value comes from: a node, and the name of its output if that is not the first."""


def rewired_ports(
    before: Region, old: Node, after: Region, new: Node, match: Match
) -> Iterator[tuple[str, Span, Span]]:
    """Yield each port that another value enters, not just a renamed one, with the spans of both arrows."""
    for port in dict.fromkeys(operand.port for operand in (*old.operands, *new.operands)):
        left, right = _origins_at(before, old, port), _origins_at(after, new, port)
        if [counterpart(origin, match) for origin in left] != right:
            detail = f"{port}: from {describe_origins(left)} → from {describe_origins(right)}"
            yield detail, _arrow_span(old, port), _arrow_span(new, port)


def _arrow_span(node: Node, port: str) -> Span:
    return next((operand.span for operand in node.operands if operand.port == port), node.span)


def _origins_at(region: Region, node: Node, port: str) -> list[Origin]:
    """Return what enters a port as it is drawn: through a merge that was inserted."""
    merge = merges_into(region, node).get(port)
    operands = merge.operands if merge else [operand for operand in node.operands if operand.port == port]
    return origins(region, [operand.value for operand in operands if operand.value])


def origins(region: Region, refs: Sequence[ValueRef]) -> list[Origin]:
    """Return where values of a region come from; outputs by name, since their numbers shift with added outputs.

    An input of half precision is read through a cast that was inserted: it is where the value comes from.
    """
    inputs = {node.id: node.operands[0].value for node in region.nodes.values() if _is_cast(region, node.id)}
    refs = [inputs.get(ref.node) or ref for ref in refs]
    return [(ref.node, list(region.nodes[ref.node].body.outputs)[ref.output] if ref.output else "") for ref in refs]


def counterpart(origin: Origin, match: Match) -> Origin | None:
    """Return the same origin in the second region; None if that lacks the node."""
    node, output = origin
    return None if node in match.removed else (match.inputs.get(node) or match.pairs.get(node, node), output)


def describe_origins(values: Sequence[Origin]) -> str:
    """Return the nodes that values come from, `node.output` for outputs other than the first."""
    return ", ".join(f"{node}.{output}" if output else node for node, output in values) or "nothing"
