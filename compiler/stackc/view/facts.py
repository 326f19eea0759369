"""Facts of a node beside its caption: every field, the types at its ports, its parameters, its line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from stackc.core.diagnostics import Span
from stackc.core.types import TensorType
from stackc.ir.model import Node, Region, ValueRef
from stackc.ir.typed import TypedRegion
from stackc.typecheck.cost import Cost
from stackc.view.captions import cost_lines, field_text, reparam_text

Pair = tuple[str, str]
LONGEST_LINE = 400
"""Characters of a line of the spec: each node of a drawing that is one line would have the whole of it."""


@dataclass(frozen=True)
class Facts:
    """The facts as text, in the order of the spec and of the signature.

    `written` are the fields that the spec sets, `place` is the file and line of the spec, `line` the text there.
    """

    op: str
    costs: tuple[str, ...]
    fields: tuple[Pair, ...]
    written: tuple[str, ...]
    inputs: tuple[Pair, ...]
    outputs: tuple[Pair, ...]
    parameters: tuple[Pair, ...]
    place: str
    line: str


def facts_of(typed: TypedRegion, node: Node, cost: Cost, sources: Mapping[str, str]) -> Facts:
    """Return the facts of a node; `sources` has the texts of the spec's files by name, as far as they are available."""
    values = {} if isinstance(node.body, Region) else node.body.values()
    fields = [(name, field_text(value)) for name, value in values.items()]
    fields += [(f"reparam {name}", reparam_text(reparam)) for name, reparam in node.reparams]
    fields += [("same_as", node.same_as)] if node.same_as else []

    return Facts(
        op=node.body.name if isinstance(node.body, Region) and node.body.kind == "stack" else node.op,
        costs=cost_lines(cost),
        fields=tuple(fields),
        written=tuple(node.fields),
        inputs=tuple(
            (
                operand.port,
                f"{typed.type_of(operand.value)} from {operand.value.node}" if operand.value else "not connected",
            )
            for operand in node.operands
        ),
        outputs=tuple(_outputs(typed, node)),
        parameters=tuple(_parameters(typed, node)),
        place=str(node.span),
        line=line_at(node.span, sources),
    )


def facts_of_input(name: str, type_: TensorType, span: Span | None, sources: Mapping[str, str]) -> Facts:
    """Return the facts of an input of the model."""
    place, line = (str(span), line_at(span, sources)) if span else ("", "")
    return Facts("input", (), (), (), (), ((name, str(type_)),), (), place, line)


def line_at(span: Span, sources: Mapping[str, str]) -> str:
    """Return the line of the spec at a span; empty if the text is not available, of a long line the part around it."""
    lines = sources.get(span.file, "").split("\n")
    line = lines[span.line - 1] if 0 < span.line <= len(lines) else ""
    if len(line.strip()) <= LONGEST_LINE:
        return line.strip()

    start = max(0, min((span.column or 1) - 1 - LONGEST_LINE // 2, len(line) - LONGEST_LINE))
    end = start + LONGEST_LINE
    return f"{'…' * (start > 0)}{line[start:end].strip()}{'…' * (end < len(line))}"


def _outputs(typed: TypedRegion, node: Node) -> Sequence[Pair]:
    names = list(node.body.outputs)
    types = typed.bodies[node.id].outputs if node.id in typed.bodies else typed.signatures[node.id].outputs
    return [
        (name, str(typed.type_of(ValueRef(node.id, i)))) for i, (name, _) in enumerate(zip(names, types, strict=False))
    ]


def _parameters(typed: TypedRegion, node: Node) -> Sequence[Pair]:
    """Return the parameters and buffers of a component; for a block or stack none, since its nodes show them."""
    if node.id in typed.bodies:
        return []
    signature = typed.signatures[node.id]
    parameters = [
        (name, f"{type_}, tied to {node.ties[name].path}" if name in node.ties else str(type_))
        for name, type_ in signature.parameters.items()
    ]
    return parameters + [(name, f"{type_}, buffer") for name, type_ in signature.buffers.items()]
