"""How much error a file of lower precision may have, as a spec says it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from stackc.components.fields import dataclass_fields
from stackc.core.diagnostics import Diagnostic, Span, SpecError
from stackc.ir.budget import Budget
from stackc.ir.model import Graph
from stackc.resolve.fields import decode
from stackc.resolve.train_settings import spec_scope
from stackc.spec.document import BudgetDecl


@dataclass(frozen=True, kw_only=True)
class BudgetFields:
    """The keys of a budget."""

    max_error: Annotated[float | None, "the largest distance of a number of an output from PyTorch's"] = None
    cosine: Annotated[float | None, "the smallest cosine of a vector of an output with PyTorch's"] = None
    metric: Annotated[str | None, "a metric of `train` that may get worse"] = None
    drop: Annotated[float | None, "by how much it may get worse"] = None
    perplexity_ratio: Annotated[float | None, "how many times as large the perplexity may be"] = None
    data: Annotated[str | None, "the file of inputs"] = None
    outputs: Annotated[tuple[str, ...], "the outputs that max_error and cosine are for"] = ()


def read_budget(graph: Graph) -> Budget:
    """Return the budget of a spec. Raises SpecError: N310 for a bound that is no number, P736 for one of no use."""
    decl, scope = graph.document.budget, spec_scope(graph)
    assert decl is not None, "there is a budget to read"
    fields = {field.name: field for field in dataclass_fields(BudgetFields)}
    values: dict[str, Any] = {}
    for key, entry in decl.entries.items():
        try:
            values[key] = decode(fields[key], entry.value, scope, f"budget.{key}")
        except SpecError as error:
            scope.diagnostics.extend(error)
    scope.diagnostics.raise_if_any()

    if (data := values.get("data")) is not None:
        values["data"] = Path(graph.document.source.file).parent / data
    budget = Budget(**values, span=decl.span)
    problems = budget_problems(budget, _spans(decl))
    if problems:
        raise SpecError(*problems)
    return budget


def _spans(decl: BudgetDecl) -> dict[str, Span]:
    return {key: entry.value.span for key, entry in decl.entries.items()}


def budget_problems(budget: Budget, spans: dict[str, Span]) -> list[Diagnostic]:
    """Return a P736 for every bound of a budget, of a spec or a command, that cannot be kept or holds nothing."""
    problems = []

    def problem(key: str, message: str, hint: str) -> None:
        problems.append(Diagnostic("P736", message, spans.get(key, budget.span), hint))

    if budget.max_error is not None and not budget.max_error > 0.0:
        problem(
            "max_error", f"max_error is {budget.max_error:g}", "it is the largest distance that is allowed: more than 0"
        )
    if budget.cosine is not None and not 0.0 < budget.cosine < 1.0:
        problem(
            "cosine", f"cosine is {budget.cosine:g}", "it is the smallest that is allowed: between 0 and 1, as 0.999"
        )
    if budget.drop is not None and not budget.drop >= 0.0:
        problem("drop", f"drop is {budget.drop:g}", "it is how much worse the metric may get: 0 or more")
    if budget.perplexity_ratio is not None and not budget.perplexity_ratio >= 1.0:
        message = f"perplexity_ratio is {budget.perplexity_ratio:g}"
        problem("perplexity_ratio", message, "it is how many times as large it may be: 1 or more, as 1.01")
    if (budget.metric is None) != (budget.drop is None):
        known, other = ("metric", "drop") if budget.drop is None else ("drop", "metric")
        problem(known, f"the budget has {known} without {other}", "write both, as `{metric: …, drop: …}`")
    if not problems and not (budget.on_outputs or budget.metric or budget.perplexity_ratio):
        problem("data", "the budget bounds nothing", "say what it bounds, as cosine: 0.999 or max_error: 0.01")
    return problems
