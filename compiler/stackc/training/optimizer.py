"""The optimizer of torch.optim that a spec asks for, and the learning rate at each step."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import fields
from typing import Any

import torch
from torch import nn

from stackc.core.diagnostics import Diagnostic, SpecError
from stackc.ir.optimizers import (
    SGD,
    Adagrad,
    Adam,
    AdamW,
    ExponentialDecay,
    MultiStepDecay,
    OneCycle,
    Optimizer,
    RMSprop,
    Schedule,
    StepDecay,
    WarmupCosine,
    WarmupLinear,
)
from stackc.ir.training import ParameterGroup

_CLASSES: dict[type[Optimizer], type[torch.optim.Optimizer]] = {
    Adagrad: torch.optim.Adagrad, Adam: torch.optim.Adam, AdamW: torch.optim.AdamW,
    RMSprop: torch.optim.RMSprop, SGD: torch.optim.SGD,
}  # fmt: skip


def make_optimizer(settings: Optimizer, module: nn.Module, trained: Sequence[ParameterGroup]) -> torch.optim.Optimizer:
    """Return the optimizer of groups of the parameters of a module, each with its learning rate and weight decay.

    Raises SpecError L107 if there are none.
    """
    if not trained:
        raise SpecError(Diagnostic("L107", "the model has no parameters, so there is nothing to train"))
    parameters = dict(module.named_parameters(remove_duplicate=False))
    groups: list[dict[str, Any]] = [
        {
            "params": [parameters[name] for name in group.names],
            "share": group.lr / settings.lr if settings.lr else 1.0,
            "weight_decay": group.weight_decay,
        }
        for group in trained
    ]
    options = {field.name: getattr(settings, field.name) for field in fields(settings)}
    optimizer = _CLASSES[type(settings)](groups, **options)
    set_rate(optimizer, settings.lr)
    return optimizer


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Set the highest learning rate, and with it those of all groups."""
    for group in optimizer.param_groups:
        group["lr"] = rate * group["share"]


def rate_factor(schedule: Schedule | None, step: int, total: int) -> float:
    """Return what the learning rate is multiplied by at a step, counted from 0, of `total` steps."""
    match schedule:
        case WarmupCosine() | WarmupLinear():
            return _after_warmup(schedule, step, total)
        case StepDecay():
            return schedule.gamma ** (step // schedule.step_size)
        case MultiStepDecay():
            return schedule.gamma ** sum(step >= milestone for milestone in schedule.milestones)
        case ExponentialDecay():
            return schedule.gamma**step
        case OneCycle():
            return _one_cycle(schedule.pct_start, step, total)
    return 1.0


def _after_warmup(schedule: WarmupCosine | WarmupLinear, step: int, total: int) -> float:
    if step < schedule.warmup:
        return (step + 1) / schedule.warmup
    progress = min(1.0, (step - schedule.warmup) / max(1, total - schedule.warmup))
    left = (1 + math.cos(math.pi * progress)) / 2 if isinstance(schedule, WarmupCosine) else 1 - progress
    return schedule.final + (1 - schedule.final) * left


def _one_cycle(rising: float, step: int, total: int) -> float:
    """From 1/25 up to 1, then down to 1/250,000, as torch.optim.lr_scheduler.OneCycleLR."""
    peak = rising * total - 1
    if step <= peak:
        return _between(1 / 25, 1.0, step / peak if peak > 0 else 1.0)
    return _between(1.0, 1 / 250_000, min(1.0, (step - peak) / max(1e-12, total - 1 - peak)))


def _between(start: float, end: float, share: float) -> float:
    return end + (start - end) / 2 * (1 + math.cos(math.pi * share))
