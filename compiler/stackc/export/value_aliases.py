"""Find the values of a program that are the same value in the graph. Called by link.py before it names anything."""

from __future__ import annotations

from collections.abc import Iterable

from stackc.export.objects import Object
from stackc.ir.program import Call


def roots_of(uses: Iterable[tuple[Call, Object]]) -> dict[str, str]:
    """Return the value behind every value that a call only passes on (identity, dropout) or returns a second time."""
    roots: dict[str, str] = {}
    for call, compiled in uses:
        first: dict[str, str] = {}
        for value, local in zip(call.outputs, compiled.outputs, strict=True):
            passed = call.inputs[int(local[1:])] if local[0] == "x" else first.setdefault(local, value)
            assert passed is not None, "an open port has no value to pass on"
            if passed != value:
                roots[value] = roots.get(passed, passed)
    return roots
