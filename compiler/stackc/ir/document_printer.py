"""A Document as text, in the format of printer.py: what a spec says, when it cannot be resolved.

Ops, fields, shapes and params stand as the spec writes them, and nodes in the order of the drawing. `merge`, `same_as`,
`tie` and `reparam` follow the fields, whatever they name.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

from stackc.ir.text import Line, attributes, braced, literal_text, repair_comments
from stackc.spec.document import BlockDecl, DimDecl, Document, InputDecl, NodeEntry, PortDecl
from stackc.spec.drawing import DrawnNode
from stackc.spec.yaml.tree import Entry, Value


def print_document(document: Document) -> str:
    """Return the text of a document. Problems that reading the spec has repaired are comments above it."""
    dims = (
        Line(f"dim {name} : {_text(dim.minimum)}..{_end(dim)}{_step(dim.multiple_of)}", dim.span)
        for name, dim in document.dims.items()
    )
    params = (Line(f"param {name} = {_text(decl.default)}", decl.span) for name, decl in document.params.items())
    header = braced(f"document {document.name}", document.span, dims, params)

    whole = BlockDecl(document.body, {}, (), document.inputs)  # its params are in the header
    blocks = {f"spec @{document.name}": whole} | {f"block @{name}": block for name, block in document.blocks.items()}
    texts = [header, *(_block_text(name, block, document.blocks) for name, block in blocks.items())]
    return repair_comments(document.problems) + "\n".join(texts)


def _end(dim: DimDecl) -> str:
    """Return the largest size, or the first that is too large after a `<`."""
    return f"<{_text(dim.below)}" if dim.below else _text(dim.maximum)


def _block_text(header: str, block: BlockDecl, blocks: Collection[str]) -> str:
    """Return the text of a drawing, that of the spec or of a block; `blocks` are the names of all blocks."""
    body, drawing = block.body, block.body.drawing
    inputs = {port.name: _port_line(port) for port in block.ports}
    inputs |= {name: _input_line(decl) for name, decl in block.inputs.items()}
    operands = _operands(block)

    return braced(
        header,
        body.span,
        (Line(f"param {name} = {_text(decl.default)}", decl.span) for name, decl in block.params.items()),
        inputs.values(),
        (
            _node_line(node, body.nodes.get(node.id), operands.get(node.id, []), blocks)
            for node in drawing.nodes.values()
            if node.id not in inputs
        ),
        (_entry_line(entry) for name, entry in body.nodes.items() if name not in drawing.nodes),
        (Line(f"output {output.name} = %{_path(output.source)}", output.span) for output in body.outputs),
    )


def _operands(block: BlockDecl) -> dict[str, list[str]]:
    """Return what enters each node: from inputs that name it by `to`, and by arrows, in written order."""
    operands: dict[str, list[str]] = {}
    for name, decl in block.inputs.items():
        for value in decl.to:
            node, _, port = _text(value).partition(".")
            operands.setdefault(node, []).append(f"{port}: %{name}" if port else f"%{name}")

    for arrow in block.body.drawing.arrows:
        source = f"%{arrow.source}:{arrow.out}" if arrow.out else f"%{arrow.source}"
        operands.setdefault(arrow.target, []).append(f"{arrow.into}: {source}" if arrow.into else source)
    return operands


def _port_line(port: PortDecl) -> Line:
    return Line(f"%{port.name} = input{' optional' * port.optional}", port.span)


def _input_line(decl: InputDecl) -> Line:
    return Line(f"%{decl.name} = input : {decl.dtype}[{', '.join(map(_text, decl.shape))}]", decl.span)


def _node_line(node: DrawnNode, entry: NodeEntry | None, operands: Sequence[str], blocks: Collection[str]) -> Line:
    op = _text(entry.op) if entry and entry.op else node.label or node.id
    label = f" label {literal_text(node.label)}" if node.label and node.label != op else ""
    symbol = f"@{op}" if op in blocks else op
    return Line(f"%{node.id} = {symbol}({', '.join(operands)}){_entry_text(entry)}{label}", node.span)


def _entry_line(entry: NodeEntry) -> Line:
    """Return a line for an entry that belongs to no drawn node."""
    op = f" = {_text(entry.op)}" if entry.op else ""
    return Line(f"entry {entry.name}{op}{_entry_text(entry)}", entry.span)


def _entry_text(entry: NodeEntry | None) -> str:
    if entry is None:
        return ""
    merge = f" merge {_text(entry.merge)}" if entry.merge else ""
    same_as = f" same_as %{_text(entry.same_as)}" if entry.same_as else ""
    tie, reparam = (
        f" {word}({', '.join(_pairs(entries))})" if entries else ""
        for word, entries in (("tie", entry.tie), ("reparam", entry.reparam))
    )
    return f"{_attributes(entry.fields)}{merge}{same_as}{tie}{reparam}"


def _attributes(entries: Mapping[str, Entry]) -> str:
    return attributes({name: _text(entry.value) for name, entry in entries.items()})


def _pairs(entries: Mapping[str, Entry]) -> Iterator[str]:
    return (f"{name} = {_text(entry.value)}" for name, entry in entries.items())


def _text(value: Value | None) -> str:
    """Return a YAML value on one line; nothing for an end of a range that is not written."""
    if value is None:
        return ""
    if isinstance(value.data, Mapping):
        return f"{{{', '.join(_pairs(value.data))}}}"
    if isinstance(value.data, tuple):
        return f"[{', '.join(map(_text, value.data))}]"
    return value.data if isinstance(value.data, str) else literal_text(value.data)


def _step(multiple: Value | None) -> str:
    return f" step {_text(multiple)}" if multiple else ""


def _path(source: str) -> str:
    """Return `node:tap` for the path of a tap."""
    return source.replace(".", ":", 1)
