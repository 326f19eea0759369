"""The dims contract: what a spec says of its dims, in numbers and expressions over params; what their names stand for.

Params may be made of dims (`rows: 2*seq`) and the contract of params (`seq: {max: positions}`), so the params are
looked at twice: first with dims of which nothing is known, for the contract; then with those of the contract.
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
    """The dims of a spec, those of its inputs' shapes that are not declared included, without a contract yet."""
    names = dict.fromkeys(document.dims)
    for decl in document.inputs.values():
        for value in decl.shape:
            if isinstance(value.data, str) and is_symbol(value.data) and value.data not in document.params:
                names[value.data] = None
    return {name: Dim.symbol(name) for name in names}


def contract_of(document: Document, scope: Scope, doubtful: Collector) -> dict[str, DimRange]:
    """The contract of all dims. Notes S005 and S006 for what is no size, or leaves none.

    `scope` has the dims without their contract, and the params as far as they are known by that. What is said with
    other params is noted in `doubtful`: it is for the params to say what is wrong with them, if anything is.
    """
    names = dim_names(document)
    unknown = {name: Dim.symbol(name) for name in document.params if name not in scope.names}
    numbers = _Numbers(scope.with_names(unknown), doubtful, unknown.keys())
    ranges = {name: _range(decl, numbers) for name, decl in document.dims.items()}
    return {name: ranges.get(name, DimRange()) for name in names}


def fixed_dims(
    document: Document, contract: DimContract, sizes: Mapping[str, int], diagnostics: Collector, spelling: str
) -> tuple[dict[str, DimRange], dict[str, ParamValue]]:
    """The contract without the dims that `--dims` fixes, and what each name stands for. `spelling` is how it does.

    Notes N312 for a name that is no dim, T205 for a size that the contract does not allow, S005 for one that no tensor
    can have.
    """
    names: dict[str, ParamValue] = {name: Dim.symbol(name, limits.multiple_of) for name, limits in contract.items()}
    for name, size in sizes.items():
        place = Span(spelling.format(name=name, value=size), 0)
        if name not in contract:
            diagnostics.error("N312", f"the spec has no dim '{name}'", place, did_you_mean(name, names))
        elif size >= INT64:
            diagnostics.error("S005", f"a size has to fit in 64 bits, and {name} is {size}", place)
        elif not contract[name].allows(size):
            notes = [Note("its contract", document.dims[name].span)] if name in document.dims else []
            diagnostics.error("T205", f"{name} may be {contract[name]}; it is {size}", place, None, *notes)
        names[name] = Dim.of(size)
    return {name: limits for name, limits in contract.items() if name not in sizes}, names


@dataclass(frozen=True)
class _Numbers:
    """Reads the numbers of a contract; what is wrong with those made of `unknown` params is noted in `doubtful`."""

    scope: Scope
    doubtful: Collector
    unknown: Set[str]

    def number(self, path: str, value: Value) -> int | None:
        """A whole number from 1 up; None, noted, where it is none."""
        try:
            return self.scope.whole(value, path, 1)
        except SpecError as error:
            is_doubtful = not self.unknown.isdisjoint(re.findall(r"\w+", str(value.data)))
            (self.doubtful if is_doubtful else self.scope.diagnostics).extend(error)
            return None


def _range(decl: DimDecl, reader: _Numbers) -> DimRange:
    """The sizes that a dim may have; an end of which something wrong is noted is left open."""
    written = {"min": decl.minimum, "max": decl.maximum, "multiple_of": decl.multiple_of}
    said = {key: value for key, value in written.items() if value is not None and value.data is not None}
    numbers = {key: reader.number(f"dims.{decl.name}.{key}", value) for key, value in said.items()}
    least, most, step = numbers.get("min") or 1, numbers.get("max"), numbers.get("multiple_of") or 1
    limits = DimRange(least, most, step)
    if most is not None and limits.least > most:
        between = f"no multiple of {step} lies between {least} and {most}" if least <= most else "min is above max"
        hint = "a dim has sizes from min to max, both included"
        reader.scope.diagnostics.error("S006", f"dims.{decl.name} allows no size: {between}", decl.span, hint)
        return DimRange(multiple_of=step)
    return limits
