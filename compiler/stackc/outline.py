"""A bare Mermaid drawing → a spec to fill in: front matter with what each node could be, above the drawing as it was.

`…` stands where a value is wanted. Filled in, it is a spec; as it is, `stackc check` asks for each of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from stackc.components import REGISTRY
from stackc.components.fields import fields_of
from stackc.diagnostics import Diagnostic, Span, SpecError
from stackc.guess import fitting, looks_like_ids, looks_like_input, meant_by, op_of, takes, with_ports
from stackc.reference.keys import STACK
from stackc.spec.document import LANGUAGE_VERSION
from stackc.spec.drawing import Drawing, Drawn
from stackc.spec.mermaid_reader import read_drawing
from stackc.spec.reader import FRONT_MATTER

OPEN = "…"


@dataclass(frozen=True)
class Outline:
    """The text of the spec, and the nodes that wait for an op or a field."""

    text: str
    waiting: tuple[str, ...]


def outline(text: str, file: str, name: str) -> Outline:
    """The spec to fill in of a drawing. SpecError where it cannot be read, or is a spec already (S011)."""
    match = FRONT_MATTER.match(text)
    if match and re.search(r"^stackc\s*:", match["keys"], re.MULTILINE):
        raise SpecError(
            Diagnostic("S011", f"{file} is a spec already", Span(file, 1), "`stackc check` tells what it lacks")
        )
    body = text[match.end() :] if match else text
    line = text[: match.end()].count("\n") + 1 if match else 1
    drawing = read_drawing(body, file=file, line=line, header=True)
    nodes = _nodes(drawing)
    kept = [f"# {row}" for row in match["keys"].splitlines()] if match else []
    front = ["---", *kept, f"stackc: {LANGUAGE_VERSION}", f"name: {name}", *_inputs(drawing)]
    front += ["nodes:", *(line for lines in nodes.values() for line in lines)] if nodes else []
    return Outline("\n".join([*front, "---", body]), tuple(node for node, lines in nodes.items() if OPEN in lines[-1]))


# -- inputs


def _entering(drawing: Drawing) -> dict[str, list[str]]:
    """The nodes that each node's arrows come from."""
    entering: dict[str, list[str]] = {id: [] for id in drawing.nodes}
    for arrow in drawing.arrows:
        entering[arrow.target].append(arrow.source)
    return entering


def _drawn_inputs(drawing: Drawing) -> list[Drawn]:
    """The nodes that are inputs themselves."""
    entering = _entering(drawing)
    return [node for id, node in drawing.nodes.items() if not entering[id] and looks_like_input(node)]


def _fed(drawing: Drawing) -> list[str]:
    """The nodes that no arrow enters and that are no inputs: an input has to feed them."""
    entering, inputs = _entering(drawing), _drawn_inputs(drawing)
    return [id for id, node in drawing.nodes.items() if not entering[id] and node not in inputs]


def _inputs(drawing: Drawing) -> list[str]:
    lines = ["inputs:"]
    for node in _drawn_inputs(drawing):
        ids = looks_like_ids(node)
        declared = "{dtype: int64, shape: [batch, seq], below: 1000}" if ids else "{shape: [batch, seq, 64]}"
        lines += [f"  # {_called(node)}: no arrow enters it", f"  {node.id}: {declared}"]
    if fed := _fed(drawing):
        name = next(name for name in ("x", "input", "x_in", "model_input") if name not in drawing.nodes)
        to = fed[0] if len(fed) == 1 else f"[{', '.join(fed)}]"
        lines.append(f"  # no arrow enters {', '.join(fed)}: an input feeds what it names by `to`")
        lines.append(f"  {name}: {{shape: [batch, seq, 64], to: {to}}}")
    return lines


# -- nodes


def _nodes(drawing: Drawing) -> dict[str, list[str]]:
    """The lines of every node that needs an entry: what it could be as a comment, and the entry."""
    entering, inputs = _entering(drawing), {node.id for node in _drawn_inputs(drawing)}
    nodes = {}
    for id, node in drawing.nodes.items():
        if id in inputs:
            continue
        sources = entering[id] or ["an input"]
        op = op_of(node)
        if lines := _entry_of_op(node, op, sources) if op else _open_entry(node, sources):
            nodes[id] = lines
    return nodes


def _entry_of_op(node: Drawn, op: str, sources: list[str]) -> list[str]:
    """What a node whose op is known lacks: the fields that have to be given, and how its arrows merge."""
    needed = {name: key.meaning for name, key in STACK.items() if key.required}
    if op != "stack":
        needed = {name: spec.doc for name, spec in fields_of(REGISTRY[op]).items() if spec.required}
    fields = [f"{name}: {OPEN}" for name in needed]
    fields += [] if takes(op, len(sources)) else ["merge: sum"]
    meanings = [f"  # {node.id} is {op}; {name}: {doc}" for name, doc in needed.items()]
    return [*meanings, f"  {node.id}: {{{', '.join(fields)}}}"] if fields else []


def _open_entry(node: Drawn, sources: list[str]) -> list[str]:
    """The entry of a node whose op is open, under a comment that says what it could be."""
    meant = meant_by(node)
    if len(sources) == 1:
        lines = [f"{_called(node)}: one arrow in, from {sources[0]}", f"it could be {_listed(meant or fitting(1))}"]
        return [*(f"  # {line}" for line in lines), f"  {node.id}: {{op: {OPEN}}}"]
    several = [op for op in meant if takes(op, len(sources))] or fitting(len(sources))
    single = [op for op in meant if not takes(op, len(sources))] or fitting(1)
    lines = [
        f"{_called(node)}: {len(sources)} arrows in, from {', '.join(sources)}",
        f"it could be {_listed(single)}, behind a merge (sum, mean, concat, mul, weighted)",
        f"or without a merge {_listed(several)}",
    ]
    if labelled := with_ports(meant, len(sources)):
        ports = [f"{op} ({', '.join(port.name for port in REGISTRY[op].ports)})" for op in labelled]
        lines.append(f"or without a merge, the arrows labelled with its ports, {' or '.join(ports)}")
    return [*(f"  # {line}" for line in lines), f"  {node.id}: {{op: {OPEN}, merge: sum}}"]


def _listed(ops: Iterable[str]) -> str:
    return " or ".join("a block of your own" if op == "block" else op for op in ops)


def _called(node: Drawn) -> str:
    label = " ".join((node.label or "").split())
    return f"{node.id}, '{label}'" if label and label != node.id else node.id
