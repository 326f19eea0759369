"""Step 5 of the export: program + objects → one ONNX graph. Each call gets its unit's nodes under its own path.

Requires the object of every unit, compiled for the same opset. Ensures that all names come from the program (nodes and
values from paths, dims from the contract, initializers from the state_dict) and that every node is stamped with its
path in the spec and the line it was written on. storage.py plans the initializers first, template.py instantiates the
nodes; the graph goes to write.py, with `--functions` by way of functions.py. Linear in the number of calls.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import onnx

from stackc._version import __version__
from stackc.core.diagnostics import Collector, Diagnostic, SpecError
from stackc.core.types import TensorType
from stackc.export.constraints import constraint_text, counterexample, working_minima
from stackc.export.functions import CONSTANT, BlockCall
from stackc.export.objects import IR_VERSION, Object, WeightSubgraph, opset_imports
from stackc.export.storage import Storage, Stored, plan_storage, source_of
from stackc.export.template import VALUES, Stamps, Template, instantiate, stamps_of
from stackc.export.units import Unit
from stackc.export.value_aliases import roots_of
from stackc.export.weight_folding import graph_of
from stackc.ir.program import Call, Program
from stackc.onnx_format.values import declare, type_proto


@dataclass(frozen=True, eq=False)
class LinkedGraph:
    """A model without its weights, and the weights to store, in order.

    `block_calls` are the calls of blocks and stacks, by path. `exposed` leads from outputs of the model to their values
    in the program.
    """

    model: onnx.ModelProto
    weights: tuple[Stored, ...]
    block_calls: Mapping[str, BlockCall]
    exposed: Mapping[str, str]


def link(program: Program, units: Sequence[Unit], objects: Mapping[Unit, Object], *, opset: int) -> LinkedGraph:
    """Return the whole model; `units` has the unit of each call, in order.

    Raises SpecError E502 if the dims contract allows sizes that a unit was not compiled for.
    """
    compiled = [objects[unit] for unit in units]
    assert all(each.opset == opset for each in compiled), "objects of another opset"
    require_constraints(program, compiled)

    # Plan over all calls before any is linked: the form of a weight depends on every call that uses it.
    uses = list(zip(program.calls, compiled, strict=True))
    storage, roots = plan_storage(uses), roots_of(uses)

    model = onnx.ModelProto(ir_version=IR_VERSION, producer_name="stackc", producer_version=__version__)
    linker = _Linker(program, storage, roots, model.graph)
    linker.declare_inputs()
    for call, compiled_object in uses:
        linker.add_call(call, compiled_object)
    linker.declare_outputs()
    linker.record_values()

    model.opset_import.extend(opset_imports(model.graph.node, opset))
    exposed = {output: value for value, output in linker.exposed.items()}
    return LinkedGraph(model, tuple(storage.forms.values()), linker.block_calls(), exposed)


def require_constraints(program: Program, compiled: Sequence[Object]) -> None:
    """Raise SpecError E502 for each constraint of an object that does not follow from the dims contract."""
    diagnostics = Collector()
    checked: set[object] = set()
    for call, compiled_object in zip(program.calls, compiled, strict=True):
        constraints = compiled_object.constraints
        if not constraints:
            continue
        inputs = tuple(program.types[name] if name is not None else None for name in call.inputs)
        if (constraints, inputs) in checked:
            continue
        checked.add((constraints, inputs))

        if violated := tuple(_violated(call, constraints, inputs, program)):
            diagnostics.extend(SpecError(*violated))
    diagnostics.raise_if_any()


def _violated(
    call: Call, constraints: Sequence[str], inputs: Sequence[TensorType | None], program: Program
) -> Iterator[Diagnostic]:
    """Yield the E502 of each constraint that the contract does not imply; of the first alone if larger sizes do."""
    minima = working_minima(constraints, inputs, program.contract)
    hint = "narrow the dims contract to the sizes that the model is for"
    if minima:
        declared = ", ".join(f"{name}: {{min: {size}}}" for name, size in minima.items())
        hint = f"declare the sizes that it works at: `dims: {{{declared}}}`"

    for constraint in constraints:
        sizes = counterexample(constraint, inputs, program.contract)
        if sizes is None:
            continue
        allowed = ", ".join(f"{name} = {size}" for name, size in sizes.items()) or "other sizes"
        rule = f"'{call.path}' branches on its sizes and was compiled for {constraint_text(constraint, inputs)}"
        yield Diagnostic("E502", f"{rule}, but the dims contract allows {allowed}", call.span, hint)
        if minima:
            return


@dataclass
class _Linker:
    """Builds the graph. `values` leads from the values of the program to those of the graph, `exposed` from values of
    the program to the output of the model whose name they get."""

    program: Program
    storage: Storage
    roots: Mapping[str, str]
    graph: onnx.GraphProto
    values: dict[str, str] = field(default_factory=dict)
    templates: dict[int, Template] = field(default_factory=dict)
    constants: dict[bytes, str] = field(default_factory=dict)
    exposed: dict[str, str] = field(default_factory=dict)
    producers: dict[str, Call] = field(default_factory=dict)

    def declare_inputs(self) -> None:
        """Name the graph and its inputs, and decide which value gets the name of each output."""
        self.graph.name = self.program.name
        for name, type in self.program.inputs.items():
            self.values[name] = name
            self.graph.input.append(declare(name, type_proto(type)))
        for output, value in self.program.outputs.items():
            self.exposed.setdefault(self.roots.get(value, value), output)

    def add_call(self, call: Call, compiled: Object) -> None:
        """Instantiate the nodes of one call."""
        template = self.templates.get(id(compiled))
        if template is None:
            template = self.templates[id(compiled)] = Template.of(compiled.nodes, compiled.constants)
        stamps = stamps_of(call)

        # From local names to those of the graph: operands first, then what the nodes compute.
        names = {"": ""}
        names |= {f"x{port}": self.values[value] for port, value in enumerate(call.inputs) if value is not None}
        names |= {f"p.{name}": self.storage.tensor(source_of(call, name)) for name in compiled.parameters}
        names |= {tensor.name: self.constant(tensor, key) for tensor, key in template.constants}
        for subgraph in compiled.subgraphs:
            names |= self.weight_results(subgraph, call, stamps)
        names |= {local: call.path + suffix for local, suffix in template.suffixes.items()}

        self.name_outputs(call, compiled, names)
        instantiate(template, self.graph, call.path, stamps, names)

    def weight_results(self, subgraph: WeightSubgraph, call: Call, stamps: Stamps) -> dict[str, str]:
        """Return the values of a weight subgraph's results: initializers, or if it is not folded, values of nodes."""
        sources = tuple(source_of(call, parameter) for parameter in subgraph.parameters)
        names = self.storage.results(subgraph, sources)
        if names is None:
            names = self.add_unfolded(subgraph, call, sources, stamps)
        return dict(zip(subgraph.results, names, strict=True))

    def add_unfolded(
        self, subgraph: WeightSubgraph, call: Call, sources: Sequence[str], stamps: Stamps
    ) -> tuple[str, ...]:
        """Instantiate the nodes of a weight subgraph whose tensors are stored in another form, for other calls."""
        graph = graph_of(subgraph)
        template = self.templates.get(id(subgraph))
        if template is None:
            template = self.templates[id(subgraph)] = Template.of(graph.node, graph.initializer)

        path = f"{call.path}/{subgraph.parameters[0]}"
        names = {f"p{number}": self.storage.tensor(source) for number, source in enumerate(sources)}
        names |= {tensor.name: self.constant(tensor, key) for tensor, key in template.constants}
        names |= {local: path + suffix for local, suffix in template.suffixes.items()}
        instantiate(template, self.graph, path, stamps, names)
        return tuple(names[result.name] for result in graph.output)

    def name_outputs(self, call: Call, compiled: Object, names: dict[str, str]) -> None:
        """Give the call's values their names in the graph; one that is only passed on already has a name.

        Their declarations do not name dims. If ONNX Runtime knows that the two sides of a sum have one size, it fuses
        the sum and the norm behind it to its SkipLayerNormalization, which takes twice as long as both of them on a
        CPU, and normalizes the last axis whichever was meant.
        """
        for value, local in zip(call.outputs, compiled.outputs, strict=True):
            self.producers[value] = call
            if local[0] == "v" and value not in self.roots:
                names[local] = self.exposed.get(value) or self.inner_name(value)
                if value not in self.exposed:
                    type = type_proto(self.program.types[value], named=False)
                    self.graph.value_info.append(declare(names[local], type))
            self.values[value] = names[local]

    def inner_name(self, value: str) -> str:
        """Return the value's own name, unless an output of the model that is another value has that name."""
        return f"{value}/value" if value in self.program.outputs else value

    def constant(self, tensor: onnx.TensorProto, key: bytes) -> str:
        """Return the initializer that holds a constant; equal constants share one."""
        if key not in self.constants:
            self.constants[key] = f"{CONSTANT}{len(self.constants)}"
            self.graph.initializer.add().CopyFrom(tensor)
            self.graph.initializer[-1].name = self.constants[key]
        return self.constants[key]

    def declare_outputs(self) -> None:
        """Declare the outputs in the program's order; one that no node computes under its name gets an Identity."""
        for output, value in self.program.outputs.items():
            source = self.values[value]
            if source != output:
                self.graph.node.add(op_type="Identity", name=f"{output}/Identity", input=[source], output=[output])
                producer = self.producers.get(value)
                self.graph.node[-1].metadata_props.extend(stamps_of(producer) if producer else ())
            self.graph.output.append(declare(output, type_proto(self.program.types[value])))

    def record_values(self) -> None:
        """Record which tensor each value of the program is, if it is not the one of that name: an output of the model,
        or a value that a component passes on. With the stamps, any component can be extracted from the file."""
        renamed = {value: tensor for value, tensor in self.values.items() if value != tensor}
        self.graph.metadata_props.add(key=VALUES, value=json.dumps(renamed, ensure_ascii=False))

    def block_calls(self) -> dict[str, BlockCall]:
        """Return the calls of blocks and stacks, with the values of the graph that enter them."""
        calls: dict[str, BlockCall] = {}
        for frame in self.program.frames:
            ports = {self.values[value]: port for port, value in frame.inputs.items()}
            calls[frame.path] = BlockCall(frame.name, str(frame.span), ports)
        return calls
