"""The typed graph written out flat: one `Call` for every component of the model, in an order that can be run.

Repeats share one body in the typed graph; here each has its own path, and with it its own weights. Everything that walks
a model component by component (lowering weights, linking, proving, reports) walks this.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from stackc.components.base import Component, Signature
from stackc.components.reparam import Reparam
from stackc.diagnostics import Span
from stackc.types import DimContract, TensorType


@dataclass(frozen=True, slots=True)
class Call:
    """One component at work under its path.

    `inputs` are names of values, one a port (a variadic port has as many as it has arrows), None at an open one;
    `outputs` are the names of the values it makes. `parameters` and `buffers` lead from the local name ("weight") to the
    name in the state_dict of the model ("encoder.3.attn.q.weight"); a tied or shared one leads to its owner's.
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


@dataclass(frozen=True, slots=True)
class Program:
    """A whole model, flat: `types` has every value by name; `outputs` leads from the output's name to its value."""

    name: str
    inputs: Mapping[str, TensorType]
    calls: tuple[Call, ...]
    outputs: Mapping[str, str]
    types: Mapping[str, TensorType]
    contract: DimContract
