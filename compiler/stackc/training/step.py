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
from stackc.training.ranks import RankBatch, Ranks

Means = Mapping[str, tuple[Tensor, Tensor]]
"""The mean and the count of each loss and metric."""


@dataclass(frozen=True)
class Model:
    """The module of a model with its losses, in its place and precision.

    `wrapped` runs in its stead where ranks join their gradients.
    """

    module: nn.Module
    training: Training
    wrapped: nn.Module | None = None

    def means(self, feeds: Mapping[str, Array]) -> Means:
        """Run the module, and return the mean and the count of each loss and metric."""
        return self.means_of(self.tensors(feeds))

    def tensors(self, feeds: Mapping[str, Array]) -> list[Tensor]:
        """Return feeds as the inputs of the module."""
        return [self._tensor(feeds[name]) for name in self.training.program.inputs]

    def means_of(self, inputs: Sequence[Tensor]) -> Means:
        """Run the module on its inputs, and return the mean and the count of each loss and metric."""
        settings, program = self.training.settings, self.training.program
        reduced = torch.autocast("cpu", torch.bfloat16) if settings.precision == "bfloat16" else nullcontext()
        with reduced:
            returned = (self.wrapped or self.module)(*inputs)
        outputs = dict(zip(program.outputs, returned, strict=True))
        names = (*self.training.losses, *self.training.metrics)
        return {name: (outputs[name], outputs[f"{name}.{COUNT}"]) for name in names}

    def loss(self, means: Means, factors: Mapping[str, float] | None = None) -> Tensor:
        """Return the weighted sum of all losses, each times its factor."""
        weights = self.training.settings.loss_weights
        if factors is not None:
            weights = {name: weight * factors[name] for name, weight in weights.items()}
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


def update(model: Model, optimizer: torch.optim.Optimizer, batch: RankBatch) -> float:
    """Make one step, and return the loss of the batch; the weights stay as they are if that is not finite.

    A batch in parts has the gradients of the whole: the mean over all is Σ mean·count / Σ count, over the parts as over
    the ranks. Raises SpecError L206 if the parts of several losses count differently, so that this does not hold.
    """
    settings, ranks = model.training.settings, batch.ranks
    optimizer.zero_grad(set_to_none=True)
    loss, counted, counts = 0.0, 0.0, list[list[float]]()

    for feeds, is_counted in parts_of(batch, settings.accumulate):
        part = _PartLoss.of(model, model.means(feeds), ranks, is_counted=is_counted)
        counts.append(part.counts)
        counted += part.counts[0]
        share = part.counts[0] / counted if counted else 1.0
        if share < 1:
            _scale_gradients(optimizer, 1 - share)
        (part.total if share == 1 else part.total * share).backward()
        loss += (part.mean - loss) * share

    if not _are_proportional(counts):
        message = "the losses count differently in the parts of a batch, so that their sum cannot be accumulated"
        ranks.agree(SpecError(Diagnostic("L206", message, hint="write `accumulate: 1`, or a single loss")))
    if not np.isfinite(loss):
        return loss
    if settings.clip is not None:
        nn.utils.clip_grad_norm_(model.module.parameters(), settings.clip)
    optimizer.step()
    return loss


@dataclass(frozen=True)
class _PartLoss:
    """The loss of a part of a batch, of which each rank has a share.

    mean     the weighted sum of the means over the shares of all ranks
    counts   the count of each loss, over all ranks
    total    this rank's term, so that the mean of the terms of all ranks, and of their gradients, is that of the part
    """

    mean: float
    counts: list[float]
    total: Tensor

    @staticmethod
    def of(model: Model, means: Means, ranks: Ranks, *, is_counted: bool) -> _PartLoss:
        """Join what the ranks have: of each loss Σ mean·count / Σ count. The means of one that does not count are 0."""
        names, weights = model.training.losses, model.training.settings.loss_weights
        counts = [means[name][1].item() if is_counted else 0.0 for name in names]
        if ranks.count == 1:
            total = model.loss(means)
            return _PartLoss(total.item(), counts, total)

        sums = [means[name][0].item() * count if is_counted else 0.0 for name, count in zip(names, counts, strict=True)]
        joined = ranks.sums([*counts, *sums])
        totals, numerators = joined[: len(names)], joined[len(names) :]
        rows = [*zip(names, counts, totals, numerators, strict=True)]
        factors = {name: ranks.count * count / total if total else 0.0 for name, count, total, _ in rows}
        mean = sum(weights[name] * numerator / total for name, _, total, numerator in rows if total)
        return _PartLoss(mean, totals, model.loss(means, factors))


def parts_of(batch: RankBatch, count: int) -> Iterator[tuple[Mapping[str, Array], bool]]:
    """Cut a batch along its first axis into so many parts, as equal as possible, or as many as it has examples.

    All ranks have as many parts as that with the most examples; what a rank lacks is a part that does not count.
    """
    feeds = batch.batch.feeds
    if count == 1:
        yield feeds, batch.is_counted  # joined examples differ in length, and have no first axis to cut
        return

    size, parts = min(len(array) for array in feeds.values()), min(count, batch.largest)
    ends = [size * part // parts for part in range(parts + 1)]
    for start, end in pairwise(ends):
        is_there = end > start
        yield (
            {n: array[start:end] if is_there else array[:1] for n, array in feeds.items()},
            batch.is_counted and is_there,
        )


def _are_proportional(counts: list[list[float]]) -> bool:
    """Return whether the counts of all losses keep one ratio in every part."""
    totals = [sum(column) for column in zip(*counts, strict=True)]
    return all(
        abs(count * totals[0] - total * part[0]) <= 1e-9 * total * totals[0]
        for part in counts
        for count, total in zip(part, totals, strict=True)
    )


def _scale_gradients(optimizer: torch.optim.Optimizer, factor: float) -> None:
    """Scale what the optimizer sees: after a forward pass the module of a rank may hold gathered weights instead."""
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            if parameter.grad is not None:
                parameter.grad.mul_(factor)
