"""How a model is trained, as data: what `train:` of a spec says, with every name resolved and every value checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from stackc.core.value_range import ValueRange
from stackc.ir.optimizers import Optimizer, Schedule
from stackc.ir.program import Program
from stackc.ir.typed import TypedGraph

COUNT = "count"
"""The second output of a loss or metric: how much its mean is over."""

Precision = Literal["float32", "bfloat16", "float64"]
Decoder = Literal["image", "audio"]


@dataclass(frozen=True, slots=True)
class Stop:
    """End the training when a metric or the loss has not improved for `patience` epochs."""

    metric: str
    patience: int


@dataclass(frozen=True, slots=True)
class InputSource:
    """The columns that an input is made from, and how.

    columns         one of them, or several: numbers are stacked along the last axis, texts are a pair
    decode          "image" or "audio" for a column of paths; None for values as they are
    resize          whether images are resized to the size of the input
    sample_rate     the rate that waveforms have to have
    tokenizer       the tokenizer.json that makes ids of texts, as written
    classes         the texts that stand for 0, 1, 2, …
    pad             what fills up rows that are shorter than others of their batch; None if nothing does
    truncate        whether rows are cut to the largest size that the contract allows
    mask, lengths   inputs with 1 where nothing was filled up, and with the length of each row
    types           the input with the type of each token, 0 or 1
    join            whether the rows of a batch follow each other along one axis, as the nodes of graphs do
    offset          the joined input that whole numbers count the entries of
    members         the input with the number, within the batch, of the example that each joined entry belongs to
    """

    columns: tuple[str, ...]
    decode: Decoder | None = None
    resize: bool = False
    sample_rate: int | None = None
    tokenizer: str | None = None
    classes: tuple[str, ...] = ()
    pad: float | None = None
    truncate: bool = False
    mask: str | None = None
    lengths: str | None = None
    types: str | None = None
    join: bool = False
    offset: str | None = None
    members: str | None = None

    @property
    def made(self) -> tuple[str, ...]:
        """The inputs that are made beside it."""
        return tuple(name for name in (self.mask, self.lengths, self.types, self.members) if name is not None)


@dataclass(frozen=True, slots=True)
class DataSource:
    """The files of examples, as written, and how they are cut into batches.

    An input that `columns` does not name is read from the column of its name. `buckets` is how many batches are sorted
    by length together; `window` how many tokens of a file of tokens make an example. The number of `workers` changes
    nothing but the time.
    """

    batch: int
    train: str | None = None
    validation: str | None = None
    shuffle: bool = True
    columns: Mapping[str, InputSource] = field(default_factory=dict)
    buckets: int | None = None
    window: int | None = None
    workers: int = field(default=0, repr=False)


@dataclass(frozen=True, slots=True)
class ParameterGroup:
    """Parameters that are trained with one learning rate, before the schedule, and one weight decay."""

    lr: float
    weight_decay: float
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PrivacyBudget:
    """Differential privacy of the examples: (epsilon, delta), and the largest norm of the gradient of one of them."""

    epsilon: float
    delta: float
    clip: float


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
    privacy         what the weights may tell of any one example; None if that does not matter
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
    privacy: PrivacyBudget | None = None


@dataclass(frozen=True, eq=False)
class Training:
    """A model with its losses: the typed graph returns the outputs of the model, and then each mean and its count.

    `losses` and `metrics` are names of nodes, whose outputs are NAME and NAME.count; larger is better for the metrics
    in `rising`. `ranges` has what inputs may hold; files of examples are beside the spec, in `folder`, and the code of
    the modules in `trust` may run to read them.
    """

    typed: TypedGraph
    program: Program
    settings: TrainSettings
    losses: tuple[str, ...]
    metrics: tuple[str, ...]
    rising: frozenset[str]
    ranges: Mapping[str, ValueRange]
    folder: Path
    trust: tuple[str, ...] = ()
