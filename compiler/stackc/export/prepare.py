"""Prepare a unit for tracing: its module in eval mode, its state, and inputs that have shapes but no numbers.

Called by batch.py. Nothing large is allocated: modules are built under FakeTensorMode. Tensors that a module keeps
outside its state_dict (a table of positions in a non-persistent buffer) become constants of the graph, so modules that
have such tensors are built for real.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from stackc.components.custom.module import CustomModule
from stackc.core.torch_internals import (
    DataDependentOutputException,
    DynamicOutputShapeException,
    FakeTensorMode,
    mutation_count,
)
from stackc.core.types import Dim, TensorType
from stackc.export.example_sizes import example_sizes
from stackc.export.units import Unexportable, Unit
from stackc.torch_backend.reparam import register_reparams


@dataclass(frozen=True, eq=False)
class PreparedUnit:
    """A unit of a batch; `inputs` has None at an open port, `sizes` has the size each dim of the unit is traced at."""

    unit: Unit
    module: nn.Module
    state: Mapping[str, Tensor]
    inputs: tuple[Tensor | None, ...]
    sizes: Mapping[str, int]

    @property
    def tensors(self) -> list[Tensor]:
        """The tensors that the batch passes to this unit, in order: its state, then its inputs."""
        return [*self.state.values(), *(x for x in self.inputs if x is not None)]

    @property
    def names(self) -> list[str]:
        """The local names of `tensors` in the object."""
        connected = [f"x{port}" for port, x in enumerate(self.inputs) if x is not None]
        return [f"p.{name}" for name in self.state] + connected

    @property
    def outputs(self) -> int:
        """The number of its outputs."""
        return len(self.unit.component.signature(*self.unit.inputs).outputs)

    def run(self, tensors: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Return the outputs on other tensors in place of `tensors`; sizes with one name are declared equal."""
        state = dict(zip(self.state, tensors, strict=False))
        remaining = iter(tensors[len(state) :])
        inputs = tuple(None if x is None else next(remaining) for x in self.inputs)
        _declare_equal_sizes(self.unit.inputs, inputs)
        return _flat(torch.func.functional_call(self.module, state, inputs))


def prepare(unit: Unit, mode: FakeTensorMode) -> PreparedUnit:
    """Build a unit's module and inputs, and run it once without numbers.

    Raises Unexportable if it changes its own state in eval mode, or if a shape or branch depends on the values of its
    inputs.
    """
    with mode:
        module = _build_module(unit)
    if _has_constants(module):
        module = _build_module(unit)
        if isinstance(unit.component, CustomModule):
            _require_same_constants(module, _build_module(unit))

    sizes = example_sizes(unit)
    with mode:
        state = {name: torch.empty_like(tensor) for name, tensor in _untied_state(module).items()}
        inputs = tuple(None if x is None else _example_input(x, sizes) for x in unit.inputs)

    prepared = PreparedUnit(unit, module, state, inputs, sizes)
    with mode, torch.no_grad():
        _require_stateless(prepared)
    return prepared


def _build_module(unit: Unit) -> nn.Module:
    """Return the module in eval mode; if it offers a forward for the export, that one replaces its own."""
    module = unit.component.module(*unit.inputs)
    register_reparams(module, unit.reparams)

    export_forward = getattr(module, "export_forward", None)
    if export_forward is not None and (forward := export_forward(unit.opset, unit.target)) is not None:
        module.forward = forward
    return module.eval()


def _untied_state(module: nn.Module) -> dict[str, Tensor]:
    """Return the state_dict, with only the first of parameters that are tied."""
    tied = {name for name, _ in module.named_parameters(remove_duplicate=False)}
    tied -= {name for name, _ in module.named_parameters()}
    return {name: tensor for name, tensor in module.state_dict().items() if name not in tied}


def _has_constants(module: nn.Module) -> bool:
    return next(_constants(module), None) is not None


def _constants(module: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Yield the tensors that a module keeps outside its state_dict, by path."""
    stored = module.state_dict().keys()
    yield from ((name, buffer) for name, buffer in module.named_buffers() if name not in stored)
    for path, part in module.named_modules():
        yield from ((f"{path}.{name}".lstrip("."), x) for name, x in vars(part).items() if isinstance(x, Tensor))


def _require_same_constants(module: nn.Module, rebuilt: nn.Module) -> None:
    """Refuse random constants: each copy of the module draws different ones, and the file holds those of one copy."""
    for (name, constant), (_, redrawn) in zip(_constants(module), _constants(rebuilt), strict=True):
        if not torch.equal(constant, redrawn):
            raise Unexportable(f"it draws '{name}' and keeps it outside its state; register it as a buffer")


def _example_input(x: TensorType, sizes: Mapping[str, int]) -> Tensor:
    dtype: torch.dtype = getattr(torch, x.dtype)
    return torch.zeros([dim.evaluate(sizes) for dim in x.shape], dtype=dtype)


def _require_stateless(prepared: PreparedUnit) -> None:
    """Refuse a module that changes its state in eval mode: the exported model would silently lose the change."""
    before = _state_versions(prepared.module)
    try:
        outputs = _flat(prepared.module(*prepared.inputs))
    except (DataDependentOutputException, DynamicOutputShapeException) as error:
        raise Unexportable(f"a shape or branch in it depends on the values of its inputs: {error}") from None

    after = _state_versions(prepared.module)
    changed = sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))
    if changed:
        raise Unexportable(f"it changes its own state in eval mode: {', '.join(changed)}")
    if len(outputs) != prepared.outputs:
        raise Unexportable(f"its number of outputs is {len(outputs)}, but its signature has {prepared.outputs}")


def _state_versions(module: nn.Module) -> dict[str, tuple[int, int]]:
    """Return the identity of each parameter and buffer, and how often it was written to in place."""
    tensors = itertools.chain(module.named_parameters(), module.named_buffers())
    return {name: (id(tensor), mutation_count(tensor)) for name, tensor in tensors}


def _declare_equal_sizes(types: Sequence[TensorType | None], tensors: Sequence[Tensor | None]) -> None:
    first: dict[Dim, Any] = {}
    for x, tensor in zip(types, tensors, strict=True):
        if x is None or tensor is None:
            continue
        for dim, size in zip(x.shape, tensor.shape, strict=True):
            if dim.constant is None:
                torch._check(first.setdefault(dim, size) == size)


def _flat(outputs: Any) -> tuple[Tensor, ...]:
    return tuple(outputs) if isinstance(outputs, (tuple, list)) else (outputs,)
