"""Learning rates against torch.optim.lr_scheduler and closed forms."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.optim import lr_scheduler

from stackc.core.diagnostics import SpecError
from stackc.ir.optimizers import (
    OPTIMIZERS,
    AdamW,
    ExponentialDecay,
    MultiStepDecay,
    OneCycle,
    Schedule,
    StepDecay,
    WarmupCosine,
    WarmupLinear,
)
from stackc.ir.training import ParameterGroup
from stackc.training.optimizer import make_optimizer, rate_factor, set_rate

Scheduler = Callable[[torch.optim.Optimizer], lr_scheduler.LRScheduler]

TORCH: list[tuple[Schedule, Scheduler]] = [
    (StepDecay(step_size=3, gamma=0.5), lambda o: lr_scheduler.StepLR(o, 3, 0.5)),
    (MultiStepDecay(milestones=(2, 7), gamma=0.1), lambda o: lr_scheduler.MultiStepLR(o, [2, 7], 0.1)),
    (ExponentialDecay(gamma=0.9), lambda o: lr_scheduler.ExponentialLR(o, 0.9)),
    (OneCycle(pct_start=0.3), lambda o: lr_scheduler.OneCycleLR(o, 1.0, total_steps=20, cycle_momentum=False)),
    (WarmupCosine(), lambda o: lr_scheduler.CosineAnnealingLR(o, 20)),
    (WarmupLinear(final=0.1), lambda o: lr_scheduler.LinearLR(o, 1.0, 0.1, total_iters=20)),
]


@pytest.mark.parametrize(("schedule", "scheduler"), TORCH, ids=lambda each: type(each).__name__)
def test_rates_are_those_of_torch(schedule: Schedule, scheduler: Scheduler) -> None:
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    theirs = scheduler(optimizer)
    rates = []
    for _ in range(20):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        theirs.step()
    assert [rate_factor(schedule, step, 20) for step in range(20)] == pytest.approx(rates, rel=1e-9, abs=1e-12)


def test_warmup_is_a_line() -> None:
    schedule = WarmupCosine(warmup=4, final=0.5)
    factors = [rate_factor(schedule, step, 10) for step in range(11)]
    assert factors[:5] == [0.25, 0.5, 0.75, 1.0, 1.0]
    assert factors[7] == pytest.approx(0.5 + 0.25 * (1 + math.cos(math.pi / 2)))
    assert factors[10] == 0.5


@pytest.mark.parametrize("make", OPTIMIZERS.values())
def test_every_optimizer_makes_a_step(make: type) -> None:
    module = nn.Linear(2, 1)
    before = module.weight.clone()
    optimizer = make_optimizer(make(lr=0.1), module, [ParameterGroup(0.1, 0.0, ("weight", "bias"))])
    module(torch.ones(1, 2)).sum().backward()
    optimizer.step()
    assert not torch.equal(module.weight, before)


def test_error_a_model_without_parameters() -> None:
    with pytest.raises(SpecError, match=r"L107.*the model has no parameters"):
        make_optimizer(AdamW(), nn.ReLU(), [])


def test_rates_of_groups_keep_their_proportion() -> None:
    groups = [ParameterGroup(0.2, 0.0, ("weight",)), ParameterGroup(0.05, 0.1, ("bias",))]
    optimizer = make_optimizer(AdamW(lr=0.2), nn.Linear(2, 1), groups)
    assert [(group["lr"], group["weight_decay"]) for group in optimizer.param_groups] == [(0.2, 0.0), (0.05, 0.1)]
    set_rate(optimizer, 0.1)
    assert [group["lr"] for group in optimizer.param_groups] == [0.1, 0.025]
