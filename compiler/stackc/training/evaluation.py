"""Losses and metrics of the ONNX file as it ships, over all examples of a file, beside those of PyTorch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch

from stackc.core.diagnostics import Diagnostic, SpecError
from stackc.frontend import Checked
from stackc.ir.program import Call
from stackc.ir.training import Training
from stackc.proof.eager import run_call
from stackc.runtime import Array, Session
from stackc.training.average import evaluate_model, joined_means
from stackc.training.examples import Examples
from stackc.training.prepare import training_module, training_of
from stackc.training.step import Model
from stackc.weights.files import Paths


@dataclass(frozen=True)
class Evaluation:
    """The means over all examples by the name of the loss or metric, of the ONNX file and of PyTorch."""

    examples: int
    onnx: Mapping[str, float]
    torch: Mapping[str, float]


def evaluate_session(checked: Checked, session: Session, data: Path, weights: Paths | None) -> Evaluation:
    """Compute losses and metrics from the outputs of a session, and from the module with the same weights.

    Raises SpecError L105 without `train:`, L201 and L202 for the data, and L207 for a loss of a value that the model
    does not return.
    """
    training = training_of(checked)
    calls = _calls_after_the_model(checked, training)
    examples = Examples.open(data, training.program, training.ranges)
    model = Model(training_module(checked, training, weights).eval(), training)
    batch = training.settings.data.batch

    parts = ((_means(checked, training, session, calls, model, part.feeds)) for part in examples.batches(batch))
    return Evaluation(len(examples), joined_means(training, parts), evaluate_model(model, examples, batch))


def require_outputs(checked: Checked) -> None:
    """Raise SpecError L105 without `train:`, L207 for a loss of a value that the model does not return."""
    _calls_after_the_model(checked, training_of(checked))


def _calls_after_the_model(checked: Checked, training: Training) -> list[Call]:
    """Return the calls of the train graph. Raises SpecError L207 if one takes a value from inside the model."""
    inside = {call.path for call in checked.program.calls}
    calls = [call for call in training.program.calls if call.path not in inside]
    known = {*training.program.inputs, *checked.program.outputs.values(), *(y for call in calls for y in call.outputs)}
    for call in calls:
        for value in call.inputs:
            if value is not None and value not in known:
                message = f"'{call.path}' ({call.component.op}) takes '{value}', which the ONNX file does not return"
                hint = f"write it among the `outputs` of the spec: `{value}`"
                raise SpecError(Diagnostic("L207", message, call.span, hint))
    return calls


def _means(
    checked: Checked,
    training: Training,
    session: Session,
    calls: list[Call],
    model: Model,
    feeds: Mapping[str, Array],
) -> dict[str, tuple[float, float]]:
    """Return the mean and the count of each loss and metric, computed by PyTorch from what the session returns."""
    returned = session.run({name: feeds[name] for name in checked.program.inputs})
    values = {name: torch.from_numpy(array) for name, array in feeds.items()}
    values |= {checked.program.outputs[name]: torch.from_numpy(array.copy()) for name, array in returned.items()}
    for call in calls:
        values |= zip(call.outputs, run_call(model.module, call, values, torch.float32), strict=True)

    means = {}
    for name in (*training.losses, *training.metrics):
        mean, count = (values[training.program.outputs[end]] for end in (name, f"{name}.count"))
        means[name] = float(mean), float(count)
    return means
