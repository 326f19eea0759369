"""The typed graph written out flat: one `Call` for every component of the model, in an order that can be run.

Repeats share one body in the typed graph; here each has its own path, and with it its own weights. Everything that
walks a model component by component (loading weights, linking, proving, reports) walks this.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from stackc.components.base import Signature
from stackc.core.diagnostics import Diagnostic, Span, SpecError
from stackc.ir.model import Node, Region, ValueRef
from stackc.ir.program import Call, Frame, Program
from stackc.ir.typed import TypedGraph, TypedRegion

if TYPE_CHECKING:
    pass


def flatten(typed: TypedGraph) -> Program:
    """The program of a typed graph. Values are called by the path of the node that makes them, inputs by name.

    SpecError T207 where ties go in a circle.
    """
    walker = _Walker()
    inputs = typed.graph.inputs
    values = walker.region(typed.root, "", "", {ValueRef(name): name for name in inputs})
    calls = walker.calls
    if walker.ties:
        calls = [replace(call, parameters={k: walker.owner(v) for k, v in call.parameters.items()}) for call in calls]
    types = dict(inputs) | {v: t for call in calls for v, t in zip(call.outputs, call.signature.outputs, strict=True)}
    outputs = {name: values[ref] for name, ref in typed.root.region.outputs.items()}
    name, contract = typed.graph.document.name, typed.graph.contract
    return Program(name, inputs, tuple(calls), outputs, types, contract, tuple(walker.frames))


@dataclass(frozen=True)
class _Walker:
    calls: list[Call] = field(default_factory=list)
    frames: list[Frame] = field(default_factory=list)
    ties: dict[str, tuple[str, Span]] = field(default_factory=dict)

    def region(self, typed: TypedRegion, path: str, owner: str, values: dict[ValueRef, str]) -> dict[ValueRef, str]:
        """Append the calls of a region; `values` starts with its inputs and is returned with every value inside.

        `path` and `owner` are prefixes: of the names of values, and of those of parameters, which differ where a module
        is called again.
        """
        for id, node in typed.region.nodes.items():
            here, owned = path + id, owner + _owner_id(typed.region, node)
            for name, tie in node.ties.items():
                self.ties[f"{owned}.{name}"] = owner + tie.path, tie.span
            if id in typed.bodies:
                body = typed.bodies[id]
                entering = {ValueRef(operand.port): values[operand.value] for operand in node.operands if operand.value}
                inside = self.region(body, f"{here}.", f"{owned}.", entering)
                made = [inside[ref] for ref in body.region.outputs.values()]
                ports = {port: entering[ValueRef(port)] for port in body.region.inputs if ValueRef(port) in entering}
                name = id if body.region.kind == "stack" else body.region.name
                self.frames.append(Frame(here, name, ports, node.span))
            else:
                made = self.call(typed.signatures[id], node, here, owned, values)
            values |= {ValueRef(id, number): value for number, value in enumerate(made)}
        return values

    def call(
        self, signature: Signature, node: Node, path: str, owner: str, values: Mapping[ValueRef, str]
    ) -> list[str]:
        assert not isinstance(node.body, Region)
        names = node.body.outputs
        outputs = [path, *(f"{path}:{name}" for name in names[1:])][: len(signature.outputs)]
        self.calls.append(
            Call(
                path=path,
                component=node.body,
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

    def owner(self, name: str) -> str:
        """The parameter that a name stands for once ties are followed. SpecError T207 where they go in a circle."""
        chain: dict[str, None] = {}
        while name in self.ties:
            chain[name] = None
            name, span = self.ties[name]
            if name in chain:
                circle = " → ".join([*[*chain][[*chain].index(name) :], name])
                hint = "one of them has to own the parameter"
                raise SpecError(Diagnostic("T207", f"the ties go in a circle: {circle}", span, hint))
        for passed in chain:  # the next one to come by need not follow them again
            self.ties[passed] = name, self.ties[passed][1]
        return name


def _owner_id(region: Region, node: Node) -> str:
    while node.same_as:
        node = region.nodes[node.same_as]
    return node.id
