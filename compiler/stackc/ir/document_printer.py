"""A Document as text, in the format of printer.py: what a spec says, when it cannot be resolved.

Ops, fields, shapes and params stand as the spec writes them, and nodes in the order of the drawing. `merge`, `same_as`,
`tie` and `reparam` follow the fields, whatever they name.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from stackc.ir.text import Line, attributes, braced, literal, repair_comments
from stackc.spec.document import BlockDecl, Body, Document, InputDecl, NodeEntry
from stackc.spec.drawing import DrawnNode
from stackc.spec.yaml.tree import Entry, Value


def print_document(document: Document) -> str:
    """Return the text of a document. Problems that reading the spec has repaired are comments above it."""
    dims = (
        Line(f"dim {name} : {_text(dim.minimum)}..{_text(dim.maximum)}{_step(dim.multiple_of)}", dim.span)
        for name, dim in document.dims.items()
    )
    params = (Line(f"param {name} = {_text(decl.default)}", decl.span) for name, decl in document.params.items())
    header = braced(f"document {document.name}", document.span, dims, params)

    inputs = {name: _input_line(decl) for name, decl in document.inputs.items()}
    texts = [header, _body_text(f"spec @{document.name}", [], inputs, document.body)]
    texts += [_block_text(name, block) for name, block in document.blocks.items()]
    return repair_comments(document.problems) + "\n".join(texts)


def _block_text(name: str, block: BlockDecl) -> str:
    params = [Line(f"param {param} = {_text(decl.default)}", decl.span) for param, decl in block.params.items()]
    inputs = {port.name: Line(f"%{port.name} = input{' optional' * port.optional}", port.span) for port in block.ports}
    return _body_text(f"block @{name}", params, inputs, block.body)


def _body_text(header: str, params: Iterable[Line], inputs: Mapping[str, Line], body: Body) -> str:
    nodes = [node for node in body.drawing.nodes.values() if node.id not in inputs]

    return braced(
        header,
        body.span,
        params,
        inputs.values(),
        (_node_line(node, body.nodes.get(node.id), body) for node in nodes),
        (_entry_line(entry) for name, entry in body.nodes.items() if name not in body.drawing.nodes),
        (Line(f"output {output.name} = %{_path(output.source)}", output.span) for output in body.outputs),
    )


def _input_line(decl: InputDecl) -> Line:
    shape = f"{decl.dtype}[{', '.join(_text(size) for size in decl.shape)}]"
    targets = f" to {', '.join(_text(value) for value in decl.to)}" if decl.to else ""
    return Line(f"%{decl.name} = input : {shape}{targets}", decl.span)


def _node_line(node: DrawnNode, entry: NodeEntry | None, body: Body) -> Line:
    op = _text(entry.op) if entry and entry.op else node.label or node.id
    label = f" label {literal(node.label)}" if node.label and node.label != op else ""
    operands = (
        (f"{arrow.into}: " if arrow.into else "") + f"%{arrow.source}" + (f":{arrow.out}" if arrow.out else "")
        for arrow in body.drawing.arrows
        if arrow.target == node.id
    )
    return Line(f"%{node.id} = {op}({', '.join(operands)}){_entry_text(entry)}{label}", node.span)


def _entry_line(entry: NodeEntry) -> Line:
    """Return a line for an entry that belongs to no drawn node."""
    return Line(f"entry {entry.name}{_entry_text(entry)}", entry.span)


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
    return value.data if isinstance(value.data, str) else literal(value.data)


def _step(multiple: Value | None) -> str:
    return f" step {_text(multiple)}" if multiple else ""


def _path(source: str) -> str:
    """Return `node:tap` for the path of a tap."""
    return source.replace(".", ":", 1)
