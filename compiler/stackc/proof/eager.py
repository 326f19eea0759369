"""The reference: the module of a spec run eagerly, in float32 or float64, and every value that its components make."""

from __future__ import annotations

import copy
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from stackc.components.custom.module import CustomModule
from stackc.ir.program import Call, Program
from stackc.proof.promotion import promoted
from stackc.runtime import Array

Values = Mapping[str, Tensor]


@dataclass(frozen=True, eq=False)
class Pass:
    """One forward pass: the outputs of the model by name, and the values of the program that were asked for."""

    outputs: Mapping[str, Array]
    values: Values

    def named(self, output: str, value: str) -> Array:
        """The output of that name, and where the model has none, the value."""
        return self.outputs[output] if output in self.outputs else self.values[value].numpy()


def in_double(module: nn.Module) -> nn.Module:
    """A copy of the module in float64, of which no copy in its own precision is made on the way."""

    def widened(x: Tensor) -> Tensor:
        return x.detach().to(torch.float64 if x.is_floating_point() else x.dtype, copy=True)

    memo: dict[int, Tensor] = {id(p): nn.Parameter(widened(p), p.requires_grad) for p in module.parameters()}
    memo |= {id(buffer): widened(buffer) for buffer in module.buffers()}
    return copy.deepcopy(module, memo)


def run_eager(
    module: nn.Module,
    feeds: Mapping[str, Array],
    program: Program,
    precision: torch.dtype = torch.float32,
    *,
    keep: frozenset[str] = frozenset(),
    given: Values | None = None,
) -> Pass:
    """The module on these inputs; float inputs are taken to the precision of the module.

    `keep` names the values to keep; those `given` stand in the place of what the module makes.
    """
    inputs = {name: cast(torch.from_numpy(np.asarray(feeds[name], order="C")), precision) for name in program.inputs}
    with _watching(module, program, keep, given or {}) as kept, torch.no_grad(), exactly(program.calls, precision):
        made = flat(module(*inputs.values()))
    kept |= {name: x for name, x in inputs.items() if name in keep}
    return Pass({name: value.numpy() for name, value in zip(program.outputs, made, strict=True)}, kept)


def run_call(module: nn.Module, call: Call, values: Values, precision: torch.dtype) -> tuple[Tensor, ...]:
    """What one component of the module makes of values that are wired as the spec says."""
    inputs = [cast(values[name], precision) if name is not None else None for name in call.inputs]
    with torch.no_grad(), exactly([call], precision):
        return flat(module.get_submodule(call.owner)(*inputs))


def exactly(calls: Iterable[Call], precision: torch.dtype) -> AbstractContextManager[None]:
    """Where calls are to run in float64, what somebody's own code among them does in float32 by name is done so too."""
    own = any(isinstance(call.component, CustomModule) for call in calls)
    return promoted() if own and precision == torch.float64 else nullcontext()


def cast(x: Tensor, precision: torch.dtype) -> Tensor:
    """Floats in another precision; whole numbers and booleans as they are."""
    return x.to(precision) if x.is_floating_point() else x


def flat(made: Tensor | Sequence[Tensor]) -> tuple[Tensor, ...]:
    """One output or several, as several; a component may pass a parameter on, which has a gradient."""
    return tuple(value.detach() for value in ((made,) if isinstance(made, Tensor) else made))


@contextmanager
def _watching(module: nn.Module, program: Program, keep: frozenset[str], given: Values) -> Iterator[dict[str, Tensor]]:
    """What the components make is kept, or replaced, while the module runs."""
    queues: dict[str, deque[Call]] = {}
    for call in program.calls:
        queues.setdefault(call.owner, deque()).append(call)
    kept: dict[str, Tensor] = {}
    wanted = keep | given.keys()
    with ExitStack() as stack:
        for owner, queue in queues.items():
            if any(wanted.intersection(call.outputs) for call in queue):
                stack.enter_context(_hooked(module.get_submodule(owner), queue, keep, given, kept))
        yield kept


@contextmanager
def _hooked(
    module: nn.Module, queue: deque[Call], keep: frozenset[str], given: Values, kept: dict[str, Tensor]
) -> Iterator[None]:
    """One hook on a module, whose calls come in running order however many there are."""

    def hook(_: nn.Module, __: Any, made: Tensor | tuple[Tensor, ...]) -> Tensor | tuple[Tensor, ...]:
        names = queue.popleft().outputs
        values = tuple(given.get(name, value) for name, value in zip(names, flat(made), strict=True))
        kept.update((name, value) for name, value in zip(names, values, strict=True) if name in keep)
        return values[0] if isinstance(made, Tensor) else values

    handle = module.register_forward_hook(hook)
    try:
        yield
    finally:
        handle.remove()
