"""Read `budget:`, how much error a file of lower precision may have."""

from __future__ import annotations

from stackc.spec.document import BudgetDecl
from stackc.spec.yaml.getters import Getter

BUDGET_KEYS = ("max_error", "cosine", "metric", "drop", "perplexity_ratio", "data", "outputs")


def read_budget_key(getter: Getter) -> BudgetDecl | None:
    """Return the bounds of a budget, None if it has no entry. Reports S004 for other keys."""
    entries = getter.only(*BUDGET_KEYS).entries
    return BudgetDecl(entries, getter.span) if entries else None
