"""Budgets of what a model is for, on examples: a metric of `train`, or the perplexity of the next token."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from stackc.core.diagnostics import Diagnostic, SpecError, did_you_mean
from stackc.frontend import Checked
from stackc.ir.budget import Budget
from stackc.precision.budget_proof import FileRunner
from stackc.precision.user_data import read_user_data
from stackc.runtime import Array, Feeds, ValueInfo
from stackc.weights.sources import Weights

Figure = Callable[[FileRunner], float]


@dataclass(frozen=True, eq=False)
class TaskBudget:
    """A figure of a file and how much worse than that of the float32 file it may be.

    `name` is what messages call it; `excess` returns how much of the budget a figure uses, more than 1 if too much.
    """

    name: str
    figure: Figure
    excess: Callable[[float, float], float]
    bound: str

    def problem(self, figure: float, plain: float) -> str | None:
        """Say what is wrong with a figure beside that of the float32 file; None if it is within the budget."""
        if self.excess(figure, plain) <= 1.0 + 1e-9:
            return None
        return f"{self.name} is {figure:.6g}, of the float32 file {plain:.6g}; {self.bound}"


def task_budgets(
    checked: Checked, budget: Budget, data: Path | None, inputs: Sequence[ValueInfo], weights: Weights | None
) -> tuple[TaskBudget, ...]:
    """Return the budgets of a task.

    Raises SpecError: P737 without data or for what cannot be measured, L105, L201, L207 and R411 to R422 for the data.
    """
    if budget.metric is None and budget.perplexity_ratio is None:
        return ()
    path = budget.data or data
    if path is None:
        message = f"{budget} is measured on examples, and none are named"
        raise SpecError(
            Diagnostic("P737", message, budget.span, "name them: `--data FILE.npz`, or `data` in the budget")
        )
    found = []
    if budget.metric is not None:
        found.append(_metric_budget(checked, budget, budget.metric, path, weights))
    if budget.perplexity_ratio is not None:
        found.append(_perplexity_budget(checked, budget, budget.perplexity_ratio, path, inputs))
    return tuple(found)


def _metric_budget(checked: Checked, budget: Budget, name: str, path: Path, weights: Weights | None) -> TaskBudget:
    from stackc.training.average import joined_means
    from stackc.training.evaluation import LossesOfFile, module_with_losses
    from stackc.training.examples import Examples
    from stackc.training.prepare import training_of

    training = training_of(checked)
    figures = (*training.losses, *training.metrics)
    if name not in figures:
        hint = did_you_mean(name, figures) or f"name one of {', '.join(figures)}"
        raise SpecError(
            Diagnostic("P737", f"the budget is for '{name}', which train does not compute", budget.span, hint)
        )

    examples = Examples.open(path, training)
    losses = LossesOfFile.of(checked, module_with_losses(training, weights))
    sign, drop = (1.0 if name in training.rising else -1.0), budget.drop or 0.0

    def figure(session: FileRunner) -> float:
        return joined_means(training, losses.parts(session, examples, training.settings.data.batch))[name]

    def excess(reduced: float, plain: float) -> float:
        worse = sign * (plain - reduced)
        if not math.isfinite(worse):
            return math.inf
        return worse / drop if drop > 0.0 else (math.inf if worse > 0.0 else 0.0)

    return TaskBudget(name, figure, excess, f"{drop:g} worse is allowed")


# -- perplexity


def _perplexity_budget(
    checked: Checked, budget: Budget, ratio: float, path: Path, inputs: Sequence[ValueInfo]
) -> TaskBudget:
    tokens, logits = _next_token_ports(checked, budget)
    mask = _mask_of(checked, tokens)
    batches = read_user_data(path, inputs, checked.program.contract)

    def figure(session: FileRunner) -> float:
        return perplexity(batches, [session.run(feeds)[logits] for feeds in batches], tokens, mask)

    def excess(reduced: float, plain: float) -> float:
        room = (ratio - 1.0) * plain
        return (reduced - plain) / room if room > 0.0 else (math.inf if reduced > plain else 0.0)

    return TaskBudget("the perplexity", figure, excess, f"{ratio:g} times as much is allowed")


def perplexity(batches: Sequence[Feeds], logits: Sequence[Array], tokens: str, mask: str | None) -> float:
    """Return exp of the mean negative log-likelihood of each token after the first, where the mask is 1.

    `logits` are [batch, seq, vocab] for each of the batches, whose tokens are [batch, seq].
    """
    total, count = 0.0, 0
    for feeds, scores in zip(batches, logits, strict=True):
        before, targets = scores[:, :-1].astype(np.float64), feeds[tokens][:, 1:]
        largest = before.max(axis=-1, keepdims=True, initial=-np.inf)
        normalizers = np.log(np.exp(before - largest).sum(axis=-1)) + largest[..., 0]
        chosen = np.take_along_axis(before, targets[..., None].astype(np.int64), axis=-1)[..., 0]
        counted = feeds[mask][:, 1:].astype(bool) if mask else np.ones(targets.shape, bool)
        total += float((normalizers - chosen)[counted].sum())
        count += int(counted.sum())
    return math.exp(min(total / count, 700.0)) if count else math.nan


def _next_token_ports(checked: Checked, budget: Budget) -> tuple[str, str]:
    """Return the input of tokens and the output of their logits. Raises SpecError P737 if they are not clear."""
    program = checked.program
    pairs = [
        (name, output)
        for name, type_ in program.inputs.items()
        for output, value in program.outputs.items()
        if not type_.is_float
        and len(type_.shape) == 2
        and len(program.types[value].shape) == 3
        and program.types[value].is_float
        and program.types[value].shape[:2] == type_.shape
        and checked.ranges[name].below == program.types[value].shape[2].constant
    ]

    if len(pairs) != 1:
        message = "perplexity needs tokens [batch, seq] and logits [batch, seq, vocab]"
        message += ", and several inputs and outputs are such" if pairs else ", which the inputs and outputs are not"
        hint = "declare the tokens with `below:` the vocabulary, or bound `cosine` or `max_error`"
        raise SpecError(Diagnostic("P737", message, budget.span, hint))
    return pairs[0]


def _mask_of(checked: Checked, tokens: str) -> str | None:
    """Return the input that says which tokens are there: of 0 and 1, in the shape of the tokens; None without one."""
    shape = checked.program.inputs[tokens].shape
    masks = [
        name
        for name, type_ in checked.program.inputs.items()
        if type_.shape == shape and name != tokens and set(checked.ranges[name].choices) == {0, 1}
    ]
    return masks[0] if len(masks) == 1 else None


def figures_of(budgets: Sequence[TaskBudget], session: FileRunner) -> Mapping[str, float]:
    """Return the figure of each budget of a task, of one file."""
    return {budget.name: budget.figure(session) for budget in budgets}
