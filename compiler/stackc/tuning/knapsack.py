"""The assignments of formats to weights that take the least time for the error that they bring.

Errors of roundings that have nothing to do with each other add by their squares, times add. So an assignment is a
knapsack with one choice for each weight: the least total time with Σ error² within a limit, solved exactly as a
mixed-integer program by HiGHS, through SciPy. What it predicts is only where to look: each assignment is then made,
run and held to the budget.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec

import numpy as np

from stackc.core.diagnostics import Diagnostic, SpecError
from stackc.precision.formats import Format

STEPS = 6
"""Limits of error to solve for: mixed candidates at most."""


@dataclass(frozen=True, slots=True)
class Choice:
    """A weight in a format: how many seconds it saves over float32, and the squared error that it brings."""

    weight: str
    format: Format
    saved: float
    error: float


def require_solver() -> None:
    """Raise SpecError R461 if SciPy is not installed."""
    if find_spec("scipy") is None:
        message = "mixed formats are searched with SciPy, which is not installed"
        raise SpecError(Diagnostic("R461", message, hint="pip install 'stackc[tune]', or `--no-mixed` leaves them out"))


def frontier(choices: Sequence[Choice], steps: int = STEPS) -> list[dict[str, Format]]:
    """Return assignments from the one that saves most to the most exact one, each with another limit of error."""
    useful = [choice for choice in choices if choice.saved > 0.0 and np.isfinite(choice.error)]
    if not useful:
        return []
    most = _total(_solve(useful, np.inf), useful)
    least = max(min(choice.error for choice in useful), most * 1e-6, 1e-300)
    limits = np.geomspace(max(most, least), least, steps)

    found: list[dict[str, Format]] = []
    for limit in limits:
        assignment = _solve(useful, float(limit))
        if assignment and assignment not in found:
            found.append(assignment)
    return found


def _total(assignment: Mapping[str, Format], choices: Sequence[Choice]) -> float:
    return sum(choice.error for choice in choices if assignment.get(choice.weight) == choice.format)


def _solve(choices: Sequence[Choice], limit: float) -> dict[str, Format]:
    """Return the assignment that saves the most time with a total error within the limit."""
    from scipy.optimize import Bounds, LinearConstraint, milp

    weights = list(dict.fromkeys(choice.weight for choice in choices))
    one_of = np.array([[choice.weight == weight for choice in choices] for weight in weights], float)
    constraints = [LinearConstraint(one_of, -np.inf, 1.0)]
    if np.isfinite(limit):
        # in shares of the limit, so that the tolerance of the solver is relative
        shares = np.array([[choice.error / limit for choice in choices]])
        constraints.append(LinearConstraint(shares, -np.inf, 1.0 + 1e-9))

    scale = max(choice.saved for choice in choices)
    result = milp(
        [-choice.saved / scale for choice in choices], integrality=np.ones(len(choices)), bounds=Bounds(0, 1),
        constraints=constraints,
    )  # fmt: skip
    assert result.success, "to choose nothing is always possible"
    return {choice.weight: choice.format for choice, taken in zip(choices, result.x, strict=True) if taken > 0.5}
