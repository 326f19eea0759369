"""The components and blocks that an output is attributed to beside the inputs: those drawn down to a depth."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from stackc.core.diagnostics import Span
from stackc.ir.program import Program


@dataclass(frozen=True, slots=True)
class AttributedPart:
    """A component, a block or a stack by its path, with what it is, and where the spec draws it."""

    path: str
    op: str
    span: Span


def attributed_parts(module: nn.Module, program: Program, depth: int) -> tuple[AttributedPart, ...]:
    """Return the parts of a model at a depth, in running order.

    A stack in series is opened, since its layers are what runs. A module that is called several times has no single
    output, so it is left out, like one that is the output of the model itself.
    """
    calls = Counter(call.owner for call in program.calls)
    frames = {frame.path: frame for frame in program.frames}
    series = {path for path in frames if isinstance(module.get_submodule(path), nn.ModuleList)}

    parts: dict[str, AttributedPart] = {}
    for call in program.calls:
        path, left = "", depth
        for name in call.path.split("."):
            path = f"{path}.{name}" if path else name
            if path in series:
                continue
            left -= 1
            if left == 0 or path == call.path:
                break
        if path in frames:
            parts.setdefault(path, AttributedPart(path, frames[path].name, frames[path].span))
        elif calls[call.owner] == 1:
            parts[path] = AttributedPart(path, call.component.op, call.span)
    shared = {part.path for part in parts.values() if _is_shared(part.path, program)}
    return tuple(part for path, part in parts.items() if path not in shared)


def _is_shared(path: str, program: Program) -> bool:
    """Return whether another part of the model runs a module inside of this one."""
    inside = f"{path}."
    return any(
        (call.owner == path or call.owner.startswith(inside)) != (call.path == path or call.path.startswith(inside))
        for call in program.calls
    )


def parts_with_gradient(
    model: nn.Module, module: nn.Module, parts: tuple[AttributedPart, ...], features: tuple[Tensor, ...]
) -> tuple[AttributedPart, ...]:
    """Return the parts whose every output is a float that the attributed number depends on."""
    outputs, number = _outputs_of_parts(model, module, parts, features)
    kept = [part for part in parts if all(y.requires_grad for y in outputs.get(part.path, ())) and part.path in outputs]
    wanted = [y for part in kept for y in outputs[part.path]]
    if not wanted:
        return ()
    gradients = iter(torch.autograd.grad(number.sum(), wanted, allow_unused=True))
    found = {part.path: [next(gradients) for _ in outputs[part.path]] for part in kept}
    return tuple(part for part in kept if all(gradient is not None for gradient in found[part.path]))


def conductances(
    model: nn.Module,
    module: nn.Module,
    parts: tuple[AttributedPart, ...],
    features: tuple[Tensor, ...],
    baselines: tuple[Tensor, ...],
    steps: int,
) -> dict[AttributedPart, float]:
    """Return the conductance of each part whose outputs have no axis of examples, point by point.

    Captum's LayerConductance runs all points as one batch, which such a model has no place for. The sum is the same:
    Σ ∂f/∂y(xₖ) · (y(xₖ₊₁) − y(xₖ)) over points xₖ from the baseline to the input (Dhamdhere et al. 2018).
    """
    sums = dict.fromkeys(parts, 0.0)
    before: dict[str, list[tuple[Tensor, Tensor]]] = {}
    for share in torch.linspace(0, 1, steps + 1).tolist():
        point = tuple(b + share * (x - b) for x, b in zip(features, baselines, strict=True))
        outputs, number = _outputs_of_parts(model, module, parts, point)
        gradients = iter(torch.autograd.grad(number.sum(), [y for part in parts for y in outputs[part.path]]))
        here = {part.path: [(y.detach(), next(gradients)) for y in outputs[part.path]] for part in parts}
        for part in parts if before else ():
            pairs = zip(before[part.path], here[part.path], strict=True)
            sums[part] += sum((slope * (y - earlier)).double().sum().item() for (earlier, slope), (y, _) in pairs)
        before = here
    return sums


def _outputs_of_parts(
    model: nn.Module, module: nn.Module, parts: tuple[AttributedPart, ...], features: tuple[Tensor, ...]
) -> tuple[dict[str, tuple[Tensor, ...]], Tensor]:
    """Run the model, and return the outputs of each part by its path, beside the attributed number."""
    outputs: dict[str, tuple[Tensor, ...]] = {}

    def keeping(path: str, output: Tensor | tuple[Tensor, ...]) -> None:
        outputs[path] = (output,) if isinstance(output, Tensor) else tuple(output)

    handles = [
        module.get_submodule(part.path).register_forward_hook(lambda _, __, y, path=part.path: keeping(path, y))
        for part in parts
    ]
    try:
        return outputs, model(*(x.clone().requires_grad_() for x in features))
    finally:
        for handle in handles:
            handle.remove()
