"""Losses and metrics of an ONNX file as it ships, over all examples of a file, beside those of PyTorch.

The outputs of every batch are held to the rule of the proof (proof/tolerance.py), on real examples in place of drawn
numbers: twice the error of PyTorch in float32, and what roundings can move. Losses and metrics are then computed of
both by the same modules in float64, so that they differ by what the outputs do: a loss in its last digits, an accuracy
by the examples whose two best classes are that close. Outputs after a choice of the model itself, such as a top-k, are
not held: a rounding may turn the choice.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import nn

from stackc.artifact.atomic import MANIFEST
from stackc.artifact.folder import load_artifact, verify_files
from stackc.artifact.stored_weights import find_all_weights
from stackc.core.diagnostics import Diagnostic, SpecError
from stackc.frontend import Checked, Overrides, check_spec
from stackc.ir.program import Call, Program
from stackc.ir.training import COUNT, Training
from stackc.precision.budget_proof import FileRunner
from stackc.proof.components import Reference
from stackc.proof.eager import as_tuple, cast, computing_in, in_double, run_eager, tensor_of
from stackc.proof.jitter import model_spread
from stackc.proof.sections import choosing_calls
from stackc.proof.tolerance import Verdict, judge
from stackc.runtime import Array, Session, open_session
from stackc.torch_backend.lower import lower_with
from stackc.training.average import joined_means
from stackc.training.examples import Batch, Examples
from stackc.training.prepare import training_of
from stackc.weights.files import Paths
from stackc.weights.sources import Weights

Means = Mapping[str, tuple[float, float]]
"""The mean and the count of each loss and metric."""


@dataclass(frozen=True)
class OutputRow:
    """An output at the batch where it is furthest off, as a share of what is allowed; the verdict is None if it is not
    held, because it follows a choice. `rows` are the first and the last example of that batch."""

    output: str
    verdict: Verdict | None
    rows: tuple[int, int]


@dataclass(frozen=True)
class Evaluation:
    """The means over all examples by the name of the loss or metric, of the ONNX file and of PyTorch; the outputs as
    they were held; and L301 for each that is too far off."""

    examples: int
    onnx: Mapping[str, float]
    torch: Mapping[str, float]
    outputs: tuple[OutputRow, ...]
    random_weights: bool
    diagnostics: tuple[Diagnostic, ...] = ()


def evaluate_artifact(
    folder: Path,
    data: Path,
    overrides: Overrides | None = None,
    weights: Paths | None = None,
    provider: str = "auto",
    *,
    threads: int | None = None,
) -> Evaluation:
    """Evaluate an artifact beside the module of its lock, whose weights are read back from the model.

    Raises what `load_artifact`, `verify_files`, sessions and `evaluate_session` raise, and W804 if a weight cannot be
    read back and `weights` does not name its file.
    """
    artifact = load_artifact(folder)
    verify_files(artifact)
    checked = check_spec(folder, overrides)
    require_outputs(checked)
    session = open_session(artifact.model, provider, threads=threads)
    found = find_all_weights(checked, weights or folder)
    return evaluate_session(checked, session, data, found, random_weights=artifact.manifest.weights is None)


def is_artifact(path: Path) -> bool:
    """Return whether a path is that of an artifact, not of a spec."""
    return (path / MANIFEST).exists()


def evaluate_session(
    checked: Checked, session: Session, data: Path, weights: Weights | None, *, seed: int = 0, random_weights: bool
) -> Evaluation:
    """Compute losses and metrics from the outputs of a session, and from the module with the same weights: those
    given, or random ones of the seed.

    Raises SpecError L105 without `train:`, L201 and L202 for the data, and L207 for a loss of a value that the model
    does not return.
    """
    training = training_of(checked)
    examples = Examples.open(data, training)
    module = module_with_losses(training, weights, seed)
    losses = LossesOfFile.of(checked, module)

    onnx, single = list[Means](), list[Means]()
    held = _HeldOutputs(checked, training, Reference.of(module), data)
    for batch in examples.batches(training.settings.data.batch):
        returned = session.run({name: batch.feeds[name] for name in checked.program.inputs})
        onnx.append(losses.means(batch.feeds, returned))
        single.append(losses.means(batch.feeds, held.hold(batch, returned)))

    means = joined_means(training, onnx), joined_means(training, single)
    rows = tuple(held.rows.values())
    return Evaluation(len(examples), *means, rows, random_weights, tuple(held.diagnostics.values()))


def measure_file(checked: Checked, session: Session, examples: Examples, weights: Weights) -> dict[str, float]:
    """Return the losses and metrics of a session over examples. Raises SpecError L202 and L207."""
    training = training_of(checked)
    losses = LossesOfFile.of(checked, module_with_losses(training, weights))
    parts = losses.parts(session, examples, training.settings.data.batch)
    return joined_means(training, parts)


def require_outputs(checked: Checked) -> None:
    """Raise SpecError L105 without `train:`, L207 for a loss of a value that the model does not return."""
    _calls_after_the_model(checked, training_of(checked))


def module_with_losses(training: Training, weights: Weights | None, seed: int = 0) -> nn.Module:
    """Return the module of a model with its losses in float32, in eval mode, with these weights or random ones."""
    return lower_with(training.typed, weights, seed=seed).eval()


@dataclass(frozen=True)
class LossesOfFile:
    """The losses and metrics of a model, computed by PyTorch in float64 from what an ONNX file returns.

    `modules` are those of the calls, by the paths of their owners.
    """

    training: Training
    model: Program
    calls: tuple[Call, ...]
    modules: Mapping[str, nn.Module]

    @staticmethod
    def of(checked: Checked, module: nn.Module) -> LossesOfFile:
        """Take the calls of the train graph, and their modules from that of the whole. Raises SpecError L207."""
        training = training_of(checked)
        calls = _calls_after_the_model(checked, training)
        modules = {call.owner: in_double(module.get_submodule(call.owner)) for call in calls}
        return LossesOfFile(training, checked.program, calls, modules)

    def parts(self, session: FileRunner, examples: Examples, batch: int) -> Iterator[Means]:
        """Yield the means of each batch."""
        for part in examples.batches(batch):
            yield self.means(part.feeds, session.run({name: part.feeds[name] for name in self.model.inputs}))

    @torch.no_grad()
    def means(self, feeds: Mapping[str, Array], returned: Mapping[str, Array]) -> Means:
        """Return the means of a batch, of the inputs and of what the model returned for them."""
        values = {name: tensor_of(array) for name, array in feeds.items()}
        values |= {value: tensor_of(returned[name].copy()) for name, value in self.model.outputs.items()}
        with computing_in(torch.float64, self.calls):
            for call in self.calls:
                inputs = [cast(values[name], torch.float64) if name is not None else None for name in call.inputs]
                values |= zip(call.outputs, as_tuple(self.modules[call.owner](*inputs)), strict=True)

        ends = self.training.program.outputs
        names = (*self.training.losses, *self.training.metrics)
        return {name: (float(values[ends[name]]), float(values[ends[f"{name}.{COUNT}"]])) for name in names}


@dataclass
class _HeldOutputs:
    """Holds the outputs of each batch to those of PyTorch in float32 and float64."""

    checked: Checked
    training: Training
    reference: Reference
    data: Path
    rows: dict[str, OutputRow] = field(default_factory=dict)
    diagnostics: dict[str, Diagnostic] = field(default_factory=dict)

    def hold(self, batch: Batch, returned: Mapping[str, Array]) -> Mapping[str, Array]:
        """Judge what the file returned for a batch, and return PyTorch's outputs in float32."""
        program, model = self.training.program, self.checked.program
        single = run_eager(self.reference.single, batch.feeds, program)
        truth = run_eager(self.reference.double, batch.feeds, program, torch.float64)

        chosen = _after_choices(model)
        meant = {output.name: frozenset(output.nonfinite) for output in self.checked.document.body.outputs}
        for name, value in model.outputs.items():
            if value in chosen:
                self.rows.setdefault(name, OutputRow(name, None, _ends(batch)))
                continue
            arrays = returned[name], single.outputs[name], truth.outputs[name]
            verdict = judge(*arrays, meant.get(name, frozenset()))
            if verdict.too_far:  # the spread takes nine passes, and may explain it
                spread = model_spread(self.reference.double, batch.feeds, program, {name: value}, {})
                verdict = judge(*arrays, meant.get(name, frozenset()), spread[name])
            self.keep(name, verdict, batch)
        return single.outputs

    def keep(self, name: str, verdict: Verdict, batch: Batch) -> None:
        """Keep the worst verdict on an output, and the first that is a problem."""
        worst = self.rows.get(name)
        if worst is None or worst.verdict is None or verdict.used > worst.verdict.used:
            self.rows[name] = OutputRow(name, verdict, _ends(batch))
        if verdict.problem:
            first, last = _ends(batch)
            message = f"the output '{name}' {verdict.problem}, in rows {first} to {last} of {self.data}"
            hint = (
                "are the weights those of the file? `stackc verify ARTIFACT` compares it with what its build recorded"
            )
            self.diagnostics.setdefault(name, Diagnostic("L301", message, hint=hint))


def _calls_after_the_model(checked: Checked, training: Training) -> tuple[Call, ...]:
    """Return the calls of the train graph. Raises SpecError L207 if one takes a value from inside the model."""
    inside = {call.path for call in checked.program.calls}
    calls = tuple(call for call in training.program.calls if call.path not in inside)
    known = {*training.program.inputs, *checked.program.outputs.values(), *(y for call in calls for y in call.outputs)}
    for call in calls:
        for value in call.inputs:
            if value is not None and value not in known:
                message = f"'{call.path}' ({call.component.op}) takes '{value}', which the ONNX file does not return"
                hint = f"write it among the `outputs` of the spec: `{value}`"
                raise SpecError(Diagnostic("L207", message, call.span, hint))
    return calls


def _after_choices(program: Program) -> frozenset[str]:
    """Return the values that a choice of the model computes, or that depend on one."""
    choosing = {call.path for call in choosing_calls(program)}
    after: set[str] = set()
    for call in program.calls:
        if call.path in choosing or not after.isdisjoint(name for name in call.inputs if name is not None):
            after.update(call.outputs)
    return frozenset(after)


def _ends(batch: Batch) -> tuple[int, int]:
    """Return the first and the last row of a batch."""
    return int(batch.rows[0]), int(batch.rows[-1])
