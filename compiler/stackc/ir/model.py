"""The graph of a model: regions of nodes, wired. The only home of networkx.

A region is the inside of a spec, a block or a stack. Regions are shared: all repeats of a layer with the same params
have the same region as their body, so that a model of a thousand layers is resolved, typed and drawn as one layer.
Paths (`encoder.3.attn`) exist only where the graph is walked.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Literal, TypeAlias

import networkx as nx

from stackc.components.base import Component
from stackc.core.diagnostics import Span
from stackc.core.types import DimContract, TensorType
from stackc.spec.document import Document, WeightsDecl
from stackc.spec.expressions.expressions import ParamValue
from stackc.spec.source import Source

if TYPE_CHECKING:
    from stackc.components.reparam import Reparam


@dataclass(frozen=True, slots=True)
class ValueRef:
    """A value inside a region: output number `output` of a node, or the region's input of that name."""

    node: str
    output: int = 0


@dataclass(frozen=True, slots=True)
class Operand:
    """A value that enters a node at a port; None at an optional port that is open.

    A variadic port has one operand for each arrow.
    """

    port: str
    value: ValueRef | None
    span: Span


@dataclass(frozen=True)
class NodeWeights:
    """The files that a node is read from, and the params that their map may calculate with.

    They are `is_written` if the spec names the files at the node; otherwise an included spec brings them.
    """

    decl: WeightsDecl
    params: Mapping[str, ParamValue]
    is_written: bool


Kind = Literal["spec", "block", "stack"]
Body: TypeAlias = "Component | Region"


@dataclass(frozen=True, slots=True)
class Tie:
    """The path, within the region, of the parameter that a parameter of a node is tied to.

    `span` is where the spec writes the path, `key` where it names the node's own parameter.
    """

    path: str
    span: Span
    key: Span


@dataclass(frozen=True)
class Node:
    """A call of a component or of a region, inside a region.

    `same_as` names the node of this region whose module is called again here. `fields` has the span of each field that
    the spec writes, and `entry` that of the node's entry. An `implied` node is not drawn: `merge: sum` asks for it.
    Training leaves a `frozen` node, and all that is inside, as it is. `weights` are the files that it is read from.
    """

    id: str
    body: Body
    operands: tuple[Operand, ...]
    span: Span
    label: str | None = None
    op: str = ""
    reparams: tuple[tuple[str, Reparam], ...] = ()
    ties: Mapping[str, Tie] = field(default_factory=dict)
    same_as: str | None = None
    fields: Mapping[str, Span] = field(default_factory=dict)
    implied: bool = False
    entry: Span | None = None
    frozen: bool = False
    weights: NodeWeights | None = None


@dataclass(frozen=True, eq=False)
class Region:
    """Nodes wired to each other, to named inputs and to named outputs; equal only to itself.

    `nodes` are in running order. The first outputs are those of the drawing; taps follow. `places` has the spans of
    declared inputs, `params` the values that the params of a block are bound to.
    """

    name: str
    kind: Kind
    inputs: tuple[str, ...]
    nodes: Mapping[str, Node]
    outputs: Mapping[str, ValueRef]
    span: Span
    places: Mapping[str, Span] = field(default_factory=dict)
    params: Mapping[str, ParamValue] = field(default_factory=dict)

    @cached_property
    def numbers(self) -> dict[str, int]:
        """The number of each output by its name."""
        return {name: number for number, name in enumerate(self.outputs)}

    def owner_of(self, node: Node) -> Node:
        """Return the node whose module a node calls: itself, unless it is the same as another node."""
        while node.same_as:
            node = self.nodes[node.same_as]
        return node

    @cached_property
    def graph(self) -> nx.MultiDiGraph[str]:
        """The region as a frozen networkx graph: one edge per connected operand, with its `port` and `output`."""
        graph: nx.MultiDiGraph[str] = nx.MultiDiGraph(name=self.name)
        graph.add_nodes_from(self.inputs)

        for node in self.nodes.values():
            graph.add_node(node.id, node=node)
            for operand in node.operands:
                if operand.value:
                    graph.add_edge(operand.value.node, node.id, port=operand.port, output=operand.value.output)

        return nx.freeze(graph)  # type: ignore[no-any-return]  # networkx leaves it untyped


@dataclass(frozen=True)
class Graph:
    """A resolved spec: its regions, the values of its params, and the texts that it includes.

    `unused` are the blocks that nothing in the spec uses; they are legal as far as that can be checked without a use.
    """

    document: Document
    root: Region
    inputs: Mapping[str, TensorType]
    contract: DimContract
    params: Mapping[str, ParamValue]
    includes: tuple[Source, ...] = ()
    unused: tuple[str, ...] = ()


def run_order(nodes: Iterable[str], arrows: Iterable[tuple[str, str]]) -> tuple[list[str], list[str]]:
    """Return the nodes in topological order, as close to the given order as possible, and a cycle.

    One of the two is empty: nodes in a cycle have no order.
    """
    graph: nx.DiGraph[str] = nx.DiGraph()
    graph.add_nodes_from(nodes)
    graph.add_edges_from(arrows)

    rank = {node: i for i, node in enumerate(graph)}
    try:
        return list(nx.lexicographical_topological_sort(graph, key=rank.__getitem__)), []
    except nx.NetworkXUnfeasible:
        return [], [source for source, _ in nx.find_cycle(graph)]
