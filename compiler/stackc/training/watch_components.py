"""`--watch-components`: norms of activations and gradients by component, and where gradients vanish or explode.

Means over the steps of an epoch of three numbers a step, each of the first part of the batch under `accumulate`:

activation            the root mean square of the elements that the component returns
activation_gradient   the Euclidean norm of the gradient of the loss with respect to them
weight_gradient       the Euclidean norm of the gradient with respect to its parameters, before `clip`

The components are those of the model, without its losses. Gradients vanish at one whose activation_gradient is less
than 1e-6 of the largest of all, and explode at one where it is more than 1,000 times that of the last one
in running order.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from stackc.ir.program import Program

VANISHING, EXPLODING = 1e-6, 1e3

KINDS = ("activation", "activation_gradient", "weight_gradient")

Norms = dict[str, list[float | None]]
"""By path of a component, the numbers of KINDS; None for a gradient that nothing asked for."""


@dataclass
class _Sums:
    """Sums of squares of one step."""

    squares: dict[str, float] = field(default_factory=dict)
    elements: int = 0

    def add(self, kind: str, tensor: Tensor) -> None:
        square = float(tensor.detach().double().square().sum())
        self.squares[kind] = self.squares.get(kind, 0.0) + square

    def norms(self) -> list[float | None]:
        """Return the numbers of KINDS."""
        roots = {kind: math.sqrt(square) for kind, square in self.squares.items()}
        if "activation" in roots:
            roots["activation"] /= math.sqrt(max(1, self.elements))
        return [roots.get(kind) for kind in KINDS]


class ComponentWatch:
    """Hooks on the modules of all components; `step` adds what they saw to the sums of an epoch."""

    def __init__(self, module: nn.Module, program: Program) -> None:
        self._module = module
        self._calls = {call.owner: call for call in program.calls}
        self._sums: dict[str, _Sums] = {}
        self._parts = 0

    @contextmanager
    def attached(self) -> Iterator[None]:
        """Have the hooks on the module."""
        handles = [self._module.register_forward_pre_hook(self._part_hook())]
        for path in self._calls:
            part = self._module.get_submodule(path)
            handles.append(part.register_forward_hook(self._forward_hook(path)))
            handles += [each.register_hook(self._gradient_hook(path)) for each in _trained(part)]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def step(self, sums: Norms) -> None:
        """Add the norms of a step to those of its epoch, and forget them."""
        for path, seen in self._sums.items():
            before = sums.get(path, [None] * len(KINDS))
            sums[path] = [_sum(*pair) for pair in zip(before, seen.norms(), strict=True)]
        self._sums, self._parts = {}, 0

    def findings(self, means: Mapping[str, Mapping[str, float]]) -> list[dict[str, Any]]:
        """Return where gradients vanish or explode, with the line of the spec."""
        gradients = {path: each["activation_gradient"] for path, each in means.items() if "activation_gradient" in each}
        if not gradients:
            return []
        largest, last = max(gradients.values()), gradients[list(gradients)[-1]]
        found = []
        for path, gradient in gradients.items():
            if gradient < VANISHING * largest:
                found.append(self._finding(path, "vanish", gradient / largest, "the largest"))
            elif gradient > EXPLODING * last:
                ratio = gradient / last if last else math.inf
                found.append(self._finding(path, "explode", ratio, "that of the last component"))
        return found

    def _finding(self, path: str, what: str, ratio: float, of: str) -> dict[str, Any]:
        call = self._calls[path]
        message = f"gradients {what} at '{path}' ({call.component.op}): their norm is {ratio:.1e} of {of}"
        number = ratio if math.isfinite(ratio) else None  # JSON has no infinity
        return {"path": path, "gradients": what, "ratio": number, "line": str(call.span), "message": message}

    # -- hooks; they are functions, so that a copy of the module shares them, and run in training alone

    def _part_hook(self) -> Callable[[nn.Module, object], None]:
        def hook(module: nn.Module, inputs: object) -> None:
            if torch.is_grad_enabled():
                self._parts += 1

        return hook

    @property
    def _is_watching(self) -> bool:
        return torch.is_grad_enabled() and self._parts == 1

    def _forward_hook(self, path: str) -> Callable[[nn.Module, object, object], None]:
        def hook(module: nn.Module, inputs: object, output: object) -> None:
            if not self._is_watching:
                return
            sums = self._sums.setdefault(path, _Sums())
            for tensor in output if isinstance(output, tuple) else (output,):
                if isinstance(tensor, Tensor) and tensor.is_floating_point():
                    sums.add("activation", tensor)
                    sums.elements += tensor.numel()
                    if tensor.requires_grad:
                        tensor.register_hook(lambda gradient: sums.add("activation_gradient", gradient))

        return hook

    def _gradient_hook(self, path: str) -> Callable[[Tensor], None]:
        def hook(gradient: Tensor) -> None:
            if self._parts == 1:
                self._sums.setdefault(path, _Sums()).add("weight_gradient", gradient)

        return hook


def epoch_means(sums: Norms, steps: int) -> dict[str, dict[str, float]]:
    """Return the means over the steps of an epoch, by component and kind."""
    return {
        path: {kind: value / steps for kind, value in zip(KINDS, values, strict=True) if value is not None}
        for path, values in sums.items()
    }


def _trained(module: nn.Module) -> list[nn.Parameter]:
    return [parameter for parameter in module.parameters() if parameter.requires_grad]


def _sum(before: float | None, value: float | None) -> float | None:
    return before if value is None else value if before is None else before + value
