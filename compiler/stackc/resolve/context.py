"""State and vocabulary shared by all steps of the expansion of a spec."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from stackc.core.diagnostics import Collector, Span
from stackc.ir.model import Body, Region
from stackc.resolve.operators import Operator
from stackc.resolve.scope import Scope
from stackc.resolve.taps import Taps
from stackc.spec.document import Document
from stackc.spec.yaml.tree import Entry


@dataclass
class Context:
    """The state of one expansion, at every depth.

    `regions` shares equal regions, and `used` collects the names of their blocks; `open` is the stack of blocks being
    expanded. `node_count` bounds the expansion: blocks that call each other with ever new params would not end.
    """

    document: Document
    root: Scope
    regions: dict[object, Region | None] = field(default_factory=dict)
    used: dict[str, None] = field(default_factory=dict)
    open: list[str] = field(default_factory=list)
    node_count: int = 0

    @property
    def diagnostics(self) -> Collector:
        """The collector of problems."""
        return self.root.diagnostics


@dataclass(frozen=True)
class CallSite:
    """The place where an op is used: its connected ports, the paths inside that are tapped, its path in the drawing."""

    connected: frozenset[str]
    taps: Taps
    path: str
    span: Span

    @property
    def what(self) -> str:
        """The name of the place in messages."""
        return f"'{self.path}'"


Instantiate: TypeAlias = Callable[[Context, Operator, Mapping[str, Entry], Scope, CallSite], "Body | None"]
"""Return the component or region of an op with these fields, read in this scope; None, reported, if it is invalid.

Drawings and stacks take it as an argument, since it calls them in turn: modules do not import each other in a circle.
"""
