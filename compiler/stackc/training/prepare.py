"""What a run needs of a checked spec: the train graph, the module with weights, the examples, and an identity."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from torch import nn

from stackc.artifact.stored_weights import find_all_weights
from stackc.core.diagnostics import Diagnostic, SpecError
from stackc.frontend import Checked
from stackc.ir.printer import print_program
from stackc.ir.training import Training
from stackc.torch_backend.lower import lower_with
from stackc.training.examples import Examples
from stackc.weights.files import Paths


def training_of(checked: Checked) -> Training:
    """Return what a spec says of its training. Raises SpecError L105 if it says nothing."""
    if checked.training is None:
        hint = "write its losses and data under `train:`; see `stackc help language`"
        raise SpecError(Diagnostic("L105", "the spec does not say how to train it", checked.document.span, hint))
    return checked.training


def training_module(checked: Checked, training: Training, path: Paths | None = None) -> nn.Module:
    """Return the module of a model with its losses: with the weights of a file, or of that which the spec names, or
    random ones."""
    weights, seed = find_all_weights(checked, path), training.settings.seed
    module = lower_with(training.typed, weights, seed=seed)
    return module.double() if training.settings.precision == "float64" else module


def open_training_data(checked: Checked, files: Mapping[str, Path]) -> tuple[Examples, Examples | None]:
    """Open the examples to train on, and those for validation if there are any; `files` replace those of the spec.

    Raises SpecError L201 if there are none, or none for validation although `stop` watches it.
    """
    training = training_of(checked)
    examples, validation = (open_examples(checked, training, files, name) for name in ("train", "validation"))
    if examples is None:
        hint = "write `data: {train: FILE}`, or name one with `--data`"
        raise SpecError(Diagnostic("L201", "the spec names no file of examples", checked.document.span, hint))

    if training.settings.stop and validation is None:
        message = "train.stop watches the validation data, but there is none"
        hint = "write `data: {validation: FILE}`, or name one with `--data validation=FILE`"
        raise SpecError(Diagnostic("L201", message, checked.document.span, hint))
    return examples, validation


def run_identity(training: Training, examples: Examples) -> str:
    """Return a hash of what a run has to be continued with: the model, the settings, the kind of examples."""
    program = [line.partition("//")[0] for line in print_program(training.program).splitlines()]
    settings = replace(training.settings, checkpoint=None)  # it leaves no trace in the weights
    text = repr((program, settings, sorted(examples.kinds.items()), len(examples)))
    return hashlib.sha256(text.encode()).hexdigest()


def open_examples(checked: Checked, training: Training, files: Mapping[str, Path], name: str) -> Examples | None:
    """Open the examples of one name; those of the spec are beside it. None if there are none."""
    written = getattr(training.settings.data, name)
    beside = Path(checked.source.file).parent
    path = files.get(name) or (beside / written if written else None)
    return Examples.open(path, training) if path else None
