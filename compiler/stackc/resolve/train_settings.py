"""The settings under `train:`, with expressions over params evaluated and every value held to its range."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any, TypeVar

from stackc.components.fields import Natural, Probability, Range, Size, dataclass_fields
from stackc.core.diagnostics import Collector, Span, SpecError, did_you_mean
from stackc.core.types import Dim
from stackc.ir.model import Graph
from stackc.ir.optimizers import OPTIMIZERS, PATTERN_FIELDS, SCHEDULES, Adam, Optimizer, Schedule
from stackc.ir.program import Program
from stackc.ir.training import DataSource, ParameterGroup, Precision, PrivacyBudget, Stop, TrainSettings
from stackc.resolve.fields import decode
from stackc.resolve.scope import Scope
from stackc.resolve.train_columns import read_columns
from stackc.resolve.train_parameters import Pattern, Patterns, parameter_groups
from stackc.resolve.train_privacy import refuse_with_privacy
from stackc.spec.document import TrainDecl
from stackc.spec.includes import SpecFiles
from stackc.spec.yaml.getters import Getter
from stackc.spec.yaml.tree import Entry, Value

T = TypeVar("T")
COLUMNS = "columns"
PRIVACY_EXAMPLE = "privacy: {epsilon: 3, delta: 1e-5, clip: 1.0}"
TOTAL = "total"
"""The name of the weighted sum of several losses, where a metric is named."""


@dataclass(frozen=True, kw_only=True)
class Loop:
    """The single values among the settings."""

    epochs: Annotated[Size | None, "how many times all examples are seen"] = None
    steps: Annotated[Size | None, "how many updates are made"] = None
    clip: Annotated[float | None, Range(minimum=1e-12), "the largest norm of all gradients together"] = None
    accumulate: Annotated[Size, "how many parts a batch is cut into"] = 1
    precision: Annotated[Precision, "the type that the model computes in"] = "float32"
    seed: Annotated[int, Range(minimum=0), "the seed of weights, order and dropout"] = 0
    ema: Annotated[Probability | None, "the decay of an average of the weights"] = None
    recalibrate: Annotated[Size | None, "the batches that statistics of batch_norm are calculated from anew"] = None


@dataclass(frozen=True, kw_only=True)
class Files:
    """The mapping `data`."""

    batch: Annotated[Size, "how many examples make a step"]
    train: Annotated[str | None, "the file or folder of examples"] = None
    validation: Annotated[str | None, "the file that is evaluated after each epoch"] = None
    shuffle: Annotated[bool, "whether each epoch has an order of its own"] = True
    buckets: Annotated[Size | None, "how many batches are sorted by length together"] = None
    window: Annotated[Size | None, "how many tokens of a file of tokens make an example"] = None
    workers: Annotated[Natural, "how many threads prepare the batches to come"] = 0


@dataclass(frozen=True, kw_only=True)
class Patience:
    """The mapping `stop`."""

    metric: Annotated[str, "the metric that has to improve, or total"]
    patience: Annotated[Size, "the epochs to wait for that"]


@dataclass(frozen=True, kw_only=True)
class Checkpoints:
    """The mapping `checkpoint`."""

    every: Annotated[Size, "the steps after which one is written"]


@dataclass(frozen=True, kw_only=True)
class Privacy:
    """The mapping `privacy`."""

    epsilon: Annotated[float, Range(minimum=1e-12), "the budget: how much the weights may tell of an example"]
    delta: Annotated[float, Range(minimum=1e-30, below=1.0), "the probability that they tell more"]
    clip: Annotated[float, Range(minimum=1e-12), "the largest norm of the gradient of one example"]


def read_settings(
    train: TrainDecl, graph: Graph, program: Program, losses: Collection[str], metrics: Collection[str]
) -> TrainSettings:
    """Return the settings of a train graph with these losses and metrics.

    Raises SpecError with everything that is wrong: N309, N310 and N311 for fields, S006 for what is missing, L104 for
    names that nothing has, L231 for settings that do not go with `privacy`.
    """
    reader = _SettingsReader(train.settings, spec_scope(graph), train.span)
    loop = reader.mapping_of(Loop, {key: train.settings[key] for key in LOOP_KEYS if key in train.settings}, "train")
    data = reader.mapping("data", Files, "data: {train: …, batch: 64}", without=(COLUMNS,))
    columns = read_columns(reader.columns, program.inputs, program.contract, reader.mapping_of, reader.diagnostics)
    stop = reader.mapping("stop", Patience) if "stop" in train.settings else None
    checkpoint = reader.mapping("checkpoint", Checkpoints) if "checkpoint" in train.settings else None
    privacy = reader.mapping("privacy", Privacy, PRIVACY_EXAMPLE) if "privacy" in train.settings else None
    optimizer, patterns = reader.optimizer()
    schedule = reader.choice("schedule", SCHEDULES, Schedule())
    weights, freeze = reader.loss_weights(losses), reader.freeze(program)
    groups: tuple[ParameterGroup, ...] = ()
    if optimizer:
        groups = parameter_groups(program, freeze, optimizer, patterns, train.span, reader.diagnostics)

    reader.check_end(loop)
    reader.check_stop(stop, (*losses, *metrics, *[TOTAL] * (len(losses) > 1)))
    if loop and loop.accumulate > 1 and any(source.join for source in columns.values()):
        message = "a batch of joined examples cannot be cut into parts"
        reader.diagnostics.error("L108", message, train.settings["accumulate"].key, "write `accumulate: 1`")
    if privacy:
        refuse_with_privacy(train.settings, columns, reader.diagnostics)
    reader.diagnostics.raise_if_any()

    assert loop, "whatever is wrong is reported"
    assert data, "whatever is wrong is reported"
    assert optimizer, "whatever is wrong is reported"
    return TrainSettings(
        data=DataSource(
            columns=columns, **{field.name: getattr(data, field.name) for field in dataclass_fields(Files)}
        ),
        optimizer=optimizer,
        schedule=None if type(schedule) is Schedule else schedule,
        stop=Stop(stop.metric, stop.patience) if stop else None,
        freeze=freeze,
        groups=groups,
        patterns={key: {each.text: each.number for each in each_of} for key, each_of in patterns.items()},
        checkpoint=checkpoint.every if checkpoint else None,
        privacy=PrivacyBudget(privacy.epsilon, privacy.delta, privacy.clip) if privacy else None,
        loss_weights=weights,
        **{name: getattr(loop, name) for name in LOOP_KEYS},
    )


LOOP_KEYS = tuple(field.name for field in dataclass_fields(Loop))


def spec_scope(graph: Graph) -> Scope:
    """Return the names that expressions may use: the params and dims of the spec."""
    document = graph.document
    dims = {name: Dim.symbol(name, limits.multiple_of) for name, limits in graph.contract.items()}
    files = SpecFiles.around(document.file)
    return Scope({**dims, **graph.params}, document.blocks, document.file, files, Collector())


@dataclass(frozen=True)
class _SettingsReader:
    """Reads settings as dataclasses, whose annotations say what each field may be."""

    settings: Mapping[str, Entry]
    scope: Scope
    span: Span

    @property
    def diagnostics(self) -> Collector:
        return self.scope.diagnostics

    def mapping(self, key: str, make: type[T], example: str = "", without: tuple[str, ...] = ()) -> T | None:
        """Read the mapping under a key `without` some of its entries; None, reported, if it is missing or wrong."""
        entry = self.settings.get(key)
        if entry is None:
            self.diagnostics.error("S006", f"train has no `{key}`", self.span, f"for example `{example}`")
            return None
        if not isinstance(entry.value.data, Mapping):
            example = example or f"{key}: {{{', '.join(f'{spec.name}: …' for spec in dataclass_fields(make))}}}"
            message = f"train.{key} must be a mapping, but is {entry.value.kind}"
            self.diagnostics.error("S005", message, entry.value.span, f"for example `{example}`")
            return None
        entries = {name: item for name, item in entry.value.data.items() if name not in without}
        return self.mapping_of(make, entries, f"train.{key}", entry)

    def check_end(self, loop: Loop | None) -> None:
        """Report S006 unless one of `epochs` and `steps` says when the training ends."""
        if loop and (loop.epochs is None) == (loop.steps is None):
            both = loop.epochs is not None
            message = "train has both `epochs` and `steps`" if both else "train says neither `epochs` nor `steps`"
            hint = "keep one of the two" if both else "say when it ends: `epochs: …` or `steps: …`"
            self.diagnostics.error("S006", message, self.span, hint)

    def check_stop(self, stop: Patience | None, known: Collection[str]) -> None:
        """Report L104 if `stop` watches what is neither a loss nor a metric."""
        if stop is None or stop.metric in known:
            return
        message = f"train.stop.metric names '{stop.metric}', which is no metric"
        written = self.settings["stop"].value.data
        span = written["metric"].value.span if isinstance(written, Mapping) else self.span
        self.diagnostics.error("L104", message, span, did_you_mean(stop.metric, known))

    @property
    def columns(self) -> Entry | None:
        """The mapping `columns` of the data, None if there is none."""
        data = self.settings["data"].value.data if "data" in self.settings else None
        return data.get(COLUMNS) if isinstance(data, Mapping) else None

    def mapping_of(
        self, make: type[T], entries: Mapping[str, Entry], what: str, entry: Entry | None = None
    ) -> T | None:
        """Return a dataclass with these entries as its fields; None, reported, if any is unknown, missing or wrong."""
        specs, values = {spec.name: spec for spec in dataclass_fields(make)}, dict[str, Any]()
        for name, item in entries.items():
            if name not in specs:
                self.diagnostics.error("N309", f"{what} has no field '{name}'", item.key, did_you_mean(name, specs))
                continue
            try:
                values[name] = decode(specs[name], item.value, self.scope, what)
            except SpecError as error:
                self.diagnostics.extend(error)

        missing = [name for name, spec in specs.items() if spec.required and name not in entries]
        if missing and entry and len(values) == len(entries):
            hint = f"write `{missing[0]}: …` ({specs[missing[0]].doc})"
            self.diagnostics.error("N311", f"{what} needs the field '{missing[0]}'", entry.key, hint)
        return make(**values) if not missing and len(values) == len(entries) else None

    def choice(self, key: str, table: Mapping[str, type[T]], default: T) -> T | None:
        """Read `{op: adamw, lr: 3e-4}`, or the op alone; None, reported, if it is wrong."""
        entry = self.settings.get(key)
        if entry is None:
            return default
        entries = dict(entry.value.data) if isinstance(entry.value.data, Mapping) else {}
        op = entries.pop("op").value if "op" in entries else entry.value
        if not isinstance(op.data, str) or op.data not in table:
            message = f"train.{key} must name one of {', '.join(table)}"
            hint = did_you_mean(op.data, table) if isinstance(op.data, str) else f"write `op: {next(iter(table))}`"
            self.diagnostics.error("L104", message, op.span, hint)
            return None
        return self.mapping_of(table[op.data], entries, f"train.{key} ({op.data})", entry)

    def optimizer(self) -> tuple[Optimizer | None, Patterns]:
        """Read the optimizer, and the patterns of those of its numbers that are mappings: the largest then stands for
        all. Returns None, reported, if it is wrong."""
        entry = self.settings.get("optimizer")
        if entry is None or not isinstance(entry.value.data, Mapping):
            return self.choice("optimizer", OPTIMIZERS, Adam()), {}

        fields, patterns = dict(entry.value.data), dict[str, tuple[Pattern, ...]]()
        for key in PATTERN_FIELDS:
            if key in fields and isinstance(mapping := fields[key].value.data, Mapping) and mapping:
                patterns[key] = tuple(
                    Pattern(text, self._number(f"train.optimizer.{key}", item.value), item.key)
                    for text, item in mapping.items()
                )
                largest = max((pattern.number for pattern in patterns[key]), default=None)
                fields[key] = Entry(fields[key].key, Value(largest, fields[key].value.span))
        written = Entry(entry.key, replace(entry.value, data=fields))
        reader = replace(self, settings={**self.settings, "optimizer": written})
        return reader.choice("optimizer", OPTIMIZERS, Adam()), patterns

    def loss_weights(self, losses: Collection[str]) -> dict[str, float]:
        """Read `loss_weights: {auxiliary: 0.3}`; a loss without a weight has 1."""
        weights = dict.fromkeys(losses, 1.0)
        for name, entry in self._entries("loss_weights").items():
            if name not in weights:
                message = f"train.loss_weights names '{name}', which is no loss"
                self.diagnostics.error("L104", message, entry.key, did_you_mean(name, weights))
                continue
            weights[name] = self._number(f"train.loss_weights.{name}", entry.value)
        return weights

    def _number(self, what: str, value: Value) -> float:
        spec = replace(dataclass_fields(Optimizer)[0], name=what.rpartition(".")[2])
        try:
            number = decode(spec, value, self.scope, what.rpartition(".")[0])
        except SpecError as error:
            self.diagnostics.extend(error)
            return 1.0
        assert isinstance(number, float)
        return number

    def freeze(self, program: Program) -> tuple[str, ...]:
        """Return the modules that are frozen, at their nodes or here. Reports L104 for paths that the model lacks."""
        modules = program.modules()
        frozen = dict.fromkeys(path for path in program.frozen if path in modules)
        if "freeze" not in self.settings:
            return tuple(frozen)

        getter = Getter(self.settings, "train", self.settings["freeze"].key, self.diagnostics)
        for value in getter.texts("freeze", "a node, or a list of nodes", ids=True):
            path = str(value.data)
            if path in modules:
                frozen[modules[path]] = None
                continue
            hint = did_you_mean(path, modules)
            message = f"train.freeze names '{path}', which is no node of the model"
            self.diagnostics.error("L104", message, value.span, hint)
        return tuple(frozen)

    def _entries(self, key: str) -> Mapping[str, Entry]:
        entry = self.settings.get(key)
        return Getter.of(entry.value, f"train.{key}", self.diagnostics).entries if entry else {}
