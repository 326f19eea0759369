"""A spec as plain data that is easy to edit, without spans.

A resolved one is read off the lock, in which every region is a block and every node has its op and its ports: it has no
params and no stacks. What crashes the resolver is read off its document instead, with params and stacks as written.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from stackc.artifact.lock import write_graph
from stackc.components import REGISTRY
from stackc.components.registry import SPECIAL_OPS
from stackc.core.types import TensorType
from stackc.core.value_range import ValueRange
from stackc.ir.model import Graph
from stackc.spec.document import BlockDecl, Body, DimDecl, Document, InputDecl, NodeEntry, ParamDecl
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
    """The inside of a block. An input that is optional ends in `?`."""

    inputs: tuple[str, ...]
    body: TreeBody
    params: Mapping[str, Plain] = field(default_factory=dict)

    @property
    def ports(self) -> tuple[str, ...]:
        """The names of its inputs."""
        return tuple(name.removesuffix("?") for name in self.inputs)


@dataclass(frozen=True)
class SpecTree:
    """A whole spec, but for what it says about weight files: tensors are renamed with the nodes.

    `nonfinite` lists by output what it is meant to hold besides numbers.
    """

    name: str
    dims: Mapping[str, Mapping[str, Plain]]
    inputs: Mapping[str, Mapping[str, Plain]]
    body: TreeBody
    blocks: Mapping[str, TreeBlock]
    params: Mapping[str, Plain] = field(default_factory=dict)
    nonfinite: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def components(self) -> int:
        """Return how many components the spec has when all of its blocks are expanded."""
        return self._components(self.body)

    def _components(self, body: TreeBody) -> int:
        return sum(self._components_of(node, body) for node in body.nodes.values())

    def _components_of(self, node: TreeNode, body: TreeBody) -> int:
        """Return how many components a node stands for; one that calls another's module again, as many as that one."""
        while "same_as" in node.fields:
            node = body.nodes[str(node.fields["same_as"])]
        return self._components(self.blocks[node.op].body) if node.op in self.blocks else 1


def resolved_tree(graph: Graph, ranges: Mapping[str, ValueRange]) -> SpecTree:
    """Return the tree of a graph. Read again from its text it gives the same program, at other places."""
    return document_tree(parse(Source("spec.lock.yaml", write_graph(graph, ranges))))


def with_plain_shapes(tree: SpecTree, types: Mapping[str, TensorType]) -> SpecTree:
    """Return the tree with its input shapes as the checker computed them: `8` for `16/2`."""
    return replace(
        tree, inputs={name: {**decl, "shape": plain_shape(types[name])} for name, decl in tree.inputs.items()}
    )


def plain_shape(type_: TensorType) -> list[Plain]:
    """Return the shape of a type as a spec writes it."""
    return [dim.constant if dim.constant is not None else str(dim) for dim in type_.shape]


def document_tree(document: Document) -> SpecTree:
    """Return the tree of a document as it is written; its weights and the groups of its drawings are left out."""
    ops = {*REGISTRY, *SPECIAL_OPS, *document.blocks}
    return SpecTree(
        name=document.name,
        dims={name: _dim(decl) for name, decl in document.dims.items()},
        inputs={name: _input(decl) for name, decl in document.inputs.items()},
        body=_body(document.body, _operands(document.body, document.inputs), document.inputs, ops),
        blocks={name: _block(block, ops) for name, block in document.blocks.items()},
        params={name: _param(decl) for name, decl in document.params.items()},
        nonfinite={output.name: output.nonfinite for output in document.body.outputs if output.nonfinite},
    )


# -- from a document


def _block(block: BlockDecl, ops: Collection[str]) -> TreeBlock:
    ports = tuple(port.name + "?" * port.optional for port in block.ports)
    operands = _operands(block.body)
    body = _body(block.body, operands, {port.name for port in block.ports}, ops)
    return TreeBlock(ports, body, {name: _param(decl) for name, decl in block.params.items()})


def _param(decl: ParamDecl) -> Plain:
    """Return the declaration of a param: its default alone, its type alone, or all that is known."""
    default = _plain(decl.default)
    bounds: dict[str, Plain] = {"choices": list(decl.choices)} if decl.choices else {}
    bounds |= _present(**decl.bounds)
    if decl.kind is None or (decl.kind == "list" and default is not None):
        return default
    if default is None and not bounds:
        return decl.kind
    return {"type": decl.kind, **({} if default is None else {"default": default}), **bounds}


def _dim(decl: DimDecl) -> dict[str, Plain]:
    """Return the contract of a dim without the parts that it has anyway."""
    fields = _present(min=decl.minimum, max=decl.maximum, below=decl.below, multiple_of=decl.multiple_of)
    return {key: value for key, value in fields.items() if key in ("max", "below") or value != 1}


def _input(decl: InputDecl) -> dict[str, Plain]:
    shape: list[Any] = [_plain(size) for size in decl.shape]
    fields: dict[str, Plain] = {"dtype": decl.dtype, "shape": shape, **_present(**decl.bounds())}
    if decl.values:
        fields["values"] = [_plain(value) for value in decl.values]
    return fields


Operands: TypeAlias = "dict[str, list[TreeOperand]]"


def _operands(body: Body, inputs: Mapping[str, InputDecl] | None = None) -> Operands:
    """Return the arrows into each node, those of `to` of an input too."""
    operands: Operands = {}
    for arrow in body.drawing.arrows:
        operand = TreeOperand(arrow.source, arrow.out or "", arrow.into or "")
        operands.setdefault(arrow.target, []).append(operand)
    for name, decl in (inputs or {}).items():
        for target in decl.to:
            operands.setdefault(str(target.data), []).append(TreeOperand(name))
    return operands


def _body(body: Body, operands: Operands, inputs: Collection[str], ops: Collection[str]) -> TreeBody:
    """Return a body with its nodes in running order. A node without an op in its entry has that of its label or id."""
    drawn, nodes = body.drawing.nodes, {}
    for id in dict.fromkeys((*drawn, *body.nodes)):
        if id not in inputs:
            label = (drawn[id].label if id in drawn else None) or id
            op = id if id in ops and label not in ops else label
            nodes[id] = _node(body.nodes.get(id, NodeEntry(id, body.span)), op, tuple(operands.get(id, ())))
    return TreeBody(_sorted(nodes), {output.name: output.source for output in body.outputs})


def _sorted(nodes: Mapping[str, TreeNode]) -> dict[str, TreeNode]:
    """Return the nodes with each after those that it reads; those of a circle as they are."""
    ordered: dict[str, TreeNode] = {}
    waiting = dict(nodes)
    while waiting:
        ready = (id for id, node in waiting.items() if not any(operand.source in waiting for operand in node.operands))
        id = next(ready, next(iter(waiting)))
        ordered[id] = waiting.pop(id)
    return ordered


def _node(entry: NodeEntry, op: str, operands: tuple[TreeOperand, ...]) -> TreeNode:
    fields = _entries(entry.fields) | _present(same_as=entry.same_as, merge=entry.merge)
    fields |= {name: _entries(entries) for name, entries in (("tie", entry.tie), ("reparam", entry.reparam)) if entries}
    if entry.op is not None:
        op = str(entry.op.data)
    return TreeNode("" if entry.same_as else op, fields, operands, entry.name)


def _present(**values: Value | None) -> dict[str, Plain]:
    return {name: _plain(value) for name, value in values.items() if value is not None}


def _entries(entries: Mapping[str, Entry]) -> dict[str, Plain]:
    return {name: _plain(entry.value) for name, entry in entries.items()}


def _plain(value: Value) -> Plain:
    """Return the data of a YAML value without its spans."""
    if isinstance(value.data, Mapping):
        return _entries(value.data)
    return [_plain(item) for item in value.data] if isinstance(value.data, tuple) else value.data
