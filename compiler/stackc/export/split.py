"""Step 4 of the export: the ONNX graph of a batch of units, from batch.py → one object for each unit, for link.py.

An object is a copy of all nodes that the unit's outputs depend on: constants are shared between units, so the graph
cannot be partitioned. The nodes that depend on parameters alone become weight subgraphs, which are folded.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import onnx
from onnx import numpy_helper

from stackc.export.objects import IR_VERSION, Object, WeightSubgraph
from stackc.export.units import Unexportable
from stackc.onnx_format.nodes import reads, renamed
from stackc.onnx_format.values import declare

_DRAWS = ("RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Bernoulli", "Multinomial")


@dataclass(frozen=True, slots=True)
class UnitInterface:
    """The values of the batch's graph at the boundary of one unit.

    `names` leads from the inputs of the graph to their local names, `outputs` are values of the graph. `constraints`
    are those of the unit's object.
    """

    names: Mapping[str, str]
    outputs: tuple[str, ...]
    constraints: tuple[str, ...]


def split(model: onnx.ModelProto, interfaces: Sequence[UnitInterface], domains: Sequence[str] = ("",)) -> list[Object]:
    """Return the object of each unit, in order.

    Raises Unexportable if a node needs an operator of a domain that is not among these, or draws random numbers.
    """
    graph = IndexedGraph.of(model)
    for node in model.graph.node:
        if node.domain not in domains:
            raise Unexportable(f"it needs {node.domain}::{node.op_type}, which is not an operator of ONNX itself")
        if node.op_type in _DRAWS:
            raise Unexportable("it draws random numbers, in eval mode too")

    return [_ObjectBuilder(graph, interface).build() for interface in interfaces]


@dataclass(frozen=True)
class IndexedGraph:
    """The graph of a batch, indexed by the names of its values."""

    producers: Mapping[str, onnx.NodeProto]
    constants: Mapping[str, onnx.TensorProto]
    types: Mapping[str, onnx.TypeProto]
    aliases: Mapping[str, str]
    opset: int

    @staticmethod
    def of(model: onnx.ModelProto) -> IndexedGraph:
        """Index a model. An Identity becomes an alias: the exporter writes one for an output that is an input."""
        assert not model.functions, "the exporter is expected to inline its functions"
        graph = model.graph
        values = [*graph.input, *graph.value_info, *graph.output]
        identities = [node for node in graph.node if node.op_type == "Identity" and not node.domain]
        return IndexedGraph(
            producers={name: node for node in graph.node for name in node.output if name},
            constants={tensor.name: tensor for tensor in graph.initializer},
            types={value.name: value.type for value in values},
            aliases={node.output[0]: node.input[0] for node in identities},
            opset=next(o.version for o in model.opset_import if not o.domain),
        )

    def root(self, name: str) -> str:
        """Return the value behind a name, through all Identities."""
        while name in self.aliases:
            name = self.aliases[name]
        return name

    def reads(self, node: onnx.NodeProto) -> list[str]:
        """Return the values that a node depends on, each once, in order."""
        return list(dict.fromkeys(self.root(name) for name in reads(node)))

    def subgraph(self, outputs: Iterable[str]) -> list[onnx.NodeProto]:
        """Return the nodes that the outputs depend on, each after those it reads, in an order that depends on nothing
        else in the graph."""
        ordered: list[onnx.NodeProto] = []
        seen: set[str] = set()
        stack = [(name, False) for name in reversed(list(outputs))]  # depth first; True: its operands are in `ordered`
        while stack:
            name, ready = stack.pop()
            node = self.producers.get(name)
            if ready:
                assert node is not None
                ordered.append(node)

            elif node is not None and name not in seen:
                seen.update(node.output)
                stack.append((name, True))
                stack.extend((read, False) for read in reversed(self.reads(node)))
        return ordered


@dataclass
class _ObjectBuilder:
    """Builds the object of one unit. `names`, from graph to local names, grows as values are met."""

    graph: IndexedGraph
    interface: UnitInterface
    names: dict[str, str] = field(default_factory=dict)
    constants: dict[bytes, onnx.TensorProto] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)

    def build(self) -> Object:
        graph, self.names = self.graph, dict(self.interface.names)
        outputs = [graph.root(name) for name in self.interface.outputs]
        nodes = graph.subgraph(outputs)

        # Weight subgraphs first: their results get the local names that the body reads.
        folded = self.folded_values(nodes)
        body = [node for node in nodes if node.output[0] not in folded]
        needed = dict.fromkeys([name for node in body for name in graph.reads(node)] + outputs)
        groups = self.groups([name for name in needed if name in folded])
        subgraphs = tuple(self.weight_subgraph(results) for results in groups)

        renamed_nodes = tuple(renamed(node, self.rename) for node in body)
        return Object(
            nodes=renamed_nodes,
            outputs=tuple(self.rename(name) for name in outputs),
            constants=tuple(self.constants.values()),
            subgraphs=subgraphs,
            constraints=self.interface.constraints,
            opset=graph.opset,
        )

    def folded_values(self, nodes: Iterable[onnx.NodeProto]) -> set[str]:
        """Return the values that depend on parameters and no input; one that depends on neither stays in the body."""
        inputs = {name for name, local in self.names.items() if not local.startswith("p.")}
        parameters = self.names.keys() - inputs
        from_inputs, from_parameters = set(inputs), set(parameters)
        for node in nodes:
            operands = self.graph.reads(node)
            if any(name in from_inputs for name in operands):
                from_inputs.update(node.output)
            elif any(name in from_parameters for name in operands):
                from_parameters.update(node.output)
        return from_parameters - parameters

    def groups(self, results: Iterable[str]) -> list[list[str]]:
        """Group results that share a parameter, so that each parameter is read once."""
        groups: list[tuple[set[str], list[str]]] = []
        for result in results:
            parameters, members = set(self.parameters([result])), [result]
            for group in [group for group in groups if group[0] & parameters]:
                groups.remove(group)
                parameters |= group[0]
                members = group[1] + members
            groups.append((parameters, members))
        return [members for _, members in groups]

    def parameters(self, results: Iterable[str]) -> list[str]:
        """Return the parameters that values depend on, in the order they are met."""
        reads = [name for node in self.graph.subgraph(results) for name in self.graph.reads(node)]
        return [name for name in dict.fromkeys(reads) if self.interface.names.get(name, "").startswith("p.")]

    def weight_subgraph(self, results: Sequence[str]) -> WeightSubgraph:
        """Return a weight subgraph as a model of its own, and give its results their names in the body."""
        parameters = self.parameters(results)
        inner = _ObjectBuilder(self.graph, self.interface, {name: f"p{i}" for i, name in enumerate(parameters)})

        graph = onnx.GraphProto(name="weights")
        graph.input.extend(declare(inner.rename(name), self.graph.types[name]) for name in parameters)
        graph.node.extend(renamed(node, inner.rename) for node in self.graph.subgraph(results))
        graph.output.extend(declare(inner.rename(name), self.graph.types[name]) for name in results)
        graph.initializer.extend(inner.constants.values())
        model = onnx.ModelProto(ir_version=IR_VERSION, graph=graph)
        model.opset_import.add(domain="", version=self.graph.opset)

        return WeightSubgraph(
            parameters=tuple(self.interface.names[name].removeprefix("p.") for name in parameters),
            results=tuple(self.names.setdefault(name, self.new_name("r")) for name in results),
            model=model.SerializeToString(deterministic=True),
        )

    def rename(self, name: str) -> str:
        """Return the local name of a value, a new one if it is met for the first time."""
        name = self.graph.root(name)
        if name not in self.names:
            tensor = self.graph.constants.get(name)
            self.names[name] = self.new_name("v") if tensor is None else self.constant(tensor)
        return self.names[name]

    def constant(self, tensor: onnx.TensorProto) -> str:
        """Return the local name of a constant; equal constants share one."""
        plain = numpy_helper.from_array(numpy_helper.to_array(tensor))
        plain.data_type = tensor.data_type
        key = plain.SerializeToString(deterministic=True)
        if key not in self.constants:
            plain.name = self.new_name("c")
            self.constants[key] = plain
        return self.constants[key].name

    def new_name(self, letter: str) -> str:
        """Return the next local name of a kind."""
        number = self.counts.get(letter, 0)
        self.counts[letter] = number + 1
        return f"{letter}{number}"
