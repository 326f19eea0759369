"""A bare Mermaid drawing → a spec to fill in: front matter with the ops of its nodes, above the drawing.

What is certain is written out; `…` marks a value to fill in, below a comment that says what it may be. `stackc check`
asks for each of them; once all are filled in, the result is a spec. Of the drawing only labels of arrows change: one
that names an operation becomes a node, one that names no port goes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from stackc.authoring.figures.entries import EntryWriter, Sizes
from stackc.authoring.figures.figure import Figure, read_figure
from stackc.authoring.figures.labels import labelled_channels, read_label
from stackc.authoring.figures.sizes import sources_of
from stackc.authoring.reference.keys import STACK
from stackc.components import REGISTRY
from stackc.core.diagnostics import Diagnostic, Note, Span, SpecError
from stackc.ir.model import run_order
from stackc.resolve.op_guess import listed, op_of, ops_by_arity, takes, with_ports
from stackc.spec.document import LANGUAGE_VERSION
from stackc.spec.drawing import Arrow, Drawing, DrawnNode
from stackc.spec.expressions.expressions import OPEN
from stackc.spec.front_matter import FRONT_MATTER
from stackc.spec.mermaid.mermaid_reader import read_drawing
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
    _require_acyclic(read_drawing(body, file=file, line=line, header=True))
    figure = read_figure(body, file, line)

    # entries come first: they say which params and blocks there are
    writer = EntryWriter()
    entries = dict(_node_entries(figure, writer))
    inputs = _input_lines(figure, writer)
    keys = [*_dim_lines(figure), *_param_lines(writer), *inputs]
    keys += ["nodes:", *(line for lines in entries.values() for line in lines)] if entries else []
    keys += [*writer.block_lines(), *_output_lines(figure.drawing)]

    # Mermaid's own front matter, such as a title, is kept as comments.
    comments = [f"# {row}" for row in without_indent(match["keys"]).splitlines()] if match else []
    front = ["---", *comments, f"stackc: {LANGUAGE_VERSION}", f"name: {name}", *keys, "---"]

    waiting = [*sorted(writer.params), *(block for block in writer.blocks if writer.is_open(block))]
    waiting += [node for node, lines in entries.items() if OPEN in lines[-1]]
    return Scaffold("\n".join([*front, without_indent(figure.body)]), tuple(waiting))


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


# -- dims, params, inputs


def _dim_lines(figure: Figure) -> list[str]:
    if figure.multiple_of is None:
        return []
    limits = f"{{multiple_of: {figure.multiple_of}}}"
    comment = "# sizes go down and up again: those that these numbers divide are equal where branches meet"
    return [comment, f"dims: {{height: {limits}, width: {limits}}}"]


def _param_lines(writer: EntryWriter) -> list[str]:
    """Return the params that the figure names without a value."""
    return [f"params: {{{', '.join(f'{name}: {OPEN}' for name in sorted(writer.params))}}}"] if writer.params else []


def _input_lines(figure: Figure, writer: EntryWriter) -> list[str]:
    lines = ["inputs:"]
    for id in figure.inputs:
        node = figure.drawing.nodes[id]
        declared = "dtype: int64, shape: [batch, seq]" if id in figure.ids else f"shape: {_shape(figure, writer, node)}"
        lines += [f"  # {_describe(node)}: no arrow enters it", f"  {id}: {{{declared}}}"]

    sources = sources_of(figure.drawing)
    first = [id for id in sources if not sources[id] and id not in figure.inputs and id not in figure.floating]
    if first:
        name = next(name for name in ("x", "input", "x_in", "model_input") if name not in figure.drawing.nodes)
        to = first[0] if len(first) == 1 else f"[{', '.join(first)}]"
        lines.append(f"  # no arrow enters {', '.join(first)}: an input feeds the nodes that its `to` names")
        lines.append(f"  {name}: {{shape: {_shape(figure, writer, DrawnNode(name))}, to: {to}}}")
    return lines


def _shape(figure: Figure, writer: EntryWriter, node: DrawnNode) -> str:
    """Return the shape of an input: as its label says, or that of images or sequences."""
    if not figure.images:
        return "[batch, seq, 64]"
    sizes = read_label(node.label or node.id).shape
    channels = labelled_channels(sizes) or figure.widths.get(node.id)
    if channels is None:
        writer.params.add("channels")
        return "[batch, channels, height, width]"

    area = [size for size in sizes if size != channels]
    height, width = area if len(area) == 2 else ("height", "width")
    return f"[batch, {writer.expression(channels)}, {height}, {width}]"


# -- outputs


def _output_lines(drawing: Drawing) -> list[str]:
    """Return the `outputs` line, needed only if several nodes have no outgoing arrow."""
    sources = {arrow.source for arrow in drawing.arrows}
    ends = [id for id in drawing.nodes if id not in sources]
    return [f"outputs: [{', '.join(ends)}]"] if len(ends) > 1 else []


# -- nodes


def _node_entries(figure: Figure, writer: EntryWriter) -> Iterator[tuple[str, list[str]]]:
    """Yield every node that needs an entry with its lines: comments, then the entry."""
    sources = sources_of(figure.drawing)
    labelled: dict[str, list[Arrow]] = {}
    for arrow in figure.drawing.arrows:
        if arrow.text:
            labelled.setdefault(arrow.target, []).append(arrow)

    for id, node in figure.drawing.nodes.items():
        if id in figure.inputs:
            continue
        labels = _unknown_ports(figure, node, labelled.get(id, []))
        lines = _entry(figure, writer, node, sources[id] or ["an input"])
        if lines or labels:
            yield id, [*labels, *(lines or [f"  {id}: {{}}"])]


def _entry(figure: Figure, writer: EntryWriter, node: DrawnNode, sources: list[str]) -> list[str]:
    """Return the lines of one node: of what is certain, or of what it may be; nothing if it needs no entry."""
    id, op = node.id, op_of(node)
    if id in figure.gates:
        comment = f"  # the vector of channels that {sources[0]} gives, at every position"
        return [comment, f"  {id}: {{shape: [0, 0, 1, 1]}}"]
    if id in figure.repeated:
        return _entry_of_repeated(figure.repeated[id], id)
    if id in figure.floating:
        return _entry_of_positions(figure, node)
    if op == "stack":
        return _entry_of_stack(node)
    if id not in figure.decided:
        return _entry_without_op(figure, node, sources)

    scales = figure.multiple_of is not None and any("pool" in step.op for step in figure.decided[id].steps)
    sizes = Sizes(id in figure.images, id in figure.kept and not scales, figure.widths.get(id))
    comments, fields = writer.entry(figure.decided[id], sizes, _merge(figure, node, sources), named=op is None)
    lead = f"{id} is {figure.decided[id].steps[0].op}; " if op else f"{_describe(node)}; "
    return [*(f"  # {lead}{comment}" for comment in comments), f"  {id}: {fields}"] if fields != "{}" else []


def _merge(figure: Figure, node: DrawnNode, sources: list[str]) -> str | None:
    """Return how the arrows of a node meet before it; None if it takes them all."""
    if node.id in figure.joined:
        return f"{{op: concat, axis: {1 if figure.images else OPEN}}}"
    op = figure.decided[node.id].steps[0].op
    unnamed = sum(arrow.target == node.id and not arrow.into for arrow in figure.drawing.arrows)
    return None if takes(op, unnamed) or figure.decided[node.id].merged or len(REGISTRY[op].ports) > 1 else OPEN


def _entry_of_repeated(title: str, id: str) -> list[str]:
    return [
        f"  # '{title}' repeats what is drawn once: move its nodes into a block, and draw one node in their place,",
        f"  # `{{op: stack, of: BLOCK, repeat: …}}`; or fill in the op of {id}, if nothing repeats",
        f"  {id}: {{op: {OPEN}}}",
    ]


def _entry_of_positions(figure: Figure, node: DrawnNode) -> list[str]:
    """Return the entry of positions that a figure adds to a value: their component adds them itself."""
    sources = sources_of(figure.drawing)
    arrows = [
        (source, target)
        for target, entering in sources.items()
        if node.id in entering
        for source in entering
        if source != node.id
    ]
    redrawn = [
        f"`{source} --> {node.id} --> {target}` in the place of `{source} --> {target}`" for source, target in arrows
    ]
    comments = [
        f"{_describe(node)}: nothing enters it, and its component adds positions to what enters it",
        f"draw {', '.join(redrawn) or 'an arrow to it'}, with no other arrow from {node.id}",
        f"it could be {listed(figure.guesses[node.id])}",
    ]
    return [*(f"  # {comment}" for comment in comments), f"  {node.id}: {{op: {OPEN}}}"]


def _entry_of_stack(node: DrawnNode) -> list[str]:
    required = {name: key.meaning for name, key in STACK.items() if key.required}
    meanings = [f"  # {node.id} is stack; {name}: {doc}" for name, doc in required.items()]
    return [*meanings, f"  {node.id}: {{{', '.join(f'{name}: {OPEN}' for name in required)}}}"]


def _unknown_ports(figure: Figure, node: DrawnNode, arrows: list[Arrow]) -> list[str]:
    """Return comments on arrow labels that are not ports of the node's op, or of any op it may be."""
    decision, op = figure.decided.get(node.id), op_of(node)
    ops = [step.op for step in decision.steps] if decision else figure.guesses.get(node.id, ())
    ports = {port.name for name in ops if name in REGISTRY for port in REGISTRY[name].ports}
    return [
        f"  # the label '{' '.join((arrow.text or '').split())}' from {arrow.source} names a port of {node.id}; "
        f"remove it from the arrow, unless {'a sub-model of it' if op == 'stack' else 'its op'} has such a port"
        for arrow in arrows
        if arrow.into not in ports
    ]


def _entry_without_op(figure: Figure, node: DrawnNode, sources: list[str]) -> list[str]:
    """Return the entry of a node whose op is to be filled in, below a comment that suggests ops."""
    guesses, count = figure.guesses[node.id], len(sources)
    repeat = read_label(node.label or node.id).repeat
    comments = [f"{_describe(node)}: {'one arrow' if count == 1 else f'{count} arrows'} in, from {', '.join(sources)}"]

    fields = f"op: {OPEN}"
    if node.id in figure.joined:
        comments.append(f"it could be {listed(guesses or ops_by_arity(1))}")
        fields += f", merge: {{op: concat, axis: {1 if figure.images else OPEN}}}"
    elif count == 1:
        comments.append(f"it could be {listed(guesses or ops_by_arity(1))}")
    elif guesses and takes(guesses[0], count):
        comments += _suggestions(guesses, count, merged_first=False)
    else:
        comments += _suggestions(guesses, count, merged_first=True)
        is_norm = bool(guesses) and all(op.endswith("norm") for op in guesses)
        fields += f", merge: {'sum' if is_norm else OPEN}"
    if repeat is not None and "stack" in guesses:
        fields = fields.replace(f"op: {OPEN}", f"op: stack, of: {OPEN}, repeat: {repeat if repeat.isdigit() else OPEN}")
    return [*(f"  # {line}" for line in comments), f"  {node.id}: {{{fields}}}"]


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
