"""Texts of boxes and arrows: the user's own names first, then the op and its fields, then the cost."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from stackc.components.custom.module import CustomModule
from stackc.components.fields import members_of
from stackc.components.reparam import Reparam
from stackc.ir.model import Node, Operand, Region
from stackc.ir.typed import TypedRegion
from stackc.spec.characters import without_entities
from stackc.typecheck.cost import Cost, cost_of_node
from stackc.view.figures import flops_text, parameters_text, type_text
from stackc.view.picture import PictureArrow

_BREAK = re.compile(r"<br\s*/?>", re.IGNORECASE)


def plain_label(label: str) -> str:
    """Return a label of a drawing as Mermaid shows it: entity codes decoded, breaks as line ends."""
    return without_entities(_BREAK.sub("\n", label.strip("`")))


def title_of(node: Node, region: Region) -> str:
    """Return the label of the drawing, or else the id; for a member of a stack, which has neither, its op.

    A label that only names the op (`embed[embedding]`) does not count.
    """
    names_op = node.label == node.op or (isinstance(node.body, CustomModule) and node.label == "torch")
    if node.label and not names_op:
        return plain_label(node.label)
    return node.op if region.kind == "stack" else node.id


def lines_of(node: Node, title: str, cost: Cost) -> tuple[str, ...]:
    """Return the lines below the title: the op with its written fields, how its parameters are made, the cost."""
    texts = [] if node.op == title else [node.op]
    if isinstance(node.body, Region) and node.body.kind == "stack":
        is_shared = any(inner.same_as for inner in node.body.nodes.values())
        texts = [node.body.name] + ["one shared module"] * is_shared

    values = {} if isinstance(node.body, Region) else node.body.values()
    texts += [f"{name} {field_text(values[name])}" for name in node.fields if name in values]
    texts += [f"{name}: {reparam_text(reparam)}" for name, reparam in node.reparams]
    texts += [f"{name} of {tie.path}" for name, tie in node.ties.items()]
    texts += [f"same as {node.same_as}"] if node.same_as else []
    return tuple(line for line in (" · ".join(texts), *cost_lines(cost)) if line)


def cost_lines(cost: Cost) -> tuple[str, ...]:
    """Return the parameters and the FLOPs, each unless it is zero."""
    lines = [parameters_text(cost.parameters)] if cost.parameters else []
    return tuple(lines + ([flops_text(cost.flops)] if cost.flops != 0 else []))


def cost_of_copies(typed: TypedRegion, copies: Sequence[Node], costs: Mapping[TypedRegion, Cost]) -> Cost:
    """Return the cost of equal nodes together; a node that shares a module (`same_as`) adds no parameters."""
    each = cost_of_node(typed, copies[0], costs)
    modules = sum(not copy.same_as for copy in copies)
    return Cost(each.parameters * modules, each.flops * len(copies))


def arrow_between(
    source: str, target: str, typed: TypedRegion, node: Node, operand: Operand, typed_source: str | None
) -> PictureArrow:
    """Return the arrow for an operand of a node, labeled with its ports unless they are the first ones.

    `typed_source` is the title of the source if that already shows the type: an input or a port. The arrow then omits
    the type, and a port of the same name.
    """
    assert operand.value, "an open port has no arrow"
    port = "" if operand.port in (node.operands[0].port, typed_source) else operand.port
    if operand.value.output:
        names = list(typed.region.nodes[operand.value.node].body.outputs)
        port = f"{names[operand.value.output]} → {operand.port}"
    type_ = "" if typed_source is not None else type_text(typed.type_of(operand.value))
    return PictureArrow(source, target, port, type_, number=_number(node, operand))


def _number(node: Node, operand: Operand) -> int:
    """Return the place of an arrow among those into its port, 0 unless it matters and is spread over several lines."""
    if isinstance(node.body, Region) or node.body.is_commutative:
        return 0
    together = [other for other in node.operands if other.port == operand.port]
    lines = {(other.span.file, other.span.line) for other in together}
    return 1 + next(i for i, other in enumerate(together) if other is operand) if len(lines) > 1 else 0


def field_text(value: object) -> str:
    """Return the value of a field in the syntax of a spec."""
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, tuple):
        return f"[{', '.join(map(field_text, value))}]"
    if (members := members_of(value)) is not None:
        return f"{{{', '.join(f'{name}: {field_text(member)}' for name, member in members.items())}}}"
    return str(value).lower() if isinstance(value, bool) or value is None else str(value)


def reparam_text(reparam: Reparam) -> str:
    """Return the name of a reparametrization in a spec."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", type(reparam).__name__).lower()
