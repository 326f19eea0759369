"""What a spec asserts of its artifact: bounds of figures that a build measures."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

from stackc.components.fields import dataclass_fields
from stackc.core.diagnostics import Collector, Diagnostic, Span, SpecError, closest
from stackc.ir.assertions import SPEED_FIGURES, Assertion
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
    """Return what the spec asserts of its losses and metrics, and of its speed.

    Raises SpecError with all that is wrong: L302 for another name, N310 for a bound that is no number.
    """
    scope, known = spec_scope(graph), _figures(training)
    assertions = []
    for decl in graph.document.asserts:
        if decl.name not in known:
            scope.diagnostics.extend(_unknown(decl.name, known, decl.span))
            continue
        bounds = _bounds(decl, scope)
        low, high = bounds.get("min", -math.inf), bounds.get("max", math.inf)
        assertions.append(Assertion(decl.name, low, high, decl.span))
    scope.diagnostics.raise_if_any()
    return tuple(assertions)


def with_bounds(
    checked: Sequence[Assertion], training: Training | None, more: Mapping[str, str]
) -> tuple[Assertion, ...]:
    """Return assertions, and those of a command, which replace the ones of the same name.

    `more` has a comparison such as `p50_ms<=30` by its name. Raises SpecError L302 for the name of no figure.
    """
    diagnostics, known, added = Collector(), _figures(training), {}
    for name, text in more.items():
        span = Span(f"--assert {text}", 0)
        if name not in known:
            diagnostics.extend(_unknown(name, known, span))
            continue
        _, sign, bound = re.split("(<=|>=)", text)
        low, high = (float(bound), math.inf) if sign == ">=" else (-math.inf, float(bound))
        added[name] = Assertion(name, low, high, span)
    diagnostics.raise_if_any()
    return (*(each for each in checked if each.name not in added), *added.values())


def _unknown(name: str, known: Collection[str], span: Span) -> SpecError:
    message = f"assert names '{name}', which is no loss or metric of train, and no figure of speed"
    write = "write it under `train`: `metrics: {accuracy: {of: …, target: …}}`"
    close = closest(name, sorted(known))
    hint = f"did you mean '{close}'?" if close else f"{write}; of speed there are {', '.join(SPEED_FIGURES)}"
    return SpecError(Diagnostic("L302", message, span, hint))


def _figures(training: Training | None) -> Collection[str]:
    """Return the names of what a build can measure."""
    if training is None:
        return SPEED_FIGURES
    return (*training.losses, *training.metrics, *[TOTAL] * (len(training.losses) > 1), *SPEED_FIGURES)


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
