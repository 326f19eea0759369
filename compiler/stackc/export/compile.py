"""Units → objects, in one call of torch.onnx.export however many there are.

torch is imported when there is something to compile, not with this module.
"""

from __future__ import annotations

from collections.abc import Mapping

from stackc.core.diagnostics import Collector, Diagnostic, Span, SpecError
from stackc.export.objects import Object
from stackc.export.units import DOMAINS, Unexportable, Unit

# what a module, the tracer and the exporter have been seen to raise; a user's own module may raise any of them
_FAILURES = (
    Unexportable, RuntimeError, TypeError, ValueError, AttributeError, LookupError, ArithmeticError, AssertionError,
)  # fmt: skip


def compile_units(units: Mapping[Unit, Span]) -> dict[Unit, Object]:
    """The object of every unit; the span is the place in the spec that a diagnostic points at.

    Raises SpecError with an E501 for each unit that cannot be exported.
    """
    if not units:
        return {}
    try:
        return _together(list(units))
    except _FAILURES:
        return _one_by_one(units)


def _together(units: list[Unit]) -> dict[Unit, Object]:
    from stackc.export.batch import export_batch
    from stackc.export.split import split

    objects: dict[Unit, Object] = {}
    for opset, target in sorted({(unit.opset, unit.target) for unit in units}):
        group = [unit for unit in units if (unit.opset, unit.target) == (opset, target)]
        model, wirings = export_batch(group, opset)
        objects.update(zip(group, split(model, wirings, DOMAINS[target]), strict=True))
    return objects


def _one_by_one(units: Mapping[Unit, Span]) -> dict[Unit, Object]:
    """One unit that fails, fails the call: each for itself, to find out which one it is."""
    objects: dict[Unit, Object] = {}
    diagnostics = Collector()
    for unit, span in units.items():
        try:
            objects.update(_together([unit]))
        except _FAILURES as error:
            diagnostics.extend(SpecError(_blame(unit, span, error)))
    diagnostics.raise_if_any()
    return objects


def _blame(unit: Unit, span: Span, error: Exception) -> Diagnostic:
    """The exporter wraps what has happened in advice about itself: the innermost cause says it best."""
    cause: BaseException = error
    while cause.__cause__ is not None:
        cause = cause.__cause__
    reason = next((line.strip() for line in str(cause).splitlines() if line.strip()), type(cause).__name__)
    return Diagnostic("E501", f"{unit.component.op} cannot be exported: {reason}", span)
