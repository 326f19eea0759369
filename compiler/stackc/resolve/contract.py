"""The dims contract: the ranges that a spec declares for its dims, as numbers or expressions over params.

Params may depend on dims (`rows: 2*seq`) and the contract on params (`seq: {max: positions}`). So params are bound
twice: first with dims of unknown range, to read the contract; then with the dims of that contract.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Set
from dataclasses import dataclass

from stackc.core.diagnostics import Collector, Note, Span, SpecError, did_you_mean
from stackc.core.types import INT64, Dim, DimContract, DimRange
from stackc.resolve.scope import Scope
from stackc.spec.document import DimDecl, Document
from stackc.spec.expressions.expressions import ParamValue
from stackc.spec.names import is_symbol
from stackc.spec.yaml.tree import Value


def dim_names(document: Document) -> dict[str, Dim]:
    """Return the dims of a spec, undeclared ones in the shapes of inputs included, without a contract yet."""
    names = dict.fromkeys(document.dims)
    for decl in document.inputs.values():
        for value in decl.shape:
            if isinstance(value.data, str) and is_symbol(value.data) and value.data not in document.params:
                names[value.data] = None
    return {name: Dim.symbol(name) for name in names}


def contract_of(document: Document, scope: Scope, doubtful: Collector) -> dict[str, DimRange]:
    """Return the contract of all dims; report S005 for an invalid bound, S006 for a range without a size.

    `scope` has the dims without their contract, and those params that can be bound without it. Problems with bounds
    that use other params go to `doubtful`: if such a param is itself wrong, that is the problem to report.
    """
    names = dim_names(document)
    unbound = {name: Dim.symbol(name) for name in document.params if name not in scope.names}
    reader = _BoundReader(scope.with_names(unbound), doubtful, unbound.keys())
    ranges = {name: _range(decl, reader) for name, decl in document.dims.items()}
    return {name: ranges.get(name, DimRange()) for name in names}


def fixed_dims(
    document: Document, contract: DimContract, sizes: Mapping[str, int], diagnostics: Collector, spelling: str
) -> tuple[dict[str, DimRange], dict[str, ParamValue]]:
    """Return the contract without the dims that `sizes` fixes (`--dims`), and the value of every dim.

    `spelling` shows in messages how a dim is fixed. Reports N312 for an unknown dim, T205 for a size outside of the
    contract, S005 for a size beyond 64 bits.
    """
    names: dict[str, ParamValue] = {name: Dim.symbol(name, limits.multiple_of) for name, limits in contract.items()}
    for name, size in sizes.items():
        span = Span(spelling.format(name=name, value=size), 0)

        if name not in contract:
            diagnostics.error("N312", f"the spec has no dim '{name}'", span, did_you_mean(name, names))
        elif size >= INT64:
            diagnostics.error("S005", f"a size must fit in 64 bits, but {name} is {size}", span)
        elif not contract[name].allows(size):
            notes = [Note(f"the contract of {name}", document.dims[name].span)] if name in document.dims else []
            diagnostics.error("T205", f"{name} must be {contract[name]}, but is {size}", span, None, *notes)

        names[name] = Dim.of(size)
    return {name: limits for name, limits in contract.items() if name not in sizes}, names


@dataclass(frozen=True)
class _BoundReader:
    """Reads the bounds of a contract; problems with those that use `unbound` params go to `doubtful`."""

    scope: Scope
    doubtful: Collector
    unbound: Set[str]

    def bound(self, path: str, value: Value, least: int) -> int | None:
        """Return a whole number of at least `least`; None, reported as S005, for anything else."""
        try:
            return self.scope.whole(value, path, least)
        except SpecError as error:
            is_doubtful = not self.unbound.isdisjoint(re.findall(r"\w+", str(value.data)))
            (self.doubtful if is_doubtful else self.scope.diagnostics).extend(error)
            return None


def _range(decl: DimDecl, reader: _BoundReader) -> DimRange:
    """Return the sizes that a dim may have; an invalid bound is reported and left open."""
    written = {"min": decl.minimum, "max": decl.maximum, "below": decl.below, "multiple_of": decl.multiple_of}
    declared = {key: value for key, value in written.items() if value is not None and value.data is not None}
    bounds = {
        key: reader.bound(f"dims.{decl.name}.{key}", value, 0 if key == "min" else 1) for key, value in declared.items()
    }
    smallest, most, step = bounds.get("min"), bounds.get("max"), bounds.get("multiple_of") or 1
    least = 1 if smallest is None else smallest
    if below := bounds.get("below"):
        most = below - 1

    limits = DimRange(least, most, step)
    if most is not None and limits.least > most:
        reason = f"no multiple of {step} lies between {least} and {most}" if least <= most else "min is above max"
        reason = f"min is not below {below}" if below and least > most else reason
        hint = "a dim may have any size from min to max, both included"
        reader.scope.diagnostics.error("S006", f"dims.{decl.name} allows no size: {reason}", decl.span, hint)
        return DimRange(multiple_of=step)
    return limits
