"""What stands on a box and on an arrow: the user's own names first, then what the node is, then what it costs."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from stackc.components.custom.module import CustomModule
from stackc.components.reparam import Reparam
from stackc.ir.model import Node, Operand, Region
from stackc.ir.typed import TypedRegion
from stackc.spec.characters import without_entities
from stackc.typecheck.cost import Cost, cost_of_node
from stackc.view.figures import flops_text, parameters_text, type_text
from stackc.view.picture import PictureArrow

_BREAK = re.compile(r"<br\s*/?>", re.IGNORECASE)


def plain_label(label: str) -> str:
    """A label of a drawing as the text that Mermaid shows: entity codes decoded, breaks as line ends."""
    return without_entities(_BREAK.sub("\n", label.strip("`")))


def title_of(node: Node, region: Region) -> str:
    """The label that the user gave, else the id; a member of a stack has neither, and is called by its op.

    A label that names the op (`embed[embedding]`) is no label.
    """
    own = isinstance(node.body, CustomModule) and node.label == "torch"
    if node.label and node.label != node.op and not own:
        return plain_label(node.label)
    return node.op if region.kind == "stack" else node.id


def lines_of(node: Node, title: str, cost: Cost) -> tuple[str, ...]:
    """Below the title: the op with the fields that the spec writes, what its parameters are made of, what it costs."""
    what = [] if node.op == title else [node.op]
    if isinstance(node.body, Region) and node.body.kind == "stack":
        what = [node.body.name] + ["one module, shared"] * any(inner.same_as for inner in node.body.nodes.values())
    values = {} if isinstance(node.body, Region) else node.body.values()
    what += [f"{name} {field_text(values[name])}" for name in node.fields if name in values]
    what += [f"{name}: {reparam_text(reparam)}" for name, reparam in node.reparams]
    what += [f"{name} of {tie.path}" for name, tie in node.ties.items()]
    what += [f"same as {node.same_as}"] if node.same_as else []
    return tuple(line for line in (" · ".join(what), *cost_lines(cost)) if line)


def cost_lines(cost: Cost) -> tuple[str, ...]:
    """Parameters and FLOPs, those that there are."""
    lines = [parameters_text(cost.parameters)] if cost.parameters else []
    return tuple(lines + ([flops_text(cost.flops)] if cost.flops != 0 else []))


def cost_of_copies(typed: TypedRegion, copies: Sequence[Node], costs: Mapping[TypedRegion, Cost]) -> Cost:
    """What equal nodes cost together; one that is the same module as another has no parameters of its own."""
    each = cost_of_node(typed, copies[0], costs)
    own = sum(not copy.same_as for copy in copies)
    return Cost(each.parameters * own, each.flops * len(copies))


def arrow_between(
    source: str, target: str, typed: TypedRegion, node: Node, operand: Operand, told: str | None
) -> PictureArrow:
    """The arrow from one box to another for an inlet of the node, with the ports where they are not the first ones.

    `told` is the name of the input or port that the arrow comes from, which has told the type already.
    """
    assert operand.value, "an open port has no arrow"
    port = "" if operand.port in (node.operands[0].port, told) else operand.port
    if operand.value.output:
        names = list(typed.region.nodes[operand.value.node].body.outputs)
        port = f"{names[operand.value.output]}:{operand.port}"
    return PictureArrow(source, target, port, "" if told is not None else type_text(typed.type_of(operand.value)))


def field_text(value: object) -> str:
    """The value of a field as a spec writes it."""
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, tuple):
        return f"[{', '.join(map(field_text, value))}]"
    return str(value).lower() if isinstance(value, bool) or value is None else str(value)


def reparam_text(reparam: Reparam) -> str:
    """The name of a reparametrization, as a spec writes it."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", type(reparam).__name__).lower()
