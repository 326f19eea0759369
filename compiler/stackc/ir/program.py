"""The program: a model written out flat, one `Call` per component, in running order.

In the typed graph, repeats share one body; here each has its own path, and with it its own weights. Everything that
walks a model component by component (loading weights, linking, proving, reports) walks this.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from stackc.components.base import Component, Signature
from stackc.core.diagnostics import Span
from stackc.core.types import Dim, DimContract, TensorType
from stackc.spec.document import WeightsDecl
from stackc.spec.expressions.expressions import ParamValue

if TYPE_CHECKING:
    from stackc.components.reparam import Reparam


@dataclass(frozen=True, slots=True)
class Call:
    """A call of one component, under its path.

    `inputs` are names of values: one for each port, None at an open one, several at a variadic one. `outputs` are the
    names of the values it returns. `parameters` and `buffers` map the local name ("weight") to the name in the model's
    state_dict ("encoder.3.attn.q.weight"); a tied or shared one maps to its owner's name. `owner` is the path of the
    module that runs: the call's own, or that of the call whose module is called again.
    """

    path: str
    component: Component
    reparams: tuple[tuple[str, Reparam], ...]
    inputs: tuple[str | None, ...]
    outputs: tuple[str, ...]
    signature: Signature
    parameters: Mapping[str, str]
    buffers: Mapping[str, str]
    span: Span
    owner: str


@dataclass(frozen=True, slots=True)
class Frame:
    """A call of a block or stack: all calls whose paths begin with its path are inside it.

    `name` is the name of the block, or of the stack's node; `inputs` maps ports to values.
    """

    path: str
    name: str
    inputs: Mapping[str, str]
    span: Span


@dataclass(frozen=True)
class PartWeights:
    """The files of weights of a part of a model, at the path of its module: all names in `decl` are inside of it.

    `params` are those that its map may calculate with. It `is_written` if the spec names the files at the part itself;
    otherwise an included spec brings them.
    """

    path: str
    decl: WeightsDecl
    params: Mapping[str, ParamValue]
    is_written: bool


@dataclass(frozen=True, slots=True)
class Program:
    """A whole model, flat: `types` has the type of every value, `outputs` maps each output's name to its value.

    `frames` are the blocks and stacks that the calls came from, inner ones first. `frozen` has the paths of the
    modules that training leaves as they are, `parts` those with files of weights of their own.
    """

    name: str
    inputs: Mapping[str, TensorType]
    calls: tuple[Call, ...]
    outputs: Mapping[str, str]
    types: Mapping[str, TensorType]
    contract: DimContract
    frames: tuple[Frame, ...] = ()
    frozen: tuple[str, ...] = ()
    parts: tuple[PartWeights, ...] = ()

    def index_bounds(self, call: Call) -> dict[str, Dim]:
        """Return the values that a call reads as indices, each with the number of entries that they are below."""
        types = [None if name is None else self.types[name] for name in call.inputs]
        bounds = call.component.index_bounds(*types)
        ports = zip(call.component.ports, call.inputs, strict=False)  # the last port may be variadic
        return {value: bounds[port.name] for port, value in ports if value is not None and port.name in bounds}

    def modules(self) -> dict[str, str]:
        """Return the module at each path of a component, block or stack: its own path, or that of its owner."""
        modules: dict[str, str] = {}
        for call in self.calls:
            paths, owners = call.path.split("."), call.owner.split(".")
            for depth in range(1, len(paths) + 1):
                modules.setdefault(".".join(paths[:depth]), ".".join(owners[:depth]))
        return modules

    def tensors(self) -> dict[str, TensorType]:
        """Return every parameter and buffer by its name in the state_dict, once under its owner, in running order."""
        tensors: dict[str, TensorType] = {}
        for call in self.calls:
            for local, name in call.parameters.items():
                tensors.setdefault(name, call.signature.parameters[local])
            for local, name in call.buffers.items():
                tensors.setdefault(name, call.signature.buffers[local])
        return tensors

    def aliases(self) -> dict[str, str]:
        """Return the other names of tied and shared tensors, each with the name in `tensors` that owns it."""
        return {
            alias: name
            for call in self.calls
            for local, name in {**call.parameters, **call.buffers}.items()
            if (alias := f"{call.path}.{local}") != name
        }
