"""Compile units to objects, all in one call of torch.onnx.export: batch.py exports them, split.py splits the graph.

torch is imported when there is something to compile, not with this module.
"""

from __future__ import annotations

from collections.abc import Mapping

from stackc.components.custom.module import CustomModule, same_component
from stackc.core.diagnostics import Collector, Diagnostic, Span, SpecError
from stackc.export.objects import Object
from stackc.export.units import DOMAINS, Unexportable, Unit

# What modules, the tracer and the exporter have been seen to raise; a custom module may raise any of them.
_FAILURES = (
    Unexportable, RuntimeError, TypeError, ValueError, AttributeError, LookupError, ArithmeticError, AssertionError,
)  # fmt: skip


def compile_units(units: Mapping[Unit, Span]) -> dict[Unit, Object]:
    """Return the object of every unit; diagnostics point at the span of the unit.

    Raises SpecError with an E501 for each unit that cannot be exported.
    """
    if not units:
        return {}
    try:
        return _compile_together(list(units))
    except _FAILURES:
        return _compile_one_by_one(units)


def _compile_together(units: list[Unit]) -> dict[Unit, Object]:
    from stackc.export.batch import export_batch
    from stackc.export.split import split

    objects: dict[Unit, Object] = {}
    for opset, target in sorted({(unit.opset, unit.target) for unit in units}):
        group = [unit for unit in units if (unit.opset, unit.target) == (opset, target)]
        model, interfaces = export_batch(group, opset)
        objects.update(zip(group, split(model, interfaces, DOMAINS[target]), strict=True))
    return objects


def _compile_one_by_one(units: Mapping[Unit, Span]) -> dict[Unit, Object]:
    """One failing unit fails the whole batch: compile each on its own, to report every one that fails."""
    objects: dict[Unit, Object] = {}
    diagnostics = Collector()
    for unit, span in units.items():
        try:
            objects.update(_compile_together([unit]))
        except _FAILURES as error:
            diagnostics.extend(SpecError(_explain(unit, span, error)))
    diagnostics.raise_if_any()
    return objects


def _explain(unit: Unit, span: Span, error: Exception) -> Diagnostic:
    """Return the E501 of a unit. It quotes the innermost cause: the exporter wraps that in advice about itself."""
    cause: BaseException = error
    while cause.__cause__ is not None:
        cause = cause.__cause__

    lines = (line.strip() for line in str(cause).splitlines())
    reason = next((line for line in lines if line), type(cause).__name__)
    hint = same_component(unit.component.make) if isinstance(unit.component, CustomModule) else None
    return Diagnostic("E501", f"{unit.component.op} cannot be exported: {reason}", span, hint)
