"""The op of a node: a component, a block or a stack; and the ports and outputs of each."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from stackc.components import REGISTRY
from stackc.components.base import Component, Port
from stackc.components.plugins import PluginError, component_named, plugins
from stackc.components.registry import SPECIAL_OPS
from stackc.core.diagnostics import Span, closest, did_you_mean
from stackc.core.suggestions import folded
from stackc.resolve.custom import custom_operator
from stackc.resolve.includes import included_block
from stackc.resolve.scope import Scope
from stackc.spec.document import BlockDecl, Body, NodeEntry
from stackc.spec.drawing import DrawnNode
from stackc.spec.expressions.expressions import OPEN
from stackc.spec.includes import is_include
from stackc.spec.yaml.tree import Entry, Value


@dataclass(frozen=True, slots=True)
class Carried:
    """A port of the sub-models of a series that takes an output of the sub-model before."""

    port: str
    output: str


@dataclass(frozen=True)
class StackOf:
    """A stack of sub-models: one op repeated, or a list of different ones, each with the value that names it.

    `carry` has what `carry:` names; without it, the first output enters the first port of the next sub-model.
    """

    members: tuple[tuple[Operator, Value], ...]
    carry: tuple[Carried, ...] = ()


@dataclass(frozen=True)
class ScanOf:
    """A block that is applied along an axis."""

    block: BlockDecl


Operator: TypeAlias = type[Component] | BlockDecl | StackOf | ScanOf


def op_name(operator: Operator) -> str:
    """Return the op as a spec writes it."""
    if isinstance(operator, BlockDecl):
        return operator.body.name
    if isinstance(operator, ScanOf):
        return "scan"
    return "stack" if isinstance(operator, StackOf) else operator.op


def ports_of(operator: Operator) -> tuple[Port, ...]:
    """Return the ports of an op, the one for unlabelled arrows first. A stack has the ports of all its members.

    Ports that a stack carries are required: the first sub-model has none before it.
    """
    if isinstance(operator, ScanOf):
        return ports_of(operator.block)
    if isinstance(operator, BlockDecl):
        return tuple(Port(p.name, optional=p.optional) for p in operator.ports)
    if not isinstance(operator, StackOf):
        return operator.ports

    # Unlabelled arrows feed every member at its first port; a port is optional if it is so in all members.
    first, *rest = ports_of(operator.members[0][0])
    ports = {first.name: Port(first.name)}
    carried = {each.port for each in operator.carry}
    for port in [*rest, *(p for member, _ in operator.members[1:] for p in ports_of(member)[1:])]:
        previous = ports.get(port.name)
        is_optional = port.optional and port.name not in carried and (previous is None or previous.optional)
        ports[port.name] = Port(port.name, optional=is_optional)
    return tuple(ports.values())


def outputs_of(operator: Operator) -> tuple[str, ...]:
    """Return the names of an op's outputs that a spec may use, besides taps."""
    if isinstance(operator, ScanOf):
        return outputs_of(operator.block)
    if isinstance(operator, BlockDecl):
        return tuple(o.name for o in operator.body.outputs) or ("y",)
    if isinstance(operator, StackOf):
        return tuple(dict.fromkeys(each.output for each in operator.carry)) or ("y",)
    return operator.outputs


# -- the op of a drawn node


def find_operator(
    drawn: DrawnNode, entry: NodeEntry | None, scope: Scope, labelled: Mapping[str, str], *, entered: bool = True
) -> Operator | None:
    """Return the op of a node: `op:` of its entry, else its label, else its id; None, reported as N301, without one.

    `entered` says whether an arrow enters the node: if none does, it may be meant as an input. `labelled` maps the
    labels of the drawing to ids.
    """
    if entry and entry.op:
        return _operator_of_entry(drawn, entry, entry.op, scope)
    for name in (drawn.label, drawn.id):
        if name and is_op(name, scope):
            if name != drawn.label and _label_spells_another_op(drawn, scope):
                return None
            return _operator(name, Value(name, drawn.span), entry, scope)

    close = _near_op(drawn.label or drawn.id, scope)
    guess = f"; {close}" if close else "" if entered else ", or declare it under `inputs:`"
    hint = f"write its op under nodes: `{drawn.id}: {{op: …}}`{guess}"
    if drawn.label is None and (other := labelled.get(drawn.id)):
        hint = f"it is the label of '{other}'; write the id before the brackets: `{drawn.id}[{other}]`"
    reason = "neither its label nor its id is the name" if drawn.label else "its id is not the name"
    message = f"{_shown(drawn)} has no op: {reason} of a component or block"
    scope.diagnostics.error("N301", message, drawn.span, hint)
    return None


def _operator_of_entry(drawn: DrawnNode, entry: NodeEntry, op: Value, scope: Scope) -> Operator | None:
    """Return the op that an entry names; None, reported as N301, if it is unknown or still open."""
    if op.data == OPEN:
        from stackc.resolve.op_guess import listed, meant_by, ops_by_arity  # only for specs with open ops

        hint = f"it could be {listed(meant_by(drawn) or ops_by_arity(1))}; `stackc ops` lists the components"
        scope.diagnostics.error("N301", f"still to fill in: the op of {_shown(drawn)}", op.span, hint)
        return None
    name = scope.text(op, f"nodes.{drawn.id}.op")
    return None if name is None else _operator(name, op, entry, scope)


def _shown(drawn: DrawnNode) -> str:
    return f"'{drawn.id}' ({drawn.label})" if drawn.label else f"'{drawn.id}'"


def is_op(name: str, scope: Scope) -> bool:
    """Return whether a name is that of a component or block."""
    return name in scope.blocks or name in REGISTRY or name in SPECIAL_OPS or name in plugins()


def _label_spells_another_op(drawn: DrawnNode, scope: Scope) -> bool:
    """Return whether the label of a node spells another op than its id (`relu[Layer Norm]`); report N301 if so."""
    word = folded(drawn.label or "")
    meant = next((op for op in known_ops(scope) if folded(op) == word and op != drawn.id), None) if word else None
    if meant:
        message = f"the op of {_shown(drawn)} is ambiguous: its id is {drawn.id}, but its label spells {meant}"
        hint = f"write the op as its label: `{drawn.id}[{meant}]` or `{drawn.id}[{drawn.id}]`"
        scope.diagnostics.error("N301", message, drawn.label_span or drawn.span, hint)
    return meant is not None


def check_input_labels(body: Body, inputs: Collection[str], scope: Scope) -> None:
    """Report N302 for each input that is drawn with an op as its label, like a node."""
    for name in inputs:
        drawn = body.drawing.nodes.get(name)
        if drawn and drawn.label and is_op(drawn.label, scope):
            message = f"'{name}' is an input and cannot have the op {drawn.label}"
            hint = f"draw a separate node for {drawn.label}: `{name} --> {name}_{drawn.label}[{drawn.label}]`"
            scope.diagnostics.error("N302", message, drawn.label_span or drawn.span, hint)


# -- an op by its name


def operator_named(
    name: str, value: Value, fields: Mapping[str, Entry], scope: Scope, *, wanted: Collection[str] = ()
) -> Operator | None:
    """Return the component or block of that name; None, reported, without one: as N301 unless it is code or a file.

    `value` is where the name is written, and `fields` those of its entry, which for `op: torch` name a class.
    `wanted` lists the components that make sense here: suggestions prefer them.
    """
    if name in scope.blocks:
        return scope.blocks[name]
    if name == "torch":
        return custom_operator(fields, value, scope)

    try:
        if component := component_named(name):
            return component
    except PluginError as error:
        scope.diagnostics.error("N317", str(error), value.span)
        return None
    if is_include(name):
        return included_block(name, value, scope)

    hint = _near_op(name, scope, wanted) or did_you_mean(name, wanted) or "`stackc ops` lists the components"
    message = f"no component or block is named '{name}'"
    if name == OPEN:
        message = "still to fill in: a component or block"
    scope.diagnostics.error("N301", message, value.span, hint)
    return None


def _near_op(name: str, scope: Scope, wanted: Collection[str] = ()) -> str | None:
    """Return a hint with the op that is probably meant: preferably a block or one of `wanted`."""
    meant = closest(name, [*scope.blocks, *wanted]) or closest(name, known_ops(scope))
    return f"did you mean '{meant}'?" if meant else None


def known_ops(scope: Scope) -> list[str]:
    """Return every valid name of an op."""
    return sorted({*REGISTRY, *plugins(), *scope.blocks, *SPECIAL_OPS})


MEMBER_KEYS = ("op", "freeze", "weights")
"""The keys of a sub-model that are not its fields."""


def fields_besides_op(value: Value) -> dict[str, Entry]:
    """Return the fields of a sub-model: all of its mapping except `op` and the like, none if it is just a name."""
    return {k: v for k, v in value.data.items() if k not in MEMBER_KEYS} if isinstance(value.data, Mapping) else {}


def member_key(value: Value, key: str) -> Value | None:
    """Return one of MEMBER_KEYS of a sub-model; None without it."""
    entry = value.data.get(key) if isinstance(value.data, Mapping) else None
    return entry.value if entry else None


def _operator(name: str, value: Value, entry: NodeEntry | None, scope: Scope) -> Operator | None:
    if name == "stack" and name not in scope.blocks:
        return _stack(entry, value, scope)
    if name == "scan" and name not in scope.blocks:
        return _scan(entry, value, scope)
    return operator_named(name, value, entry.fields if entry else {}, scope)


def _stack(entry: NodeEntry | None, value: Value, scope: Scope) -> Operator | None:
    """Return the stack of a node; None, reported, if `of` is missing (N311) or one of its sub-models is invalid."""
    of = entry.fields.get("of") if entry else None
    if of is None:
        hint = "write what it repeats, for example `of: layer, repeat: 6`"
        scope.diagnostics.error("N311", "a stack needs the field 'of'", entry.span if entry else value.span, hint)
        return None

    items = of.value.listed
    if not items:
        hint = "write for example `of: [layer, mlp]`"
        scope.diagnostics.error("N310", "the list of sub-models is empty", of.value.span, hint)
        return None
    operators = [_sub_model(item, scope) for item in items]
    members = tuple((operator, item) for operator, item in zip(operators, items, strict=True) if operator)
    if len(members) < len(items):
        return None
    if entry is None or "carry" not in entry.fields:
        return StackOf(members)
    carry = _carried(entry.fields["carry"].value, [operator for operator, _ in members], scope)
    return StackOf(members, carry) if carry else None


def _carried(value: Value, members: Sequence[Operator], scope: Scope) -> tuple[Carried, ...]:
    """Return the ports of `carry`, each with the output that enters it: `[x, edges]` or `{x: y, edges: updated}`.

    Returns none, reported as N310, if a sub-model lacks one of the ports or outputs.
    """
    if isinstance(value.data, Mapping):
        named = [(port, entry.key, entry.value) for port, entry in value.data.items()]
    else:
        named = [(str(item.data), item.span, item) for item in value.listed]

    carried = []
    for port, span, item in named:
        output = scope.text(item, "carry")
        if output is None:
            return ()
        for member in members:
            ports, outputs = [each.name for each in ports_of(member)], outputs_of(member)
            # A sub-model with a single output passes on that one, whatever it is called.
            output = outputs[0] if len(outputs) == 1 and len(named) == 1 and output == port else output
            if not _is_carried_by(member, port, output, ports, outputs, span, scope):
                return ()
        carried.append(Carried(port, output))

    if not carried or len({each.port for each in carried}) < len(carried):
        hint = "write for example `carry: [x, edges]`, or `carry: {x: y, edges: updated}`"
        scope.diagnostics.error("N310", "carry must name one or more ports, each once", value.span, hint)
        return ()
    return tuple(carried)


def _is_carried_by(
    member: Operator, port: str, output: str, ports: Sequence[str], outputs: Sequence[str], span: Span, scope: Scope
) -> bool:
    """Return whether a sub-model has the port and the output; report N310 if not."""
    if port not in ports:
        message = f"{op_name(member)} has no port '{port}' to carry"
        hint = did_you_mean(port, ports) or f"its ports are {', '.join(ports)}"
    elif output not in outputs:
        message = f"{op_name(member)} has no output '{output}' to carry to its port '{port}'"
        hint = f"name the output: `carry: {{{port}: {outputs[0]}}}`"
        hint += f"; its outputs are {', '.join(outputs)}" if len(outputs) > 1 else ""
    else:
        return True
    scope.diagnostics.error("N310", message, span, hint)
    return False


def _scan(entry: NodeEntry | None, value: Value, scope: Scope) -> Operator | None:
    """Return the scan of a node; None, reported, if `of` is missing (N311) or names no block (N310, N301)."""
    of = entry.fields.get("of") if entry else None
    if of is None:
        hint = "write the block that it applies at each index, for example `of: cell`"
        scope.diagnostics.error("N311", "a scan needs the field 'of'", entry.span if entry else value.span, hint)
        return None
    name = scope.text(of.value, "the block of a scan")
    operator = operator_named(name, of.value, {}, scope, wanted=tuple(scope.blocks)) if name is not None else None
    if operator is None or isinstance(operator, BlockDecl):
        return ScanOf(operator) if operator else None

    hint = "put it into a block: an output of the block with the name of an input is its state"
    scope.diagnostics.error("N310", f"a scan applies a block, but '{name}' is a component", of.value.span, hint)
    return None


def _sub_model(item: Value, scope: Scope) -> Operator | None:
    """Return the op of one item of a stack's `of`; None, reported as N310 or N301, if it is invalid."""
    op = item.data["op"].value if isinstance(item.data, Mapping) and "op" in item.data else item
    if not isinstance(op.data, str):
        hint = "write for example `of: layer`, `of: [layer, mlp]`, or `of: {op: linear, out: 3}`"
        scope.diagnostics.error("N310", "a sub-model must be the name of a component or block", op.span, hint)
        return None

    name = scope.text(op, "a sub-model")
    if name in ("stack", "scan"):
        hint = f"put the {name} into a block, and stack that block"
        scope.diagnostics.error("N301", f"a {name} cannot be a sub-model of a stack", op.span, hint)
        return None
    operator = None if name is None else operator_named(name, op, fields_besides_op(item), scope)
    if operator is not None and not ports_of(operator):
        message, hint = f"{name} has no port, so it cannot be a sub-model of a stack", "draw an arrow from it instead"
        scope.diagnostics.error("N310", message, op.span, hint)
        return None
    return operator
