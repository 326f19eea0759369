"""A bare Mermaid drawing → a spec to fill in: front matter with what each node could be, above the drawing as it was.

`…` stands where a value is wanted. Filled in, it is a spec; as it is, `stackc check` asks for each of them.
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
    """The text of the spec, and the nodes that wait for an op or a field."""

    text: str
    waiting: tuple[str, ...]


def scaffold(text: str, file: str, name: str) -> Scaffold:
    """The spec to fill in of a drawing, which may have blank lines above it, and an indent.

    SpecError where it cannot be read, is a spec already (S011), or goes in a circle (N305).
    """
    match = FRONT_MATTER.match(text)
    if match and re.search(r"^stackc\s*:", match["keys"], re.MULTILINE):
        raise SpecError(
            Diagnostic("S011", f"{file} is a spec already", Span(file, 1), "`stackc check` tells what it lacks")
        )
    body = text[match.end() :] if match else text
    line = text[: match.end()].count("\n") + 1 if match else 1
    drawing = read_drawing(body, file=file, line=line, header=True)
    _check_order(drawing)
    nodes = _nodes(drawing)
    kept = [f"# {row}" for row in without_indent(match["keys"]).splitlines()] if match else []
    front = ["---", *kept, f"stackc: {LANGUAGE_VERSION}", f"name: {name}", *_inputs(drawing)]
    front += ["nodes:", *(line for lines in nodes.values() for line in lines)] if nodes else []
    sources = {arrow.source for arrow in drawing.arrows}
    ends = [id for id in drawing.nodes if id not in sources]
    front += [f"outputs: [{', '.join(ends)}]"] if len(ends) > 1 else []
    body = without_indent(body)
    return Scaffold("\n".join([*front, "---", body]), tuple(node for node, lines in nodes.items() if OPEN in lines[-1]))


def _check_order(drawing: Drawing) -> None:
    """SpecError N305 where the arrows go in a circle: no entry of a node could mend that."""
    arrows = {(arrow.source, arrow.target): arrow.span for arrow in drawing.arrows}
    _, cycle = run_order(drawing.nodes, arrows)
    if cycle:
        steps = list(zip(cycle, [*cycle[1:], cycle[0]], strict=True))
        notes = tuple(Note(f"{source} → {target}", arrows[source, target]) for source, target in steps[:-1])
        message = f"the drawing goes in a circle: {' → '.join([*cycle, cycle[0]])}"
        hint = "a network runs from inputs to outputs: take one of these arrows away; what repeats is a stack"
        raise SpecError(Diagnostic("N305", message, arrows[steps[-1]], hint, notes))


# -- inputs


def _entering(drawing: Drawing) -> dict[str, list[str]]:
    """The nodes that each node's arrows come from."""
    entering: dict[str, list[str]] = {id: [] for id in drawing.nodes}
    for arrow in drawing.arrows:
        entering[arrow.target].append(arrow.source)
    return entering


def _drawn_inputs(drawing: Drawing) -> list[DrawnNode]:
    """The nodes that are inputs themselves."""
    entering = _entering(drawing)
    return [node for id, node in drawing.nodes.items() if not entering[id] and looks_like_input(node)]


def _fed(drawing: Drawing) -> list[str]:
    """The nodes that no arrow enters and that are no inputs: an input has to feed them."""
    entering, inputs = _entering(drawing), _drawn_inputs(drawing)
    return [id for id, node in drawing.nodes.items() if not entering[id] and node not in inputs]


def _inputs(drawing: Drawing) -> list[str]:
    lines = ["inputs:"]
    taken: dict[str, list[DrawnNode]] = {}
    for arrow in drawing.arrows:
        taken.setdefault(arrow.source, []).append(drawing.nodes[arrow.target])
    for node in _drawn_inputs(drawing):
        ids = "dtype: int64, shape: [batch, seq], below: 1000" if looks_like_ids(node) else None
        declared = ids or f"shape: {_shape(looks_like_images(node, taken.get(node.id, [])))}"
        lines += [f"  # {_called(node)}: no arrow enters it", f"  {node.id}: {{{declared}}}"]
    if fed := _fed(drawing):
        name = next(name for name in ("x", "input", "x_in", "model_input") if name not in drawing.nodes)
        to = fed[0] if len(fed) == 1 else f"[{', '.join(fed)}]"
        lines.append(f"  # no arrow enters {', '.join(fed)}: an input feeds what it names by `to`")
        images = looks_like_images(DrawnNode(name), [drawing.nodes[id] for id in fed])
        lines.append(f"  {name}: {{shape: {_shape(images)}, to: {to}}}")
    return lines


def _shape(images: bool) -> str:
    return "[batch, 3, 224, 224]" if images else "[batch, seq, 64]"


# -- nodes


def _nodes(drawing: Drawing) -> dict[str, list[str]]:
    """The lines of every node that needs an entry: what it could be as a comment, and the entry."""
    entering, inputs = _entering(drawing), {node.id for node in _drawn_inputs(drawing)}
    labelled: dict[str, list[Arrow]] = {}
    for arrow in drawing.arrows:
        if arrow.text:
            labelled.setdefault(arrow.target, []).append(arrow)
    nodes = {}
    for id, node in drawing.nodes.items():
        if id in inputs:
            continue
        sources = entering[id] or ["an input"]
        op = op_of(node)
        labels = _labels(node, op, labelled.get(id, []))
        if lines := _entry_of_op(node, op, sources) if op else _open_entry(node, sources):
            nodes[id] = [*labels, *lines]
        elif labels:
            nodes[id] = [*labels, f"  {id}: {{}}"]
    return nodes


def _labels(node: DrawnNode, op: str | None, arrows: list[Arrow]) -> list[str]:
    """What the labels on arrows into a node mean, where they are no ports of what it is, or may be."""
    ports = {
        port.name for name in ([op] if op else meant_by(node)) if name in REGISTRY for port in REGISTRY[name].ports
    }
    return [
        f"  # the label '{' '.join((arrow.text or '').split())}' from {arrow.source} names a port of {node.id}; "
        f"take it off the arrow, unless {'a sub-model of it' if op == 'stack' else 'its op'} has such a port"
        for arrow in arrows
        if arrow.into not in ports
    ]


def _entry_of_op(node: DrawnNode, op: str, sources: list[str]) -> list[str]:
    """What a node whose op is known lacks: the fields that have to be given, and how its arrows merge."""
    needed = {name: key.meaning for name, key in STACK.items() if key.required}
    if op != "stack":
        needed = {name: spec.doc for name, spec in fields_of(REGISTRY[op]).items() if spec.required}
    fields = [f"{name}: {OPEN}" for name in needed]
    fields += [] if takes(op, len(sources)) else ["merge: sum"]
    meanings = [f"  # {node.id} is {op}; {name}: {doc}" for name, doc in needed.items()]
    return [*meanings, f"  {node.id}: {{{', '.join(fields)}}}"] if fields else []


def _open_entry(node: DrawnNode, sources: list[str]) -> list[str]:
    """The entry of a node whose op is open, under a comment that says what it could be."""
    meant = meant_by(node)
    if len(sources) == 1:
        lines = [f"{_called(node)}: one arrow in, from {sources[0]}", f"it could be {listed(meant or ops_by_arity(1))}"]
        return [*(f"  # {line}" for line in lines), f"  {node.id}: {{op: {OPEN}}}"]
    several = [op for op in meant if takes(op, len(sources))] or ops_by_arity(len(sources))
    single = [op for op in meant if not takes(op, len(sources))] or ops_by_arity(1)
    lines = [f"{_called(node)}: {len(sources)} arrows in, from {', '.join(sources)}"]
    if merges := bool(meant) and takes(meant[0], len(sources)):
        lines.append(f"it could be {listed(several)}, which takes all of them")
        lines.append(f"or, behind a merge (`merge: sum` or mean, concat, mul, weighted), {listed(single)}")
    else:
        lines.append(f"it could be {listed(single)}, behind a merge (sum, mean, concat, mul, weighted)")
        lines.append(f"or without a merge {listed(several)}")
    if labelled := with_ports(meant, len(sources)):
        ports = [f"{op} ({', '.join(port.name for port in REGISTRY[op].ports)})" for op in labelled]
        lines.append(f"or without a merge, the arrows labelled with its ports, {' or '.join(ports)}")
    entry = f"op: {OPEN}" if merges else f"op: {OPEN}, merge: sum"
    return [*(f"  # {line}" for line in lines), f"  {node.id}: {{{entry}}}"]


def _called(node: DrawnNode) -> str:
    label = " ".join((node.label or "").split())
    return f"{node.id}, '{label}'" if label and label != node.id else node.id
