"""The assignment of formats to weights that takes the least time for the error that it brings.

Errors of roundings that have nothing to do with each other add by their squares, times add. So an assignment is a
knapsack with one choice for each weight: the least total time with Σ error² within a limit, solved exactly as a
mixed-integer program by HiGHS, through SciPy. What it predicts is only where to look: each assignment is then made,
run and held to the budget.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec

import numpy as np

from stackc.core.diagnostics import Diagnostic, SpecError
from stackc.precision.formats import Format

STEPS = 7
"""Limits of error to solve for: mixed candidates at most."""
SMALLEST, SMALLEST_SHARE = 1e-300, 1e-8


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


def error_range(choices: Sequence[Choice]) -> tuple[float, float] | None:
    """Return the squared errors of the most exact choice and of the assignment that saves most; None if none saves."""
    useful = _useful(choices)
    if not useful:
        return None
    fastest = best_assignment(choices, np.inf)
    most = sum(choice.error for choice in useful if fastest.get(choice.weight) == choice.format)
    least = min(choice.error for choice in useful)
    return max(least, most * SMALLEST_SHARE, SMALLEST), max(most, SMALLEST)


def best_assignment(choices: Sequence[Choice], limit: float) -> dict[str, Format]:
    """Return the assignment that saves the most time with a total squared error within the limit."""
    useful = _useful(choices)
    if not useful:
        return {}
    from scipy.optimize import Bounds, LinearConstraint, milp

    weights = list(dict.fromkeys(choice.weight for choice in useful))
    one_of = np.array([[choice.weight == weight for choice in useful] for weight in weights], float)
    constraints = [LinearConstraint(one_of, -np.inf, 1.0)]
    if np.isfinite(limit):
        # in shares of the limit, so that the tolerance of the solver is relative
        shares = np.array([[choice.error / limit for choice in useful]])
        constraints.append(LinearConstraint(shares, -np.inf, 1.0 + 1e-9))

    scale = max(choice.saved for choice in useful)
    result = milp(
        [-choice.saved / scale for choice in useful], integrality=np.ones(len(useful)), bounds=Bounds(0, 1),
        constraints=constraints,
    )  # fmt: skip
    assert result.success, "to choose nothing is always possible"
    return {choice.weight: choice.format for choice, taken in zip(useful, result.x, strict=True) if taken > 0.5}


def _useful(choices: Sequence[Choice]) -> list[Choice]:
    return [choice for choice in choices if choice.saved > 0.0 and np.isfinite(choice.error)]
