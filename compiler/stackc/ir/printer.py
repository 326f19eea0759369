"""Graph, TypedGraph and Program as text: what `stackc show --as graph | typed | program` prints.

The format follows the text of MLIR and ONNX: one line for each value, node and output, `%` before values, `@` before
regions, and the span of a line as a comment in a fixed column. It is for people and for `diff`, and nothing reads it
back. Equal values give equal text, and a change of one node changes no other line than its own.

    graph NAME {                          or `typed graph`: all that belongs to no region
      dim NAME : MIN..MAX step MULTIPLE     the dims contract, both ends included; without MAX there is no upper end
      param NAME = VALUE                    a param and the value that it is bound to
      include FILE                          a spec that this one reads
      unused block NAME                     a block that nothing uses
    }

    KIND @REGION {                        a spec, block or stack; the spec first, then in order of first use
      param NAME = VALUE

      %NAME = input : TYPE
      %NODE, %NODE:OUTPUT = OP(%A, PORT: %B) {FIELD = VALUE} ATTRIBUTES : TYPE, TYPE

      output NAME = %VALUE : TYPE
    }

- A node defines a value for each of its outputs: the first has the node's name, the others add their own. A tap into a
  region is such an output (`%encoder:3.attn`).
- OP is a component or a region. A region that several nodes use is printed once; if several regions have the same name,
  the later ones are numbered (`@layer.1`).
- Operands stand in port order. The first port's name and open optional ports are left out, as are fields at their
  defaults.
- ATTRIBUTES: `same_as %NODE`, whose module is called again; `tie(weight = embed.weight)`; `reparam(weight =
  standardize)`; `implied`, a merge that the drawing implies; `label "…"`, as drawn.
- A graph has types at the inputs of the spec alone. A typed graph has them at every value, and below each component its
  parameters and buffers; a block that inputs of different types enter is one region for each combination of types.
- FLOPs, limits, and the spans of operands and fields are left out.

A program has paths for names (`%encoder.3.attn`). Instead of regions it has a `frame` line for each block and stack,
inner ones first. Its parameters and buffers are listed once, under their owners' names. A call has its own in brackets:
`[weight]` is the one under the call's path, `[weight = embed.weight]` is tied or shared, and `owner PATH` is the call
whose module it calls again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

from stackc.components.base import Signature
from stackc.core.types import TensorType
from stackc.ir.model import Graph, Node, Region, ValueRef
from stackc.ir.program import Call, Frame, Program
from stackc.ir.text import (
    Line,
    braced,
    fields_text,
    literal_text,
    operands_text,
    range_text,
    repair_comments,
    reparams_text,
    types_text,
    unique_symbols,
)
from stackc.ir.typed import TypedGraph, TypedRegion

T = TypeVar("T", Region, TypedRegion)


def print_graph(graph: Graph) -> str:
    """Return the text of a graph. Problems that reading the spec has repaired are comments above it."""
    regions = _preorder(graph.root, _bodies)
    symbols = dict(zip(regions, unique_symbols([region.name for region in regions]), strict=True))

    texts = [_header(graph, "graph")]
    for region in regions:
        inputs = graph.inputs if region is graph.root else {}
        named = {id: symbols[body] for id, body in _bodies(region).items()}
        texts.append(_RegionPrinter(region, symbols[region], named, {k: (t,) for k, t in inputs.items()}).text())
    return "\n".join(texts)


def print_typed(typed: TypedGraph) -> str:
    """Return the text of a typed graph."""
    regions = _preorder(typed.root, lambda body: body.bodies)
    symbols = dict(zip(regions, unique_symbols([body.region.name for body in regions]), strict=True))

    texts = [_header(typed.graph, "typed graph")]
    for body in regions:
        types: dict[str, tuple[TensorType, ...]] = {
            name: (type_,) for name, type_ in zip(body.region.inputs, body.inputs, strict=True)
        }
        types |= {id: signature.outputs for id, signature in body.signatures.items()}
        types |= {id: inner.outputs for id, inner in body.bodies.items()}
        named = {id: symbols[inner] for id, inner in body.bodies.items()}
        texts.append(_RegionPrinter(body.region, symbols[body], named, types, body.signatures).text())
    return "\n".join(texts)


def print_program(program: Program) -> str:
    """Return the text of a program."""
    tensors = program.tensors()
    buffers = {name for call in program.calls for name in call.buffers.values()}

    return braced(
        f"program {program.name}",
        None,
        (Line(f"dim {name} : {range_text(sizes)}") for name, sizes in program.contract.items()),
        (Line(f"{'buffer' if name in buffers else 'parameter'} {name} : {type_}") for name, type_ in tensors.items()),
        (Line(f"%{name} = input : {type_}") for name, type_ in program.inputs.items()),
        (Line(_call_text(call), call.span) for call in program.calls),
        (Line(f"output {name} = %{value} : {program.types[value]}") for name, value in program.outputs.items()),
        (Line(_frame_text(frame), frame.span) for frame in program.frames),
    )


# -- graphs


def _bodies(region: Region) -> dict[str, Region]:
    return {node.id: node.body for node in region.nodes.values() if isinstance(node.body, Region)}


def _preorder(root: T, bodies: Callable[[T], Mapping[str, T]]) -> list[T]:
    """Return a region and every region inside it, each once, in order of first use."""
    regions: dict[T, None] = {}

    def visit(region: T) -> None:
        if region not in regions:
            regions[region] = None
            for body in bodies(region).values():
                visit(body)

    visit(root)
    return list(regions)


def _header(graph: Graph, kind: str) -> str:
    document = graph.document
    dims = {name: decl.span for name, decl in document.dims.items()}
    params = {name: decl.span for name, decl in document.params.items()}

    text = braced(
        f"{kind} {document.name}",
        document.span,
        (Line(f"dim {name} : {range_text(sizes)}", dims.get(name)) for name, sizes in graph.contract.items()),
        (Line(f"param {name} = {literal_text(value)}", params.get(name)) for name, value in graph.params.items()),
        (Line(f"include {source.file}") for source in graph.includes),
        (Line(f"unused block {name}") for name in graph.unused),
    )
    return repair_comments(document.problems) + text


@dataclass(frozen=True)
class _RegionPrinter:
    """Prints one region. `types` has the types of what a node or input gives, as far as they are to be printed."""

    region: Region
    symbol: str
    bodies: Mapping[str, str]
    types: Mapping[str, tuple[TensorType, ...]]
    signatures: Mapping[str, Signature] | None = None

    def text(self) -> str:
        region = self.region
        return braced(
            f"{region.kind} {self.symbol}",
            region.span,
            (Line(f"param {name} = {literal_text(value)}") for name, value in region.params.items()),
            (self.input_line(name) for name in region.inputs),
            (line for node in region.nodes.values() for line in self.node_lines(node)),
            (self.output_line(name, ref) for name, ref in region.outputs.items()),
        )

    def input_line(self, name: str) -> Line:
        return Line(f"%{name} = input{types_text(self.types.get(name, ()))}", self.region.places.get(name))

    def node_lines(self, node: Node) -> Iterator[Line]:
        """Yield the line of a node, and those of its parameters and buffers if it has a signature."""
        names = ", ".join(self.value(ValueRef(node.id, number)) for number in range(self.output_count(node)))
        op = self.bodies.get(node.id, node.op) + self.operands(node)
        fields = "" if isinstance(node.body, Region) else fields_text(node.body)
        types = types_text(self.types.get(node.id, ()))
        yield Line(f"{names} = {op}{fields}{_node_attributes(node)}{types}", node.span)

        if self.signatures and (signature := self.signatures.get(node.id)):
            yield from (Line(f"    parameter {name} : {type_}") for name, type_ in signature.parameters.items())
            yield from (Line(f"    buffer {name} : {type_}") for name, type_ in signature.buffers.items())

    def output_count(self, node: Node) -> int:
        """Return how many outputs a node has: a component may give fewer than it names."""
        return len(self.types[node.id]) if node.id in self.types else len(node.body.outputs)

    def operands(self, node: Node) -> str:
        ports = node.body.inputs if isinstance(node.body, Region) else [port.name for port in node.body.ports]
        connected = ((operand.port, self.value(operand.value)) for operand in node.operands if operand.value)
        return f"({operands_text(connected, ports[0] if ports else None)})"

    def output_line(self, name: str, ref: ValueRef) -> Line:
        types = types_text(self.types[ref.node][ref.output :][:1]) if ref.node in self.types else ""
        return Line(f"output {name} = {self.value(ref)}{types}")

    def value(self, ref: ValueRef) -> str:
        """Return `%node`, or `%node:output` for an output that is not the first.

        An output that does not exist is `%node:#7`: illegal graphs are printed too.
        """
        if ref.output == 0:
            return f"%{ref.node}"
        node = self.region.nodes.get(ref.node)
        names = list(node.body.outputs) if node else []
        return f"%{ref.node}:{names[ref.output] if ref.output < len(names) else f'#{ref.output}'}"


def _node_attributes(node: Node) -> str:
    same_as = f" same_as %{node.same_as}" if node.same_as else ""
    ties = ", ".join(f"{name} = {tie.path}" for name, tie in node.ties.items())
    label = f" label {literal_text(node.label)}" if node.label and node.label != node.op else ""
    implied = " implied" * node.implied
    return f"{same_as}{f' tie({ties})' if ties else ''}{reparams_text(node.reparams)}{implied}{label}"


# -- programs


def _call_text(call: Call) -> str:
    component, last = call.component, len(call.component.ports) - 1
    ports = [component.ports[min(number, last)].name for number in range(len(call.inputs))]
    operands = [(port, f"%{value}") for port, value in zip(ports, call.inputs, strict=True) if value is not None]

    tensors = {**call.parameters, **call.buffers}
    entries = [local if name == f"{call.path}.{local}" else f"{local} = {name}" for local, name in tensors.items()]
    owned = f" [{', '.join(entries)}]" if entries else ""
    owner = f" owner {call.owner}" if call.owner != call.path else ""

    outputs = ", ".join(f"%{name}" for name in call.outputs)
    first = component.ports[0].name if component.ports else None
    op = f"{component.op}({operands_text(operands, first)}){fields_text(component)}"
    return f"{outputs} = {op}{reparams_text(call.reparams)}{owned}{owner}{types_text(call.signature.outputs)}"


def _frame_text(frame: Frame) -> str:
    return f"frame {frame.path} = {frame.name}({', '.join(f'{port}: %{v}' for port, v in frame.inputs.items())})"
