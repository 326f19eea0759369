"""Optimizers and schedules of the learning rate, as a spec writes them: fields with ranges, defaults and meanings.

Their names and fields are those of torch.optim, which runs them; `training/optimizer.py` makes them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from stackc.components.fields import Natural, Probability, Range, Size

Rate = Annotated[float, Range(minimum=0.0), "the learning rate"]
Decay = Annotated[float, Range(minimum=0.0), "how much matrices shrink; norms and parameters with one axis do not"]
Betas = Annotated[tuple[float, ...], Range(minimum=0.0, below=1.0), "the decay of the averages of gradient and square"]
Eps = Annotated[float, Range(minimum=0.0), "what is added to the denominator"]
Factor = Annotated[float, Range(minimum=0.0, maximum=1.0), "what the learning rate is multiplied by"]


@dataclass(frozen=True, kw_only=True)
class Optimizer:
    """The base class of optimizers."""

    lr: Rate
    weight_decay: Decay = 0.0


@dataclass(frozen=True, kw_only=True)
class SGD(Optimizer):
    """Stochastic gradient descent."""

    momentum: Annotated[Probability, "the share of the last step that is kept"] = 0.0
    nesterov: Annotated[bool, "whether the gradient is taken after the momentum"] = False


@dataclass(frozen=True, kw_only=True)
class Adam(Optimizer):
    """Adam: Kingma, Ba 2014, arXiv:1412.6980."""

    lr: Rate = 1e-3
    betas: Betas = (0.9, 0.999)
    eps: Eps = 1e-8


@dataclass(frozen=True, kw_only=True)
class AdamW(Adam):
    """Adam with decoupled weight decay: Loshchilov, Hutter 2017, arXiv:1711.05101."""

    weight_decay: Decay = 1e-2


@dataclass(frozen=True, kw_only=True)
class RMSprop(Optimizer):
    """RMSprop: Hinton 2012."""

    lr: Rate = 1e-2
    alpha: Annotated[Probability, "the decay of the average of the square"] = 0.99
    eps: Eps = 1e-8
    momentum: Annotated[Probability, "the share of the last step that is kept"] = 0.0


@dataclass(frozen=True, kw_only=True)
class Adagrad(Optimizer):
    """Adagrad: Duchi, Hazan, Singer 2011, JMLR 12."""

    lr: Rate = 1e-2
    eps: Eps = 1e-10


OPTIMIZERS: dict[str, type[Optimizer]] = {
    "adagrad": Adagrad, "adam": Adam, "adamw": AdamW, "rmsprop": RMSprop, "sgd": SGD,
}  # fmt: skip
PATTERN_FIELDS = ("lr", "weight_decay")
"""The fields of optimizers that may map patterns of parameters to numbers."""


# -- schedules: all count steps, which are updates


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """The base class of schedules."""


@dataclass(frozen=True, kw_only=True)
class WarmupCosine(Schedule):
    """A line up to the learning rate, then a half cosine down."""

    warmup: Annotated[Natural, "the steps on the way up"] = 0
    final: Annotated[Factor, "the share of the learning rate at the end"] = 0.0


@dataclass(frozen=True, kw_only=True)
class WarmupLinear(Schedule):
    """A line up to the learning rate, then a line down."""

    warmup: Annotated[Natural, "the steps on the way up"] = 0
    final: Annotated[Factor, "the share of the learning rate at the end"] = 0.0


@dataclass(frozen=True, kw_only=True)
class StepDecay(Schedule):
    """A factor every so many steps."""

    step_size: Annotated[Size, "the steps between two changes"]
    gamma: Factor = 0.1


@dataclass(frozen=True, kw_only=True)
class MultiStepDecay(Schedule):
    """A factor at certain steps."""

    milestones: Annotated[tuple[int, ...], Range(minimum=1), "the steps of the changes"]
    gamma: Factor = 0.1


@dataclass(frozen=True, kw_only=True)
class ExponentialDecay(Schedule):
    """A factor at every step."""

    gamma: Factor


@dataclass(frozen=True, kw_only=True)
class OneCycle(Schedule):
    """Up, down and below the start: Smith, Topin 2017, arXiv:1708.07120. The learning rate is the highest."""

    pct_start: Annotated[Factor, "the share of the steps on the way up"] = 0.3


SCHEDULES: dict[str, type[Schedule]] = {
    "exponential": ExponentialDecay, "multi_step": MultiStepDecay, "one_cycle": OneCycle, "step": StepDecay,
    "warmup_cosine": WarmupCosine, "warmup_linear": WarmupLinear,
}  # fmt: skip
