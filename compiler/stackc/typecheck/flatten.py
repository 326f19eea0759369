"""TypedGraph → Program: one `Call` for every component of the model, in running order.

Repeats share one body in the typed graph; here each has its own path, and with it its own weights.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from stackc.core.diagnostics import Diagnostic, Span, SpecError
from stackc.ir.model import Node, Region, ValueRef
from stackc.ir.program import Call, Frame, PartWeights, Program
from stackc.ir.typed import TypedGraph, TypedRegion


def flatten(typed: TypedGraph) -> Program:
    """Return the program of a typed graph. Values are named by the path of the node that computes them, inputs by name.

    Requires a legal typed graph, as `infer_types` returns it. Ensures that every call follows those that compute its
    inputs, and every tied or shared parameter has the name of its owner. Raises SpecError (T207) if ties form a cycle.
    """
    walker = _Walker()
    inputs = typed.graph.inputs
    values = walker.region(typed.root, "", "", {ValueRef(name): name for name in inputs})

    calls = walker.calls
    if walker.ties:
        calls = [walker.with_owners(call) for call in calls]

    types = dict(inputs) | {v: t for call in calls for v, t in zip(call.outputs, call.signature.outputs, strict=True)}
    outputs = {name: values[ref] for name, ref in typed.root.region.outputs.items()}
    name, contract = typed.graph.document.name, typed.graph.contract
    return Program(
        name,
        inputs,
        tuple(calls),
        outputs,
        types,
        contract,
        tuple(walker.frames),
        tuple(walker.frozen),
        tuple(walker.parts.values()),
    )


@dataclass
class _Walker:
    """Collects the calls of a model, its frames, and its ties: parameter → the parameter it is tied to, and where.

    `frozen` are the paths of modules that training leaves as they are, `parts` those with weights of their own.
    """

    calls: list[Call] = field(default_factory=list)
    frames: list[Frame] = field(default_factory=list)
    ties: dict[str, tuple[str, Span]] = field(default_factory=dict)
    frozen: dict[str, None] = field(default_factory=dict)
    parts: dict[str, PartWeights] = field(default_factory=dict)

    def region(self, typed: TypedRegion, path: str, owner: str, values: dict[ValueRef, str]) -> dict[ValueRef, str]:
        """Append the calls of a region; `values` starts with its inputs and is returned with every value inside.

        `path` is the prefix of value names, `owner` that of parameter names: they differ inside a module that is called
        again.
        """
        for id, node in typed.region.nodes.items():
            node_path, node_owner = path + id, owner + typed.region.owner_of(node).id
            for name, tie in node.ties.items():
                self.ties[f"{node_owner}.{name}"] = owner + tie.path, tie.span
            if node.frozen:
                self.frozen[node_owner] = None
            if node.weights:
                written = node.weights
                self.parts[node_owner] = PartWeights(node_owner, written.decl, written.params, written.is_written)

            if id in typed.bodies:
                outputs = self.body(typed.bodies[id], node, node_path, node_owner, values)
            else:
                outputs = self.call(typed, node, node_path, node_owner, values)
            values |= {ValueRef(id, number): value for number, value in enumerate(outputs)}
        return values

    def body(self, body: TypedRegion, node: Node, path: str, owner: str, values: Mapping[ValueRef, str]) -> list[str]:
        """Append the calls of a block or stack, then its frame; return its outputs."""
        inputs = {operand.port: values[operand.value] for operand in node.operands if operand.value}
        inner = self.region(body, f"{path}.", f"{owner}.", {ValueRef(port): value for port, value in inputs.items()})

        ports = {port: inputs[port] for port in body.region.inputs if port in inputs}
        name = node.id if body.region.kind == "stack" else body.region.name
        self.frames.append(Frame(path, name, ports, node.span))
        return [inner[ref] for ref in body.region.outputs.values()]

    def call(self, typed: TypedRegion, node: Node, path: str, owner: str, values: Mapping[ValueRef, str]) -> list[str]:
        """Append the call of a component; return its outputs: the first has the name of the path alone."""
        assert not isinstance(node.body, Region)
        signature, names = typed.signatures[node.id], node.body.outputs
        types = (typed.type_of(operand.value) if operand.value else None for operand in node.operands)
        outputs = [path, *(f"{path}:{name}" for name in names[1:])][: len(signature.outputs)]

        self.calls.append(
            Call(
                path=path,
                component=node.body.for_inputs(*types),
                reparams=node.reparams,
                inputs=tuple(values[operand.value] if operand.value else None for operand in node.operands),
                outputs=tuple(outputs),
                signature=signature,
                parameters={name: f"{owner}.{name}" for name in signature.parameters},
                buffers={name: f"{owner}.{name}" for name in signature.buffers},
                span=node.span,
                owner=owner,
            )
        )
        return outputs

    def with_owners(self, call: Call) -> Call:
        """Return a call that names the owners of its tied parameters. Raises SpecError as `owner` does."""
        if self.ties.keys().isdisjoint(call.parameters.values()):
            return call
        return replace(call, parameters={name: self.owner(value) for name, value in call.parameters.items()})

    def owner(self, name: str) -> str:
        """Return the parameter at the end of a chain of ties. Raises SpecError (T207) if they form a cycle."""
        chain: dict[str, None] = {}
        while name in self.ties:
            chain[name] = None
            name, span = self.ties[name]
            if name in chain:
                cycle = " → ".join([*[*chain][[*chain].index(name) :], name])
                hint = "remove one of them: that parameter then owns the values"
                raise SpecError(Diagnostic("T207", f"the ties form a cycle: {cycle}", span, hint))

        for tied in chain:  # shorten the chain, so that following all ties takes linear time
            self.ties[tied] = name, self.ties[tied][1]
        return name
