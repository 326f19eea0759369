"""The program: a model written out flat, one `Call` for every component, in an order that can be run.

Repeats share one body in the typed graph; here each has its own path, and with it its own weights. Everything that
walks a model component by component (loading weights, linking, proving, reports) walks this.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from stackc.components.base import Component, Signature
from stackc.core.diagnostics import Span
from stackc.core.types import DimContract, TensorType

if TYPE_CHECKING:
    from stackc.components.reparam import Reparam


@dataclass(frozen=True, slots=True)
class Call:
    """One component at work under its path.

    `inputs` are names of values, one a port (a variadic port has as many as it has arrows), None at an open one;
    `outputs` are the names of the values it makes. `parameters` and `buffers` lead from the local name ("weight") to
    the name in the state_dict of the model ("encoder.3.attn.q.weight"); a tied or shared one leads to its owner's.
    `owner` is the path of the module that runs: the call's own, or that of the node whose module is called again.
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
    """A block or stack at work under its path, where all calls are whose paths begin with it.

    `name` is the block's, of a stack the node's; `inputs` leads from port to value.
    """

    path: str
    name: str
    inputs: Mapping[str, str]
    span: Span


@dataclass(frozen=True, slots=True)
class Program:
    """A whole model, flat: `types` has every value by name; `outputs` leads from the output's name to its value.

    `frames` are the blocks and stacks that the calls came out of, each after those inside of it.
    """

    name: str
    inputs: Mapping[str, TensorType]
    calls: tuple[Call, ...]
    outputs: Mapping[str, str]
    types: Mapping[str, TensorType]
    contract: DimContract
    frames: tuple[Frame, ...] = ()

    def tensors(self) -> dict[str, TensorType]:
        """Every parameter and buffer by its name in the state_dict, owners alone, in running order."""
        tensors: dict[str, TensorType] = {}
        for call in self.calls:
            for local, name in call.parameters.items():
                tensors.setdefault(name, call.signature.parameters[local])
            for local, name in call.buffers.items():
                tensors.setdefault(name, call.signature.buffers[local])
        return tensors
