"""A resolved spec as plain data that is easy to edit: no params, no stacks, no spans.

It is read off the lock of a checked spec, in which every region is a block and every node has its op and its ports.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from stackc.artifact.lock import write_lock
from stackc.frontend import Checked
from stackc.spec.document import Body, Document, InputDecl, NodeEntry
from stackc.spec.reader import parse
from stackc.spec.source import Source
from stackc.spec.yaml.tree import Entry, Value

Plain: TypeAlias = "str | int | float | bool | list[Any] | dict[str, Any] | None"


@dataclass(frozen=True)
class TreeOperand:
    """An arrow into a node: from the output `out` of `source` ("" for the first) to `port` ("" for the first)."""

    source: str
    out: str = ""
    port: str = ""


@dataclass(frozen=True)
class TreeNode:
    """A node: its op (a component or a block), its other keys as the spec writes them, the arrows that enter it.

    The op is empty with `same_as`. `origin` is the node's path in the spec that is reduced; it is not written.
    """

    op: str
    fields: Mapping[str, Plain]
    operands: tuple[TreeOperand, ...]
    origin: str


@dataclass(frozen=True)
class TreeBody:
    """Nodes in running order; `outputs` maps names to nodes, or to `node.output`."""

    nodes: Mapping[str, TreeNode]
    outputs: Mapping[str, str]


@dataclass(frozen=True)
class TreeBlock:
    """The inside of a block."""

    inputs: tuple[str, ...]
    body: TreeBody


@dataclass(frozen=True)
class SpecTree:
    """A whole spec, but for what it says about weight files: tensors are renamed with the nodes."""

    name: str
    dims: Mapping[str, Mapping[str, Plain]]
    inputs: Mapping[str, Mapping[str, Plain]]
    body: TreeBody
    blocks: Mapping[str, TreeBlock]

    def components(self) -> int:
        """Return how many components the spec has when all of its blocks are expanded."""
        return self._components(self.body)

    def _components(self, body: TreeBody) -> int:
        ops = [node.op for node in body.nodes.values()]
        return sum(self._components(self.blocks[op].body) if op in self.blocks else 1 for op in ops)


def spec_tree(checked: Checked) -> SpecTree:
    """Return the tree of a checked spec. Read again from its text it gives the same program, at other places."""
    return _tree(parse(Source("spec.lock.yaml", write_lock(checked))))


def with_plain_shapes(tree: SpecTree, checked: Checked) -> SpecTree:
    """Return the tree with its input shapes as the checker computed them: `8` for `16/2`."""
    shapes: dict[str, Plain] = {
        name: [dim.constant if dim.constant is not None else str(dim) for dim in type_.shape]
        for name, type_ in checked.program.inputs.items()
    }
    return replace(tree, inputs={name: {**decl, "shape": shapes[name]} for name, decl in tree.inputs.items()})


# -- from a document


def _tree(document: Document) -> SpecTree:
    return SpecTree(
        name=document.name,
        dims={name: _present(min=d.minimum, max=d.maximum, multiple_of=d.multiple_of)
              for name, d in document.dims.items()},
        inputs={name: _input(decl) for name, decl in document.inputs.items()},
        body=_body(document.body),
        blocks={
            name: TreeBlock(tuple(port.name for port in block.ports), _body(block.body))
            for name, block in document.blocks.items()
        },
    )  # fmt: skip


def _input(decl: InputDecl) -> dict[str, Plain]:
    shape: list[Any] = [_plain(size) for size in decl.shape]
    fields: dict[str, Plain] = {"dtype": decl.dtype, "shape": shape, **_present(**decl.bounds())}
    if decl.values:
        fields["values"] = [_plain(value) for value in decl.values]
    return fields


def _body(body: Body) -> TreeBody:
    operands: dict[str, list[TreeOperand]] = {}
    for arrow in body.drawing.arrows:
        operand = TreeOperand(arrow.source, arrow.out or "", arrow.into or "")
        operands.setdefault(arrow.target, []).append(operand)
    nodes = {id: _node(entry, tuple(operands.get(id, ()))) for id, entry in body.nodes.items()}
    return TreeBody(nodes, {output.name: output.source for output in body.outputs})


def _node(entry: NodeEntry, operands: tuple[TreeOperand, ...]) -> TreeNode:
    fields = _entries(entry.fields) | _present(same_as=entry.same_as)
    fields |= {name: _entries(entries) for name, entries in (("tie", entry.tie), ("reparam", entry.reparam)) if entries}
    return TreeNode(str(entry.op.data) if entry.op else "", fields, operands, entry.name)


def _present(**values: Value | None) -> dict[str, Plain]:
    return {name: _plain(value) for name, value in values.items() if value is not None}


def _entries(entries: Mapping[str, Entry]) -> dict[str, Plain]:
    return {name: _plain(entry.value) for name, entry in entries.items()}


def _plain(value: Value) -> Plain:
    """Return the data of a YAML value without its spans."""
    if isinstance(value.data, Mapping):
        return _entries(value.data)
    return [_plain(item) for item in value.data] if isinstance(value.data, tuple) else value.data
