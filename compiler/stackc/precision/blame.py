"""Report a budget that is exceeded at the components that are most to blame, with what keeps the file within it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from stackc.core.diagnostics import Diagnostic, Span, SpecError
from stackc.ir.budget import Budget
from stackc.precision.budget_proof import BudgetRow, ComponentError, held_rows, worst_row
from stackc.precision.figures import OutputError

MOST_NAMED = 8
"""Components that a help lists by name: more are no help."""
MOST_LINES = 10

Holds = Callable[[Sequence[str]], bool]
"""Whether a file that keeps these components in float32 stays within the budget."""


def budget_failure(
    format: str, budget: Budget, rows: Sequence[BudgetRow], components: Sequence[ComponentError], holds: Holds
) -> SpecError:
    """Return a P731 for each line of the spec that has a component to blame; `components` has the largest error first.

    They are as many of those as have to stay float32: found by bisection, each step of which makes and runs a file.
    """
    worst = worst_row(rows, budget)
    paths = [component.path for component in components]
    count = _fewest(paths, holds)
    to_blame = components[:count] if count is not None else components

    what = f"at {worst.point} the output '{worst.output}' {worst.error}, but {budget} is allowed"
    hint = f"{_keep_hint(paths, count)}{_allow_hint(rows, budget)}"
    lines: dict[Span, ComponentError] = {}
    for component in to_blame:
        lines.setdefault(component.span, component)
    if not lines:
        return SpecError(Diagnostic("P731", f"{format} is beyond the budget: {what}", hint=hint))
    return SpecError(
        *(
            Diagnostic("P731", f"{format} is beyond the budget: {what}; {_share_text(component)}", span, hint)
            for span, component in list(lines.items())[:MOST_LINES]
        )
    )


def _fewest(paths: Sequence[str], holds: Holds) -> int | None:
    """Return how many of the components, the first ones, have to stay float32; None if all but one are not enough."""
    low, high = 1, len(paths) - 1  # to keep them all is to change nothing
    if high < low or not holds(paths[:high]):
        return None
    while low < high:
        middle = (low + high) // 2
        if holds(paths[:middle]):
            high = middle
        else:
            low = middle + 1
    return high


def _keep_hint(paths: Sequence[str], count: int | None) -> str:
    if count is None or count > MOST_NAMED:
        return "choose a format that is closer to float32, or "
    return f"`--keep {','.join(paths[:count])}` leaves {'it' if count == 1 else 'them'} in float32, or "


def _allow_hint(rows: Sequence[BudgetRow], budget: Budget) -> str:
    """Name the budget that the file as it is stays within, rounded to what it allows."""
    options, rows = [], held_rows(rows, budget)
    if budget.max_error is not None:
        largest = max(row.error.max_error for row in rows)
        if not math.isfinite(largest):
            return "leave --quantize out: an output is not finite"
        options.append(f"--max-error {rounded_up(max(largest, budget.max_error)):g}")
    if budget.cosine is not None:
        smallest = min(row.error.cosine for row in rows)
        options.append(f"--cosine {rounded_down(min(smallest, budget.cosine)):g}")
    return f"allow it: `{' '.join(options)}`"


def rounded_up(number: float) -> float:
    """Return a number with two digits that is not less."""
    if number <= 0.0:
        return 0.0
    unit = 10.0 ** (math.floor(math.log10(number)) - 1)
    return float(f"{math.ceil(number / unit * (1 - 1e-12)) * unit:.2g}")


def rounded_down(cosine: float) -> float:
    """Return a cosine whose distance from 1 has two digits, and is not less."""
    return round(1.0 - rounded_up(1.0 - cosine), 12)


def _share_text(component: ComponentError) -> str:
    return f"'{component.path}' ({component.op}) {_own_error(component.error)} by itself"


def _own_error(error: OutputError) -> str:
    return f"is off by {error.relative:.1%} of its output" if math.isfinite(error.relative) else "is not finite"
