"""One update of the weights: losses of a batch, their gradients, clipping."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor, nn

from stackc.core.diagnostics import Diagnostic, SpecError
from stackc.ir.training import COUNT, Training
from stackc.runtime import Array

Means = Mapping[str, tuple[Tensor, Tensor]]
"""The mean and the count of each loss and metric."""


@dataclass(frozen=True)
class Model:
    """The module of a model with its losses, in its place and precision."""

    module: nn.Module
    training: Training

    def means(self, feeds: Mapping[str, Array]) -> Means:
        """Run the module, and return the mean and the count of each loss and metric."""
        return self.means_of([self._tensor(feeds[name]) for name in self.training.program.inputs])

    def means_of(self, inputs: Sequence[Tensor]) -> Means:
        """Run the module on its inputs, and return the mean and the count of each loss and metric."""
        settings, program = self.training.settings, self.training.program
        reduced = torch.autocast("cpu", torch.bfloat16) if settings.precision == "bfloat16" else nullcontext()
        with reduced:
            returned = self.module(*inputs)
        outputs = dict(zip(program.outputs, returned, strict=True))
        names = (*self.training.losses, *self.training.metrics)
        return {name: (outputs[name], outputs[f"{name}.{COUNT}"]) for name in names}

    def loss(self, means: Means) -> Tensor:
        """Return the weighted sum of all losses."""
        weights = self.training.settings.loss_weights
        terms = [
            means[name][0] if weights[name] == 1 else weights[name] * means[name][0] for name in self.training.losses
        ]
        total = terms[0]
        for term in terms[1:]:
            total = total + term
        return total

    def start_training(self) -> None:
        """Put the module into training, but for what is frozen."""
        self.module.train()
        for path in self.training.settings.freeze:
            self.module.get_submodule(path).eval()

        named = list(self.module.named_parameters(remove_duplicate=False))  # tied ones under all of their names
        names = {name for group in self.training.settings.groups for name in group.names}
        trained = {id(parameter) for name, parameter in named if name in names}
        for _, parameter in named:
            parameter.requires_grad_(id(parameter) in trained)

    def _tensor(self, array: Array) -> Tensor:
        """Return a copy in PyTorch's memory: products of arrays at other addresses differ in the last digit."""
        is_double = self.training.settings.precision == "float64" and array.dtype.kind == "f"
        return torch.tensor(array, dtype=torch.float64 if is_double else None)


def update(model: Model, optimizer: torch.optim.Optimizer, feeds: Mapping[str, Array]) -> float:
    """Make one step, and return the loss of the batch; the weights stay as they are if that is not finite.

    A batch in parts has the gradients of the whole: the mean over all is Σ mean·count / Σ count. Raises SpecError L206
    if the parts of several losses count differently, so that this does not hold.
    """
    settings = model.training.settings
    optimizer.zero_grad(set_to_none=True)
    loss, counted, counts = 0.0, 0.0, list[list[float]]()

    for part in parts_of(feeds, settings.accumulate):
        means = model.means(part)
        total = model.loss(means)
        counts.append([float(means[name][1]) for name in model.training.losses])
        count = counts[-1][0]
        counted += count
        share = count / counted if counted else 1.0
        if share < 1:
            _scale_gradients(model.module, 1 - share)
        (total if share == 1 else total * share).backward()
        loss += (total.item() - loss) * share

    if not _are_proportional(counts):
        message = "the losses count differently in the parts of a batch, so that their sum cannot be accumulated"
        raise SpecError(Diagnostic("L206", message, hint="write `accumulate: 1`, or a single loss"))
    if not np.isfinite(loss):
        return loss
    if settings.clip is not None:
        nn.utils.clip_grad_norm_(model.module.parameters(), settings.clip)
    optimizer.step()
    return loss


def parts_of(feeds: Mapping[str, Array], count: int) -> Iterator[Mapping[str, Array]]:
    """Cut a batch along its first axis into so many parts, as equal as possible, or as many as it has examples."""
    size = min(len(array) for array in feeds.values())
    ends = [size * part // count for part in range(count + 1)]
    for start, end in pairwise(ends):
        if end > start:
            yield {name: array[start:end] for name, array in feeds.items()}


def _are_proportional(counts: list[list[float]]) -> bool:
    """Return whether the counts of all losses keep one ratio in every part."""
    totals = [sum(column) for column in zip(*counts, strict=True)]
    return all(
        abs(count * totals[0] - total * part[0]) <= 1e-9 * total * totals[0]
        for part in counts
        for count, total in zip(part, totals, strict=True)
    )


def _scale_gradients(module: nn.Module, factor: float) -> None:
    for parameter in module.parameters():
        if parameter.grad is not None:
            parameter.grad.mul_(factor)
