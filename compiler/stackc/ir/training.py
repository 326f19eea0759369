"""How a model is trained, as data: what `train:` of a spec says, with every name resolved and every value checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from stackc.core.value_range import ValueRange
from stackc.ir.optimizers import Optimizer, Schedule
from stackc.ir.program import Program
from stackc.ir.typed import TypedGraph

COUNT = "count"
"""The second output of a loss or metric: how much its mean is over."""

Precision = Literal["float32", "bfloat16", "float64"]


@dataclass(frozen=True, slots=True)
class Stop:
    """End the training when a metric or the loss has not improved for `patience` epochs."""

    metric: str
    patience: int


@dataclass(frozen=True, slots=True)
class DataSource:
    """The files of examples, as written, and how they are cut into batches."""

    batch: int
    train: str | None = None
    validation: str | None = None
    shuffle: bool = True


@dataclass(frozen=True, slots=True)
class ParameterGroup:
    """Parameters that are trained with one learning rate, before the schedule, and one weight decay."""

    lr: float
    weight_decay: float
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TrainSettings:
    """The settings of the loop.

    epochs, steps   when to end; one of them is given, and `steps` counts updates
    clip            the largest norm of all gradients together
    accumulate      the number of parts that a batch is cut into, so that it fits in memory
    ema             the decay of an average of the weights, which is what is evaluated and kept
    freeze          the paths of modules that keep their weights and statistics, without dropout
    groups          the parameters that are trained; `optimizer.lr` is the highest of their learning rates
    patterns        of parameters, under `lr` and `weight_decay`, with the number of each, from which the groups follow
    checkpoint      the steps after which a checkpoint is written, besides that at the end of an epoch
    recalibrate     the batches from which the statistics of batch_norm are calculated anew before each evaluation
    """

    data: DataSource
    optimizer: Optimizer
    schedule: Schedule | None = None
    epochs: int | None = None
    steps: int | None = None
    stop: Stop | None = None
    clip: float | None = None
    accumulate: int = 1
    precision: Precision = "float32"
    seed: int = 0
    ema: float | None = None
    freeze: tuple[str, ...] = ()
    groups: tuple[ParameterGroup, ...] = ()
    patterns: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    loss_weights: Mapping[str, float] = field(default_factory=dict)
    checkpoint: int | None = None
    recalibrate: int | None = None


@dataclass(frozen=True, eq=False)
class Training:
    """A model with its losses: the typed graph returns the outputs of the model, and then each mean and its count.

    `losses` and `metrics` are names of nodes, whose outputs are NAME and NAME.count; larger is better for the metrics
    in `rising`. `ranges` has what inputs may hold.
    """

    typed: TypedGraph
    program: Program
    settings: TrainSettings
    losses: tuple[str, ...]
    metrics: tuple[str, ...]
    rising: frozenset[str]
    ranges: Mapping[str, ValueRange]
