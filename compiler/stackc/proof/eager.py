"""The reference: the module of a spec run eagerly, in float32 or float64, with every value that it computes."""

from __future__ import annotations

import copy
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import ml_dtypes
import numpy as np
import torch
from torch import Tensor, nn

from stackc.components.custom.module import CustomModule
from stackc.ir.program import Call, Program
from stackc.proof.promotion import promoted
from stackc.runtime import Array

_HALVES = (torch.float16, torch.bfloat16)

Values = Mapping[str, Tensor]
"""Values of the program by name."""


@dataclass(frozen=True, eq=False)
class ForwardPass:
    """One forward pass: the outputs of the model by name, and the values of the program that were asked for."""

    outputs: Mapping[str, Array]
    values: Values

    def named(self, output: str, value: str) -> Array:
        """Return the output of that name, or the value if the model has no such output."""
        return self.outputs[output] if output in self.outputs else self.values[value].numpy()


def in_double(module: nn.Module) -> nn.Module:
    """Return a copy of the module in float64, without an intermediate copy in its own precision."""

    def widened(x: Tensor) -> Tensor:
        return x.detach().to(torch.float64 if x.is_floating_point() else x.dtype, copy=True)

    # deepcopy takes an object out of its memo instead of copying it
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
    substitutes: Values | None = None,
) -> ForwardPass:
    """Run the module on these inputs; float inputs are cast to the precision of the module, halves by the module.

    `keep` names the values to return; `substitutes` replace the values that the module computes.
    """
    inputs = {name: cast(tensor_of(feeds[name]), precision) for name in program.inputs}

    hooks = _hook_calls(module, program, keep, substitutes or {})
    with hooks as kept, torch.no_grad(), computing_in(precision, program.calls):
        outputs = as_tuple(module(*inputs.values()))

    kept |= {name: x for name, x in inputs.items() if name in keep}
    return ForwardPass({name: x.numpy() for name, x in zip(program.outputs, outputs, strict=True)}, kept)


def run_call(module: nn.Module, call: Call, values: Values, precision: torch.dtype) -> tuple[Tensor, ...]:
    """Run one component of the module on the values that the spec connects to it."""
    inputs = [cast(values[name], precision) if name is not None else None for name in call.inputs]
    with torch.no_grad(), computing_in(precision, [call]):
        return as_tuple(module.get_submodule(call.owner)(*inputs))


def computing_in(precision: torch.dtype, calls: Iterable[Call]) -> AbstractContextManager[None]:
    """Return a context in which calls compute in float64, even where custom code among them names float32."""
    custom = any(isinstance(call.component, CustomModule) for call in calls)
    return promoted() if custom and precision == torch.float64 else nullcontext()


def cast(x: Tensor, precision: torch.dtype) -> Tensor:
    """Cast floats to another precision; whole numbers, booleans and halves are returned unchanged."""
    return x.to(precision) if x.is_floating_point() and x.dtype not in _HALVES else x


def tensor_of(array: Array) -> Tensor:
    """Return a tensor of the numbers of an array, which it shares; NumPy has bfloat16 by ml_dtypes only."""
    ordered = np.asarray(array, order="C")
    if ordered.dtype == ml_dtypes.bfloat16:
        return torch.from_numpy(ordered.view(np.int16)).view(torch.bfloat16)
    return torch.from_numpy(ordered)


def array_of(x: Tensor) -> Array:
    """Return an array of the numbers of a tensor, which it shares."""
    if x.dtype == torch.bfloat16:
        return x.view(torch.int16).numpy().view(ml_dtypes.bfloat16)
    return x.numpy()


def as_tuple(outputs: Tensor | Sequence[Tensor]) -> tuple[Tensor, ...]:
    """Return one output or several as a tuple, detached: a component may pass a parameter on, which has a gradient."""
    return tuple(value.detach() for value in ((outputs,) if isinstance(outputs, Tensor) else outputs))


@contextmanager
def _hook_calls(
    module: nn.Module, program: Program, keep: frozenset[str], substitutes: Values
) -> Iterator[dict[str, Tensor]]:
    """Keep or replace what the components compute while the module runs."""
    calls_of_owner: dict[str, deque[Call]] = {}
    for call in program.calls:
        calls_of_owner.setdefault(call.owner, deque()).append(call)

    kept: dict[str, Tensor] = {}
    wanted = keep | substitutes.keys()
    with ExitStack() as hooks:
        for owner, calls in calls_of_owner.items():
            if any(wanted.intersection(call.outputs) for call in calls):
                hooks.enter_context(_hook_owner(module.get_submodule(owner), calls, keep, substitutes, kept))
        yield kept


@contextmanager
def _hook_owner(
    module: nn.Module, calls: deque[Call], keep: frozenset[str], substitutes: Values, kept: dict[str, Tensor]
) -> Iterator[None]:
    """Hook one module, which runs its `calls` in running order however many there are."""

    def hook(_: nn.Module, __: Any, outputs: Tensor | tuple[Tensor, ...]) -> Tensor | tuple[Tensor, ...]:
        names = calls.popleft().outputs
        computed = zip(names, as_tuple(outputs), strict=True)
        values = tuple(substitutes[name].to(x.dtype) if name in substitutes else x for name, x in computed)
        kept.update((name, value) for name, value in zip(names, values, strict=True) if name in keep)
        return values[0] if isinstance(outputs, Tensor) else values

    handle = module.register_forward_hook(hook)
    try:
        yield
    finally:
        handle.remove()
