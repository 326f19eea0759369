"""Refuse weights that hold NaN or Inf: a model that reads them computes nothing that could be proven."""

from __future__ import annotations

import math

import numpy as np

from stackc.core.diagnostics import Collector, Span
from stackc.core.name_patterns import wildcards
from stackc.spec.document import WeightsDecl
from stackc.weights.files import Array
from stackc.weights.sources import Weights

MOST = 12  # tensors that are named


def require_finite(weights: Weights, decl: WeightsDecl | None, file_name: str, span: Span | None = None) -> None:
    """Read every tensor once, as the model reads it. Raises SpecError (W806) with those that are not finite.

    Those whose name in the file matches a pattern of `weights: {nonfinite: […]}` may be.
    """
    allowed = [wildcards(str(pattern.data)) for pattern in (decl.nonfinite if decl else ())]
    place = span or (decl.span if decl else None)

    diagnostics, rest = Collector(), 0
    for name, source in weights.sources.items():
        if any(pattern.fullmatch(read) for pattern in allowed for read in source.names):
            continue
        beyond: list[object] = []  # has something if a number of the file is beyond the type that the model reads
        with np.errstate(over="call", call=lambda *error, beyond=beyond: beyond.append(error)):
            array = weights[name]
        if not (problem := _problem(array)):
            continue
        if len(diagnostics.diagnostics) == MOST:
            rest += 1
            continue
        in_file = f" ('{source}' in {file_name})" if str(source) != name else f" in {file_name}"
        hint = f"fix the file, or allow it: `weights: {{nonfinite: [{', '.join(dict.fromkeys(source.names))}]}}`"
        reason = f": numbers beyond those of {array.dtype}" if beyond else ""
        diagnostics.error("W806", f"'{name}'{in_file} has {problem}{reason}", place, hint)

    if rest:
        diagnostics.error("W806", f"… and {rest} more of this kind", place)
    diagnostics.raise_if_any()


def _problem(array: Array) -> str | None:
    """Count the NaN and Inf of a tensor, and give the place of the first; None if it has none."""
    if not np.issubdtype(array.dtype, np.floating):
        return None
    with np.errstate(all="ignore"):
        # a sum is finite only if every number is; one that is not may have overflowed
        if math.isfinite(float(np.add.reduce(array, axis=None))):
            return None

    wrong = ~np.isfinite(array)
    count = int(np.count_nonzero(wrong))
    if not count:
        return None
    first = [int(i) for i in np.unravel_index(int(np.argmax(wrong)), array.shape)]
    nan = int(np.count_nonzero(np.isnan(array)))
    kinds = " and ".join(f"{n:,} {word}" for n, word in ((nan, "NaN"), (count - nan, "Inf")) if n)
    return f"{kinds} among {array.size:,} numbers, the first at {first}"
