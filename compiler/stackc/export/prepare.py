"""A unit as PyTorch runs it: its module in eval mode, its state, and inputs that have shapes but no numbers.

Nothing big is allocated: modules are built under FakeTensorMode. Tensors that a module keeps outside of its state_dict
(a table of positions in a non-persistent buffer) are constants of the graph, so modules that have some are built for
real.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import DataDependentOutputException, DynamicOutputShapeException, FakeTensorMode
from torch.nn.utils.parametrize import register_parametrization

from stackc.components.base import Limit
from stackc.components.custom.module import CustomModule
from stackc.core.types import Dim, TensorType
from stackc.export.units import Unexportable, Unit

_PRIMES = (7, 11, 13, 17, 19, 23, 29, 31)


@dataclass(frozen=True, eq=False)
class PreparedUnit:
    """A unit in the gallery; `inputs` has None at an open port, `sizes` what each dim of the unit is traced at."""

    unit: Unit
    module: nn.Module
    state: Mapping[str, Tensor]
    inputs: tuple[Tensor | None, ...]
    sizes: Mapping[str, int]

    @property
    def tensors(self) -> list[Tensor]:
        """What the gallery hands to this unit, in order: its state, then its inputs."""
        return [*self.state.values(), *(x for x in self.inputs if x is not None)]

    @property
    def names(self) -> list[str]:
        """The local names of `tensors` in the object."""
        connected = [f"x{port}" for port, x in enumerate(self.inputs) if x is not None]
        return [f"p.{name}" for name in self.state] + connected

    @property
    def outputs(self) -> int:
        """How many outputs it has."""
        return len(self.unit.component.signature(*self.unit.inputs).outputs)

    def run(self, tensors: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """The outputs on other tensors in the place of `tensors`; sizes with one name are declared equal."""
        state = dict(zip(self.state, tensors, strict=False))
        rest = iter(tensors[len(state) :])
        inputs = tuple(None if x is None else next(rest) for x in self.inputs)
        _declare_equal(self.unit.inputs, inputs)
        return _flat(torch.func.functional_call(self.module, state, inputs))


def prepare(unit: Unit, mode: FakeTensorMode) -> PreparedUnit:
    """Build a unit's module and inputs, and run it once without numbers.

    Raises Unexportable where it changes its own state in eval mode, or does one thing or another by what values it
    is given.
    """
    with mode:
        module = _module(unit)
    if _has_constants(module):
        module = _module(unit)
        if isinstance(unit.component, CustomModule):
            _require_same(module, _module(unit))
    sizes = _sizes(unit)
    with mode:
        state = {name: torch.empty_like(tensor) for name, tensor in _stored(module).items()}
        inputs = tuple(None if x is None else _stand_in(x, sizes) for x in unit.inputs)
    made = PreparedUnit(unit, module, state, inputs, sizes)
    with mode, torch.no_grad():
        _require_stateless(made)
    return made


def _module(unit: Unit) -> nn.Module:
    """The module, with the forward that it offers for an export in the place of its own where it offers one."""
    module = unit.component.module(*unit.inputs)
    for name, reparam in unit.reparams:
        owner, _, parameter = name.rpartition(".")
        register_parametrization(module.get_submodule(owner), parameter, reparam.parametrization())
    offered = getattr(module, "export_forward", None)
    if offered is not None and (forward := offered(unit.opset, unit.target)) is not None:
        module.forward = forward
    return module.eval()


def _stored(module: nn.Module) -> dict[str, Tensor]:
    """The state_dict, of parameters that are one the first."""
    tied = {name for name, _ in module.named_parameters(remove_duplicate=False)}
    tied -= {name for name, _ in module.named_parameters()}
    return {name: tensor for name, tensor in module.state_dict().items() if name not in tied}


def _has_constants(module: nn.Module) -> bool:
    return next(_constants(module), None) is not None


def _constants(module: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """What it keeps outside of its state_dict."""
    stored = module.state_dict().keys()
    yield from ((name, buffer) for name, buffer in module.named_buffers() if name not in stored)
    for path, part in module.named_modules():
        yield from ((f"{path}.{name}".lstrip("."), x) for name, x in vars(part).items() if isinstance(x, Tensor))


def _require_same(module: nn.Module, again: nn.Module) -> None:
    """Refuse constants that are drawn: every copy of the module has others, and the file only one of them."""
    for (name, one), (_, other) in zip(_constants(module), _constants(again), strict=True):
        if not torch.equal(one, other):
            raise Unexportable(f"it draws '{name}' and keeps it outside of its state; register it as a buffer")


def _stand_in(x: TensorType, sizes: Mapping[str, int]) -> Tensor:
    dtype: torch.dtype = getattr(torch, x.dtype)
    return torch.zeros([dim.evaluate(sizes) for dim in x.shape], dtype=dtype)


def _sizes(unit: Unit) -> dict[str, int]:
    """A size for every dim of the unit, all different where they can be, at which the component can be run."""
    symbols = {name: m for x in unit.inputs if x for dim in x.shape for name, m in dim.symbols().items()}
    limits = unit.component.signature(*unit.inputs).limits
    sizes: dict[str, int] = {}
    for (name, multiple_of), prime in zip(symbols.items(), itertools.cycle(_PRIMES), strict=False):
        candidates = [prime << shift for shift in range(12)] + [5, 3, 2, 1]
        tries = [{**sizes, name: candidate * multiple_of} for candidate in candidates]
        sizes = next((t for t in tries if all(_meets(limit, t) for limit in limits)), tries[0])
    return sizes


def _meets(limit: Limit, sizes: Mapping[str, int]) -> bool:
    if not limit.dim.symbols().keys() <= sizes.keys():
        return True
    size = limit.dim.evaluate(sizes)
    return limit.minimum <= size and (limit.maximum is None or size <= limit.maximum)


def _require_stateless(prepared: PreparedUnit) -> None:
    """Refuse a module that changes its state in eval mode: exported, the change would vanish in silence."""
    before = {name: (id(tensor), tensor._version) for name, tensor in _state(prepared.module)}
    try:
        outputs = _flat(prepared.module(*prepared.inputs))
    except (DataDependentOutputException, DynamicOutputShapeException) as error:
        raise Unexportable(f"what it does depends on the values of its inputs: {error}") from None
    after = {name: (id(tensor), tensor._version) for name, tensor in _state(prepared.module)}
    changed = sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))
    if changed:
        raise Unexportable(f"it changes its own state in eval mode: {', '.join(changed)}")
    if len(outputs) != prepared.outputs:
        raise Unexportable(f"it gives {len(outputs)} outputs, and its signature says {prepared.outputs}")


def _state(module: nn.Module) -> Iterator[tuple[str, Tensor]]:
    yield from module.named_parameters()
    yield from module.named_buffers()


def _declare_equal(types: Sequence[TensorType | None], tensors: Sequence[Tensor | None]) -> None:
    first: dict[Dim, Any] = {}
    for x, tensor in zip(types, tensors, strict=True):
        if x is not None and tensor is not None:
            for dim, size in zip(x.shape, tensor.shape, strict=True):
                if dim.constant is None:
                    torch._check(first.setdefault(dim, size) == size)


def _flat(outputs: Any) -> tuple[Tensor, ...]:
    return tuple(outputs) if isinstance(outputs, (tuple, list)) else (outputs,)
