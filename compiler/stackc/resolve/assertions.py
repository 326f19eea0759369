"""What a spec asserts of its artifact: bounds of figures that a build measures."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass
from typing import Annotated

from stackc.components.fields import dataclass_fields
from stackc.core.diagnostics import SpecError, did_you_mean
from stackc.ir.assertions import Assertion
from stackc.ir.model import Graph
from stackc.ir.training import Training
from stackc.resolve.fields import decode
from stackc.resolve.scope import Scope
from stackc.resolve.train_settings import TOTAL, spec_scope
from stackc.spec.document import AssertDecl


@dataclass(frozen=True, kw_only=True)
class AssertedBounds:
    """The bounds of a figure."""

    min: Annotated[float | None, "the smallest figure that passes"] = None
    max: Annotated[float | None, "the largest figure that passes"] = None


def read_assertions(graph: Graph, training: Training | None) -> tuple[Assertion, ...]:
    """Return what the spec asserts of its losses and metrics.

    Raises SpecError with all that is wrong: L302 for a name that is neither, N310 for a bound that is no number.
    """
    scope, known = spec_scope(graph), _figures(training)
    assertions = []
    for decl in graph.document.asserts:
        if decl.name not in known:
            message = f"assert names '{decl.name}', which is no loss or metric of train"
            hint = did_you_mean(decl.name, known) or "write it under `train`: `metrics: {accuracy: {of: …, target: …}}`"
            scope.diagnostics.error("L302", message, decl.span, hint)
            continue
        bounds = _bounds(decl, scope)
        low, high = bounds.get("min", -math.inf), bounds.get("max", math.inf)
        assertions.append(Assertion(decl.name, low, high, decl.span))
    scope.diagnostics.raise_if_any()
    return tuple(assertions)


def _figures(training: Training | None) -> Collection[str]:
    """Return the names of what a build can measure."""
    if training is None:
        return ()
    return (*training.losses, *training.metrics, *[TOTAL] * (len(training.losses) > 1))


def _bounds(decl: AssertDecl, scope: Scope) -> dict[str, float]:
    """Return the bounds that are written, but for those that are null."""
    fields = {field.name: field for field in dataclass_fields(AssertedBounds)}
    bounds = {}
    for key, entry in decl.bounds.items():
        try:
            value = decode(fields[key], entry.value, scope, f"assert.{decl.name}")
        except SpecError as error:
            scope.diagnostics.extend(error)
        else:
            if isinstance(value, float):
                bounds[key] = value
    return bounds
