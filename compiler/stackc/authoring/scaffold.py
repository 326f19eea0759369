"""A bare Mermaid drawing → a spec to fill in: front matter suggesting ops for each node, above the unchanged drawing.

`…` marks a value to fill in. `stackc check` asks for each of them; once all are filled in, the result is a spec.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from stackc.authoring.reference.keys import STACK
from stackc.components import REGISTRY
from stackc.components.fields import fields_of
from stackc.core.diagnostics import Diagnostic, Note, Span, SpecError
from stackc.ir.model import run_order
from stackc.resolve.op_guess import (
    listed,
    looks_like_ids,
    looks_like_images,
    looks_like_input,
    meant_by,
    op_of,
    ops_by_arity,
    takes,
    with_ports,
)
from stackc.spec.document import LANGUAGE_VERSION
from stackc.spec.drawing import Arrow, Drawing, DrawnNode
from stackc.spec.expressions.expressions import OPEN
from stackc.spec.mermaid.mermaid_reader import read_drawing
from stackc.spec.reader import FRONT_MATTER
from stackc.spec.writer import without_indent


@dataclass(frozen=True)
class Scaffold:
    """The text of the spec, and the nodes that still need an op or a field."""

    text: str
    waiting: tuple[str, ...]


def scaffold(text: str, file: str, name: str) -> Scaffold:
    """Return a spec to fill in for a drawing, which may be indented and have blank lines above it.

    Raises SpecError if the drawing cannot be parsed, is already a spec (S011), or has a cycle (N305).
    """
    match = FRONT_MATTER.match(text)
    if match and re.search(r"^stackc\s*:", match["keys"], re.MULTILINE):
        hint = "`stackc check` reports what it still needs"
        raise SpecError(Diagnostic("S011", f"{file} is already a spec", Span(file, 1), hint))

    body = text[match.end() :] if match else text
    line = text[: match.end()].count("\n") + 1 if match else 1
    drawing = read_drawing(body, file=file, line=line, header=True)
    _require_acyclic(drawing)

    # Mermaid's own front matter, such as a title, is kept as comments.
    comments = [f"# {row}" for row in without_indent(match["keys"]).splitlines()] if match else []
    entries = _node_entries(drawing)
    front = ["---", *comments, f"stackc: {LANGUAGE_VERSION}", f"name: {name}", *_input_lines(drawing)]
    front += ["nodes:", *(line for lines in entries.values() for line in lines)] if entries else []
    front += _output_lines(drawing)

    waiting = tuple(node for node, lines in entries.items() if OPEN in lines[-1])
    return Scaffold("\n".join([*front, "---", without_indent(body)]), waiting)


def _require_acyclic(drawing: Drawing) -> None:
    """Raise SpecError (N305) if the arrows form a cycle, which no entry of a node could fix."""
    arrows = {(arrow.source, arrow.target): arrow.span for arrow in drawing.arrows}
    _, cycle = run_order(drawing.nodes, arrows)
    if cycle:
        steps = list(zip(cycle, [*cycle[1:], cycle[0]], strict=True))
        notes = tuple(Note(f"{source} → {target}", arrows[source, target]) for source, target in steps[:-1])
        message = f"the drawing has a cycle: {' → '.join([*cycle, cycle[0]])}"
        hint = "a network runs from inputs to outputs: remove one of these arrows; to repeat nodes, use a stack"
        raise SpecError(Diagnostic("N305", message, arrows[steps[-1]], hint, notes))


# -- inputs


def _predecessors(drawing: Drawing) -> dict[str, list[str]]:
    """Return the source nodes of each node's incoming arrows."""
    predecessors: dict[str, list[str]] = {id: [] for id in drawing.nodes}
    for arrow in drawing.arrows:
        predecessors[arrow.target].append(arrow.source)
    return predecessors


def _drawn_inputs(drawing: Drawing) -> list[DrawnNode]:
    """Return the nodes that look like inputs of the model."""
    predecessors = _predecessors(drawing)
    return [node for id, node in drawing.nodes.items() if not predecessors[id] and looks_like_input(node)]


def _first_components(drawing: Drawing) -> list[str]:
    """Return the other nodes without incoming arrows: an input must feed them."""
    predecessors, inputs = _predecessors(drawing), _drawn_inputs(drawing)
    return [id for id, node in drawing.nodes.items() if not predecessors[id] and node not in inputs]


def _input_lines(drawing: Drawing) -> list[str]:
    lines = ["inputs:"]
    successors: dict[str, list[DrawnNode]] = {}
    for arrow in drawing.arrows:
        successors.setdefault(arrow.source, []).append(drawing.nodes[arrow.target])

    for node in _drawn_inputs(drawing):
        if looks_like_ids(node):
            declaration = "dtype: int64, shape: [batch, seq], below: 1000"
        else:
            declaration = f"shape: {_shape(looks_like_images(node, successors.get(node.id, [])))}"
        lines += [f"  # {_describe(node)}: no arrow enters it", f"  {node.id}: {{{declaration}}}"]

    if first := _first_components(drawing):
        name = next(name for name in ("x", "input", "x_in", "model_input") if name not in drawing.nodes)
        to = first[0] if len(first) == 1 else f"[{', '.join(first)}]"
        images = looks_like_images(DrawnNode(name), [drawing.nodes[id] for id in first])
        lines.append(f"  # no arrow enters {', '.join(first)}: an input feeds the nodes that its `to` names")
        lines.append(f"  {name}: {{shape: {_shape(images)}, to: {to}}}")
    return lines


def _shape(images: bool) -> str:
    return "[batch, 3, 224, 224]" if images else "[batch, seq, 64]"


# -- outputs


def _output_lines(drawing: Drawing) -> list[str]:
    """Return the `outputs` line, needed only if several nodes have no outgoing arrow."""
    sources = {arrow.source for arrow in drawing.arrows}
    ends = [id for id in drawing.nodes if id not in sources]
    return [f"outputs: [{', '.join(ends)}]"] if len(ends) > 1 else []


# -- nodes


def _node_entries(drawing: Drawing) -> dict[str, list[str]]:
    """Return the lines of every node that needs an entry: comments with suggestions, then the entry."""
    predecessors, inputs = _predecessors(drawing), {node.id for node in _drawn_inputs(drawing)}
    labelled: dict[str, list[Arrow]] = {}
    for arrow in drawing.arrows:
        if arrow.text:
            labelled.setdefault(arrow.target, []).append(arrow)

    entries = {}
    for id, node in drawing.nodes.items():
        if id in inputs:
            continue

        sources = predecessors[id] or ["an input"]
        op = op_of(node)
        labels = _unknown_ports(node, op, labelled.get(id, []))
        if lines := _entry_with_op(node, op, sources) if op else _entry_without_op(node, sources):
            entries[id] = [*labels, *lines]
        elif labels:
            entries[id] = [*labels, f"  {id}: {{}}"]
    return entries


def _unknown_ports(node: DrawnNode, op: str | None, arrows: list[Arrow]) -> list[str]:
    """Return comments on arrow labels that are not ports of the node's op, or of any op it may be."""
    ports = {
        port.name for name in ([op] if op else meant_by(node)) if name in REGISTRY for port in REGISTRY[name].ports
    }
    return [
        f"  # the label '{' '.join((arrow.text or '').split())}' from {arrow.source} names a port of {node.id}; "
        f"remove it from the arrow, unless {'a sub-model of it' if op == 'stack' else 'its op'} has such a port"
        for arrow in arrows
        if arrow.into not in ports
    ]


def _entry_with_op(node: DrawnNode, op: str, sources: list[str]) -> list[str]:
    """Return the entry of a node whose op is known: its required fields, and how to merge its arrows; or nothing."""
    if op == "stack":
        required = {name: key.meaning for name, key in STACK.items() if key.required}
    else:
        required = {name: spec.doc for name, spec in fields_of(REGISTRY[op]).items() if spec.required}

    fields = [f"{name}: {OPEN}" for name in required]
    fields += [] if takes(op, len(sources)) else ["merge: sum"]
    meanings = [f"  # {node.id} is {op}; {name}: {doc}" for name, doc in required.items()]
    return [*meanings, f"  {node.id}: {{{', '.join(fields)}}}"] if fields else []


def _entry_without_op(node: DrawnNode, sources: list[str]) -> list[str]:
    """Return the entry of a node whose op is to be filled in, below a comment that suggests ops."""
    guesses, count = meant_by(node), len(sources)
    comments = [f"{_describe(node)}: {'one arrow' if count == 1 else f'{count} arrows'} in, from {', '.join(sources)}"]

    if count == 1:
        comments.append(f"it could be {listed(guesses or ops_by_arity(1))}")
        entry = f"op: {OPEN}"
    elif guesses and takes(guesses[0], count):
        comments += _suggestions(guesses, count, merged_first=False)
        entry = f"op: {OPEN}"
    else:
        comments += _suggestions(guesses, count, merged_first=True)
        entry = f"op: {OPEN}, merge: sum"
    return [*(f"  # {line}" for line in comments), f"  {node.id}: {{{entry}}}"]


def _suggestions(guesses: tuple[str, ...], count: int, *, merged_first: bool) -> list[str]:
    """Suggest ops for a node with several incoming arrows: with a merge before it, and without one."""
    several = listed([op for op in guesses if takes(op, count)] or ops_by_arity(count))
    single = listed([op for op in guesses if not takes(op, count)] or ops_by_arity(1))
    if merged_first:
        lines = [
            f"it could be {single}, after a merge (sum, mean, concat, mul, weighted)",
            f"or without a merge {several}",
        ]
    else:
        lines = [
            f"it could be {several}, which takes all of them",
            f"or, after a merge (`merge: sum` or mean, concat, mul, weighted), {single}",
        ]

    if labelled := with_ports(guesses, count):
        ports = [f"{op} ({', '.join(port.name for port in REGISTRY[op].ports)})" for op in labelled]
        lines.append(f"or without a merge, with its ports as labels on the arrows, {' or '.join(ports)}")
    return lines


def _describe(node: DrawnNode) -> str:
    """Return the id of a node, and its label if it says more."""
    label = " ".join((node.label or "").split())
    return f"{node.id}, '{label}'" if label and label != node.id else node.id
