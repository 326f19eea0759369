"""One graph of many units → one object for each.

A unit's part is the cone of what its outputs depend on, copied: constants are shared between units, so the graph cannot
be partitioned. What depends on parameters alone is split off as the prologue.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import onnx
from onnx import numpy_helper

from stackc.export.objects import IR_VERSION, Object, WeightSubgraph
from stackc.export.units import Unexportable
from stackc.onnx_format.nodes import reads, renamed

_DRAWS = ("RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Bernoulli", "Multinomial")


@dataclass(frozen=True, slots=True)
class Wiring:
    """Where one unit sits in the graph. `names` leads from the graph's input values to the unit's local names."""

    names: Mapping[str, str]
    outputs: tuple[str, ...]
    constraints: tuple[str, ...]


@dataclass(frozen=True)
class ValueSource:
    """The graph that is cut, indexed."""

    producers: Mapping[str, onnx.NodeProto]
    constants: Mapping[str, onnx.TensorProto]
    types: Mapping[str, onnx.TypeProto]
    aliases: Mapping[str, str]
    opset: int

    @staticmethod
    def of(model: onnx.ModelProto) -> ValueSource:
        """Index a model. Every Identity in it is an alias and no node: outputs that pass an input on are written so."""
        assert not model.functions, "the exporter is expected to inline its functions"
        graph = model.graph
        values = [*graph.input, *graph.value_info, *graph.output]
        return ValueSource(
            producers={name: node for node in graph.node for name in node.output if name},
            constants={tensor.name: tensor for tensor in graph.initializer},
            types={value.name: value.type for value in values},
            aliases={
                node.output[0]: node.input[0] for node in graph.node if node.op_type == "Identity" and not node.domain
            },
            opset=next(o.version for o in model.opset_import if not o.domain),
        )

    def root(self, name: str) -> str:
        """The value that a name stands for, behind all Identities."""
        while name in self.aliases:
            name = self.aliases[name]
        return name

    def reads(self, node: onnx.NodeProto) -> list[str]:
        """What a node depends on, each value once, in order."""
        return list(dict.fromkeys(self.root(name) for name in reads(node)))

    def subgraph(self, outputs: Iterable[str]) -> list[onnx.NodeProto]:
        """The nodes that the outputs depend on, each after those it reads: an order that the outputs alone decide."""
        ordered: list[onnx.NodeProto] = []
        seen: set[str] = set()
        stack = [(name, False) for name in reversed(list(outputs))]
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


def split(model: onnx.ModelProto, wirings: Sequence[Wiring], domains: Sequence[str] = ("",)) -> list[Object]:
    """The object of each unit, in order. Unexportable where one needs an operator of another domain than these."""
    source = ValueSource.of(model)
    for node in model.graph.node:
        if node.domain not in domains:
            raise Unexportable(f"it needs {node.domain}::{node.op_type}, which is no operator of ONNX itself")
        if node.op_type in _DRAWS:
            raise Unexportable("it draws random numbers, in eval mode too")
    return [_Cut(source, wiring).object() for wiring in wirings]


@dataclass
class _Cut:
    """One unit's object in the making. `names` grows as values are met."""

    source: ValueSource
    wiring: Wiring
    names: dict[str, str] = field(default_factory=dict)
    constants: dict[bytes, onnx.TensorProto] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)

    def object(self) -> Object:
        source, self.names = self.source, dict(self.wiring.names)
        outputs = [source.root(name) for name in self.wiring.outputs]
        nodes = source.subgraph(outputs)
        early = self.prologue(nodes)
        body = [node for node in nodes if node.output[0] not in early]
        wanted = list(dict.fromkeys([name for node in body for name in source.reads(node)] + outputs))
        subgraphs = tuple(self.subgraph(results) for results in self.groups([name for name in wanted if name in early]))
        renamed_nodes = tuple(renamed(node, self.rename) for node in body)
        return Object(
            nodes=renamed_nodes,
            outputs=tuple(self.rename(name) for name in outputs),
            constants=tuple(self.constants.values()),
            subgraphs=subgraphs,
            constraints=self.wiring.constraints,
            opset=source.opset,
        )

    def prologue(self, nodes: Iterable[onnx.NodeProto]) -> set[str]:
        """The values that depend on parameters and on no input. What depends on neither is left where it is used."""
        inputs = {name for name, local in self.names.items() if not local.startswith("p.")}
        parameters = self.names.keys() - inputs
        late, early = set(inputs), set(parameters)
        for node in nodes:
            needs = self.source.reads(node)
            if any(name in late for name in needs):
                late.update(node.output)
            elif any(name in early for name in needs):
                early.update(node.output)
        return early - parameters

    def groups(self, results: Iterable[str]) -> list[list[str]]:
        """Results that share a parameter belong together, so that each parameter is read once."""
        groups: list[tuple[set[str], list[str]]] = []
        for result in results:
            needs, together = self.parameters([result]), [result]
            needs_all = set(needs)
            for group in [g for g in groups if g[0] & needs_all]:
                groups.remove(group)
                needs_all |= group[0]
                together = group[1] + together
            groups.append((needs_all, together))
        return [together for _, together in groups]

    def parameters(self, results: Iterable[str]) -> list[str]:
        """The parameters that values depend on, in the order they are met."""
        met = [name for node in self.source.subgraph(results) for name in self.source.reads(node)]
        return [name for name in dict.fromkeys(met) if self.wiring.names.get(name, "").startswith("p.")]

    def subgraph(self, results: Sequence[str]) -> WeightSubgraph:
        """A part of the prologue as a model of its own; its results get their names in the body here."""
        inner = _Cut(self.source, self.wiring, {name: f"p{i}" for i, name in enumerate(self.parameters(results))})
        parameters = list(inner.names)
        graph = onnx.GraphProto(name="prologue")
        graph.input.extend(self.typed(name, inner.rename(name)) for name in parameters)
        graph.node.extend(renamed(node, inner.rename) for node in self.source.subgraph(results))
        graph.output.extend(self.typed(name, inner.rename(name)) for name in results)
        graph.initializer.extend(inner.constants.values())
        model = onnx.ModelProto(ir_version=IR_VERSION, graph=graph)
        model.opset_import.add(domain="", version=self.source.opset)
        return WeightSubgraph(
            parameters=tuple(self.wiring.names[name].removeprefix("p.") for name in parameters),
            results=tuple(self.names.setdefault(name, self.fresh("r")) for name in results),
            model=model.SerializeToString(deterministic=True),
        )

    def typed(self, name: str, local: str) -> onnx.ValueInfoProto:
        return onnx.ValueInfoProto(name=local, type=self.source.types[name])

    def rename(self, name: str) -> str:
        name = self.source.root(name)
        if name not in self.names:
            tensor = self.source.constants.get(name)
            self.names[name] = self.fresh("v") if tensor is None else self.constant(tensor)
        return self.names[name]

    def constant(self, tensor: onnx.TensorProto) -> str:
        """The local name of a constant; equal ones are one."""
        plain = numpy_helper.from_array(numpy_helper.to_array(tensor))
        plain.data_type = tensor.data_type
        key = plain.SerializeToString(deterministic=True)
        if key not in self.constants:
            plain.name = self.fresh("c")
            self.constants[key] = plain
        return self.constants[key].name

    def fresh(self, letter: str) -> str:
        """The next local name of a kind."""
        number = self.counts.get(letter, 0)
        self.counts[letter] = number + 1
        return f"{letter}{number}"
