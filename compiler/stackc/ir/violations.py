"""Violations of the rules of the IR, and the error that lists them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from stackc.core.diagnostics import Span

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Violation:
    """One breach of a rule: what is wrong, in which region or at which path, and the line of the spec it comes from."""

    message: str
    place: str
    span: Span | None = None


Rule = Callable[[T], Iterable[Violation]]
"""A rule states in its docstring what holds, and yields every place where it does not."""


class IRError(Exception):
    """A Graph, TypedGraph or Program that no stage may produce: a bug of stackc, not of a spec."""

    def __init__(self, what: str, violations: Sequence[tuple[str, Violation]]) -> None:
        lines = [f"{violation.place}: {violation.message} [{rule}]{_at(violation)}" for rule, violation in violations]
        super().__init__("\n  ".join([f"illegal {what}:", *lines]))
        self.violations = tuple(violations)


def _at(violation: Violation) -> str:
    return f" ({violation.span}:{violation.span.column})" if violation.span else ""


def breaches(rules: Iterable[Rule[T]], value: T) -> Iterator[tuple[str, Violation]]:
    """Yield every violation with the name of its rule."""
    for rule in rules:
        for violation in rule(value):
            yield rule.__name__, violation
