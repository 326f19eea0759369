"""Means over all examples, and the average of weights over steps."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping

import numpy as np
import torch
from torch import nn

from stackc.ir.training import Training
from stackc.resolve.train_settings import TOTAL
from stackc.training.examples import Examples
from stackc.training.ranks import ALONE, Ranks
from stackc.training.step import Model


@torch.no_grad()
def evaluate_model(model: Model, examples: Examples, batch: int, ranks: Ranks = ALONE) -> dict[str, float]:
    """Return each loss and metric over all examples, of which each rank has a share; the module in eval after that."""
    model.module.eval()
    parts = ((model.means(part.batch.feeds), part) for part in ranks.batches(examples, batch, np.arange(len(examples))))
    numbers = (
        {name: (float(mean), float(count)) for name, (mean, count) in means.items()}
        for means, part in parts
        if part.is_counted
    )
    return joined_means(model.training, numbers, ranks)


def joined_means(
    training: Training, parts: Iterable[Mapping[str, tuple[float, float]]], ranks: Ranks = ALONE
) -> dict[str, float]:
    """Return the means over all parts of all ranks, whose means and counts these are: Σ mean·count / Σ count.

    Several losses have a `total`, their weighted sum.
    """
    names = (*training.losses, *training.metrics)
    totals, counts = dict.fromkeys(names, 0.0), dict.fromkeys(names, 0.0)
    for part in parts:
        for name, (mean, count) in part.items():
            totals[name] += mean * count
            counts[name] += count

    totals, counts = (dict(zip(names, ranks.sums([*sums.values()]), strict=True)) for sums in (totals, counts))
    means = {name: totals[name] / counts[name] if counts[name] else 0.0 for name in names}
    if len(training.losses) == 1:
        return means
    weights = training.settings.loss_weights
    return {TOTAL: sum(weights[name] * means[name] for name in training.losses)} | means


def averaged_copy(module: nn.Module) -> nn.Module:
    """Return a copy of a module, for the average of its weights."""
    return copy.deepcopy(module).requires_grad_(False)


@torch.no_grad()
def move_average(average: nn.Module, module: nn.Module, decay: float) -> None:
    """Move an average of weights towards those of a module; statistics are taken as they are."""
    for kept, parameter in zip(average.parameters(), module.parameters(), strict=True):
        kept.lerp_(parameter, 1 - decay)
    for statistic, buffer in zip(average.buffers(), module.buffers(), strict=True):
        statistic.copy_(buffer)
