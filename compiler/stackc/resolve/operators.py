"""What the op of a node names: a component, a block of the spec, or a stack; and which ports each of them has."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from stackc.components import REGISTRY
from stackc.components.base import Component, Port
from stackc.components.plugins import PluginError, component_named, plugins
from stackc.components.registry import SPECIAL_OPS
from stackc.core.diagnostics import closest, did_you_mean
from stackc.core.suggestions import folded
from stackc.resolve.custom import custom_operator
from stackc.resolve.includes import included_block
from stackc.resolve.scope import Scope
from stackc.spec.document import BlockDecl, Body, NodeEntry
from stackc.spec.drawing import DrawnNode
from stackc.spec.expressions.expressions import OPEN
from stackc.spec.includes import is_include
from stackc.spec.yaml.tree import Entry, Value


@dataclass(frozen=True)
class StackOf:
    """A stack of sub-models: one op repeated, or a list of different ones, each with the place where it is named."""

    members: tuple[tuple[Operator, Value], ...]


Operator: TypeAlias = type[Component] | BlockDecl | StackOf


def op_name(operator: Operator) -> str:
    """The op as a spec writes it."""
    if isinstance(operator, BlockDecl):
        return operator.body.name
    return "stack" if isinstance(operator, StackOf) else operator.op


def ports_of(operator: Operator) -> tuple[Port, ...]:
    """The ports of an op, the one for unlabelled arrows first. A stack has those of all its members."""
    if isinstance(operator, BlockDecl):
        return tuple(Port(p.name, optional=p.optional) for p in operator.ports)
    if not isinstance(operator, StackOf):
        return operator.ports
    first, *rest = ports_of(operator.members[0][0])
    ports = {first.name: Port(first.name)}
    for port in [*rest, *(p for member, _ in operator.members[1:] for p in ports_of(member)[1:])]:
        known = ports.get(port.name)
        ports[port.name] = Port(port.name, optional=port.optional and (known is None or known.optional))
    return tuple(ports.values())


def outputs_of(operator: Operator) -> tuple[str, ...]:
    """The names of an op's outputs that a spec may write; taps come beside them."""
    if isinstance(operator, BlockDecl):
        return tuple(o.name for o in operator.body.outputs) or ("y",)
    return ("y",) if isinstance(operator, StackOf) else operator.outputs


def find_operator(
    drawn: DrawnNode, entry: NodeEntry | None, scope: Scope, labelled: Mapping[str, str], *, entered: bool = True
) -> Operator | None:
    """The op of a node: `op:` of its entry, else its label, else its id; None, noted (N301), where none names one.

    `entered` says whether an arrow leads to it: where none does, it may be meant as an input. `labelled` has the ids of
    the drawing by their labels.
    """
    if entry and entry.op:
        if entry.op.data == OPEN:
            shown = f"'{drawn.id}' ({drawn.label})" if drawn.label else f"'{drawn.id}'"
            from stackc.resolve.op_guess import listed, meant_by, ops_by_arity  # only where something is left open

            hint = f"it could be {listed(meant_by(drawn) or ops_by_arity(1))}; `stackc ops` lists the components"
            scope.diagnostics.error("N301", f"still to fill in: what {shown} is", entry.op.span, hint)
            return None
        text = scope.text(entry.op, f"nodes.{drawn.id}.op")
        return None if text is None else _operator(text, entry.op, entry, scope)
    for name in (drawn.label, drawn.id):
        if name and is_op(name, scope):
            if name != drawn.label and _is_another_by_label(drawn, scope):
                return None
            return _operator(name, Value(name, drawn.span), entry, scope)
    shown = f"'{drawn.id}' ({drawn.label})" if drawn.label else f"'{drawn.id}'"
    close = _near_op(drawn.label or drawn.id, scope)
    guess = f"; {close}" if close else "" if entered else ", or declare it under `inputs:`"
    hint = f"write its op under nodes: `{drawn.id}: {{op: …}}`{guess}"
    if drawn.label is None and (other := labelled.get(drawn.id)):
        hint = f"it is the label of '{other}'; the id stands before the brackets: `{drawn.id}[{other}]`"
    message = f"what is {shown}? Neither its label nor its id names a component or a block"
    scope.diagnostics.error("N301", message, drawn.span, hint)
    return None


def is_op(name: str, scope: Scope) -> bool:
    """Whether a name is that of a component or block."""
    return name in scope.blocks or name in REGISTRY or name in SPECIAL_OPS or name in plugins()


def _is_another_by_label(drawn: DrawnNode, scope: Scope) -> bool:
    """Whether the label of a node, whose id is an op, spells another one (`relu[Layer Norm]`); noted under N301."""
    word = folded(drawn.label or "")
    meant = next((op for op in known_ops(scope) if folded(op) == word and op != drawn.id), None) if word else None
    if meant:
        message = f"is '{drawn.id}' ({drawn.label}) {meant} or {drawn.id}? Its label is {meant} in another spelling"
        hint = f"write its op in the label: `{drawn.id}[{meant}]`, or `{drawn.id}[{drawn.id}]`"
        scope.diagnostics.error("N301", message, drawn.label_span or drawn.span, hint)
    return meant is not None


def check_input_labels(body: Body, inputs: Collection[str], scope: Scope) -> None:
    """Note N302 for an input that is drawn with an op for its label, as if it were a node."""
    for name in inputs:
        drawn = body.drawing.nodes.get(name)
        if drawn and drawn.label and is_op(drawn.label, scope):
            message = f"'{name}' is an input, and cannot be a {drawn.label} as well"
            hint = f"give the {drawn.label} a node of its own: `{name} --> {name}_{drawn.label}[{drawn.label}]`"
            scope.diagnostics.error("N302", message, drawn.label_span or drawn.span, hint)


def operator_named(
    text: str, place: Value, fields: Mapping[str, Entry], scope: Scope, *, wanted: Collection[str] = ()
) -> Operator | None:
    """The component or block of that name; None, noted under N301, where there is none.

    `fields` are those of its entry, which for `op: torch` name its class. `wanted` has the components that one of is
    wanted here: they are guessed before others.
    """
    if text in scope.blocks:
        return scope.blocks[text]
    if text == "torch":
        return custom_operator(fields, place, scope)
    try:
        if component := component_named(text):
            return component
    except PluginError as error:
        scope.diagnostics.error("N317", str(error), place.span)
        return None
    if is_include(text):
        return included_block(text, place, scope)
    hint = _near_op(text, scope, wanted) or did_you_mean(text, wanted) or "`stackc ops` lists the components"
    what = "still to fill in: a component or block" if text == OPEN else f"no component or block is called '{text}'"
    scope.diagnostics.error("N301", what, place.span, hint)
    return None


def _near_op(text: str, scope: Scope, wanted: Collection[str] = ()) -> str | None:
    """A hint with the op that is meant, as it seems: a block or one of those wanted before all others."""
    meant = closest(text, [*scope.blocks, *wanted]) or closest(text, known_ops(scope))
    return f"did you mean '{meant}'?" if meant else None


def known_ops(scope: Scope) -> list[str]:
    """Every name that an op may have."""
    return sorted({*REGISTRY, *plugins(), *scope.blocks, *SPECIAL_OPS})


def own_fields(value: Value) -> dict[str, Entry]:
    """What a sub-model written as a mapping says beside its op."""
    return {k: v for k, v in value.data.items() if k != "op"} if isinstance(value.data, Mapping) else {}


def _operator(text: str, place: Value, entry: NodeEntry | None, scope: Scope) -> Operator | None:
    if text == "stack" and text not in scope.blocks:
        return _stack(entry, place, scope)
    return operator_named(text, place, entry.fields if entry else {}, scope)


def _stack(entry: NodeEntry | None, place: Value, scope: Scope) -> Operator | None:
    of = entry.fields.get("of") if entry else None
    if of is None:
        hint = "write what it repeats, for example `of: layer, repeat: 6`"
        scope.diagnostics.error("N311", "a stack needs the field 'of'", entry.span if entry else place.span, hint)
        return None
    values = of.value.data if isinstance(of.value.data, tuple) else (of.value,)
    if not values:
        scope.diagnostics.error(
            "N310", "the list of sub-models is empty", of.value.span, "for example `of: [layer, mlp]`"
        )
    members: list[tuple[Operator, Value]] = []
    for value in values:
        named = value.data["op"].value if isinstance(value.data, Mapping) and "op" in value.data else value
        if not isinstance(named.data, str):
            hint = "for example `of: layer`, `of: [layer, mlp]`, or `of: {op: linear, out: 3}`"
            scope.diagnostics.error("N310", "a sub-model is the name of a component or block", named.span, hint)
            continue
        text = scope.text(named, "a sub-model")
        if text == "stack":
            scope.diagnostics.error("N301", "a stack in a stack: give the inner one a block of its own", named.span)
        elif text is not None and (operator := operator_named(text, named, own_fields(value), scope)):
            members.append((operator, value))
    return StackOf(tuple(members)) if members and len(members) == len(values) else None
