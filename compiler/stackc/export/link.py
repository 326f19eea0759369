"""Program + objects → one ONNX graph: every call gets its unit's nodes under its own path, wired as the spec has it.

All names come from the program: nodes and values from paths, dims from the contract, initializers from the state_dict.
Every node is stamped with its path in the spec and the line it was written on. Linear in the number of calls.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import onnx

from stackc._version import __version__
from stackc.core.diagnostics import Collector
from stackc.export.constraints import constraint_text, counterexample
from stackc.export.functions import CONSTANT, FunctionCall
from stackc.export.objects import IR_VERSION, Object, WeightSubgraph, opset_imports
from stackc.export.storage import Storage, Stored, plan_storage, source_of
from stackc.export.template import VALUES, Stamps, Template, instantiate, stamps
from stackc.export.units import Unit
from stackc.export.value_aliases import roots_of, type_proto
from stackc.export.weight_folding import graph_of
from stackc.ir.program import Call, Program


@dataclass(frozen=True, eq=False)
class LinkedGraph:
    """A model without its weights, what has to be stored of them, in order.

    `places` says where blocks are at work, by path; `exposed` leads from outputs of the model to the values that they
    are.
    """

    model: onnx.ModelProto
    weights: tuple[Stored, ...]
    places: Mapping[str, FunctionCall]
    exposed: Mapping[str, str]


def link(program: Program, units: Sequence[Unit], objects: Mapping[Unit, Object], *, opset: int) -> LinkedGraph:
    """The whole model; `units` has the unit of each call, in order.

    Raises SpecError: E502 where the dims contract allows sizes that a unit was not compiled for.
    """
    compiled = [objects[unit] for unit in units]
    assert all(parts.opset == opset for parts in compiled), "objects of another opset"
    require_constraints(program, compiled)
    storage = plan_storage(zip(program.calls, compiled, strict=True))
    model = onnx.ModelProto(ir_version=IR_VERSION, producer_name="stackc", producer_version=__version__)
    linker = _Linker(program, storage, roots_of(zip(program.calls, compiled, strict=True)), model.graph)
    linker.declare_inputs()
    for call, parts in zip(program.calls, compiled, strict=True):
        linker.place(call, parts)
    linker.declare_outputs()
    model.opset_import.extend(opset_imports(model.graph.node, opset))
    linker.declare_values()
    exposed = {output: value for value, output in linker.exposed.items()}
    return LinkedGraph(model, tuple(storage.forms.values()), linker.places(), exposed)


def require_constraints(program: Program, compiled: Sequence[Object]) -> None:
    """What torch.export found to hold of the sizes has to follow from the dims contract."""
    diagnostics = Collector()
    tried: set[object] = set()
    for call, parts in zip(program.calls, compiled, strict=True):
        if not parts.constraints:
            continue
        inputs = tuple(program.types[name] if name is not None else None for name in call.inputs)
        if (parts.constraints, inputs) in tried:
            continue
        tried.add((parts.constraints, inputs))
        for constraint in parts.constraints:
            sizes = counterexample(constraint, inputs, program.contract)
            if sizes is not None:
                at = ", ".join(f"{name} = {size}" for name, size in sizes.items())
                said = f"'{call.path}' branches on its sizes and was compiled for {constraint_text(constraint, inputs)}"
                hint = "narrow the dims contract to the sizes that are meant"
                diagnostics.error("E502", f"{said}; the dims contract allows {at or 'other sizes'}", call.span, hint)
    diagnostics.raise_if_any()


@dataclass
class _Linker:
    """One graph in the making. `values` leads from the values of the program to those of the graph."""

    program: Program
    storage: Storage
    roots: Mapping[str, str]
    graph: onnx.GraphProto
    values: dict[str, str] = field(default_factory=dict)
    templates: dict[int, Template] = field(default_factory=dict)
    constants: dict[bytes, str] = field(default_factory=dict)
    exposed: dict[str, str] = field(default_factory=dict)
    makers: dict[str, Call] = field(default_factory=dict)

    def declare_inputs(self) -> None:
        """Name the graph and its inputs, and decide which value gets the name of an output."""
        self.graph.name = self.program.name
        for name, type in self.program.inputs.items():
            self.values[name] = name
            self.graph.input.add(name=name, type=type_proto(type))
        for output, value in self.program.outputs.items():
            self.exposed.setdefault(self.roots.get(value, value), output)

    def place(self, call: Call, parts: Object) -> None:
        """Put down the nodes of one call."""
        template = self.templates.get(id(parts))
        if template is None:
            template = self.templates[id(parts)] = Template.of(parts.nodes, parts.constants)
        marks = stamps(call)
        names = {"": ""}
        names |= {f"x{port}": self.values[value] for port, value in enumerate(call.inputs) if value is not None}
        names |= {f"p.{name}": self.storage.tensor(source_of(call, name)) for name in parts.parameters}
        names |= {tensor.name: self.constant(tensor, key) for tensor, key in template.constants}
        for subgraph in parts.subgraphs:
            names |= self.results(subgraph, call, marks)
        names |= {local: call.path + suffix for local, suffix in template.suffixes.items()}
        self.name_outputs(call, parts, names)
        instantiate(template, self.graph, call.path, marks, names)

    def results(self, subgraph: WeightSubgraph, call: Call, marks: Stamps) -> dict[str, str]:
        """The values that stand for a cone's results: initializers, or what nodes make that are left to the graph."""
        sources = tuple(source_of(call, parameter) for parameter in subgraph.parameters)
        names = self.storage.results(subgraph, sources) or self.left(subgraph, call, sources, marks)
        return dict(zip(subgraph.results, names, strict=True))

    def left(self, subgraph: WeightSubgraph, call: Call, sources: Sequence[str], marks: Stamps) -> tuple[str, ...]:
        """Put down the nodes of a cone whose tensors others use in another form."""
        template = self.templates.get(id(subgraph))
        if template is None:
            template = self.templates[id(subgraph)] = Template.of(
                graph_of(subgraph).node, graph_of(subgraph).initializer
            )
        path = f"{call.path}/{subgraph.parameters[0]}"
        names = {f"p{number}": self.storage.tensor(source) for number, source in enumerate(sources)}
        names |= {tensor.name: self.constant(tensor, key) for tensor, key in template.constants}
        names |= {local: path + suffix for local, suffix in template.suffixes.items()}
        instantiate(template, self.graph, path, marks, names)
        return tuple(names[result.name] for result in graph_of(subgraph).output)

    def name_outputs(self, call: Call, parts: Object, names: dict[str, str]) -> None:
        """Give the call's values their names in the graph; one that is only passed on has its name already.

        Dims are not named there: where ONNX Runtime knows that the two sides of a sum are of one size, it joins the sum
        and the norm behind it to its SkipLayerNormalization, which takes twice as long as both of them on a CPU, and
        normalizes the last axis whichever was meant.
        """
        for value, local in zip(call.outputs, parts.outputs, strict=True):
            self.makers[value] = call
            if local[0] == "v" and value not in self.roots:
                names[local] = self.exposed.get(value) or self.inner_name(value)
                if value not in self.exposed:
                    type = type_proto(self.program.types[value], named=False)
                    self.graph.value_info.add(name=names[local], type=type)
            self.values[value] = names[local]

    def inner_name(self, value: str) -> str:
        """The value's own name, unless an output of the model that is another value has it."""
        return f"{value}/value" if value in self.program.outputs else value

    def constant(self, tensor: onnx.TensorProto, key: bytes) -> str:
        """The initializer that holds a constant: one for all equal ones."""
        if key not in self.constants:
            self.constants[key] = f"{CONSTANT}{len(self.constants)}"
            self.graph.initializer.add().CopyFrom(tensor)
            self.graph.initializer[-1].name = self.constants[key]
        return self.constants[key]

    def places(self) -> dict[str, FunctionCall]:
        """Where blocks and stacks are at work, with the values of the graph that enter them."""
        return {
            frame.path: FunctionCall(
                frame.name, str(frame.span), {self.values[v]: port for port, v in frame.inputs.items()}
            )
            for frame in self.program.frames
        }

    def declare_outputs(self) -> None:
        """The outputs in the order of the program; what no node makes under the output's name gets an Identity."""
        for output, value in self.program.outputs.items():
            made = self.values[value]
            if made != output:
                self.graph.node.add(op_type="Identity", name=f"{output}/Identity", input=[made], output=[output])
                maker = self.makers.get(value)
                self.graph.node[-1].metadata_props.extend(stamps(maker) if maker else ())
            self.graph.output.add(name=output, type=type_proto(self.program.types[value]))

    def declare_values(self) -> None:
        """Say which tensor each value of the program is, where it is not the one of that name: an output of the model,
        or what a component passes on. With the stamps it lets every component be cut out of the file again."""
        moved = {value: tensor for value, tensor in self.values.items() if value != tensor}
        self.graph.metadata_props.add(key=VALUES, value=json.dumps(moved, ensure_ascii=False))
