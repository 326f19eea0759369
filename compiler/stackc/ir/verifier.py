"""What a legal Graph, TypedGraph and Program is, checked: the rules of graph_rules, typed_rules and program_rules.

Stages rely on these rules and do not check them. The tests verify what each stage returns (tests/conftest.py); so can
whoever writes a stage. A violation is a bug of stackc: mistakes in a spec are SpecErrors, and end the stage before.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain

from stackc.ir.graph_rules import GRAPH_RULES, REGION_RULES, regions_of
from stackc.ir.model import Graph
from stackc.ir.program import Program
from stackc.ir.program_rules import PROGRAM_RULES
from stackc.ir.typed import TypedGraph
from stackc.ir.typed_rules import TYPED_GRAPH_RULES, TYPED_REGION_RULES, every_node_is_typed, typed_regions_of
from stackc.ir.violations import IRError, Violation, breaches


def verify_graph(graph: Graph) -> None:
    """Raise IRError with every violation of a rule of graphs."""
    _raise_if_any("graph", _graph_breaches(graph))


def verify_typed(typed: TypedGraph) -> None:
    """Raise IRError with every violation of a rule of typed graphs, or else of their graphs."""
    _raise_if_any("graph", _graph_breaches(typed.graph))
    regions = typed_regions_of(typed.root)

    # The other rules look up the type of every node.
    _raise_if_any("typed graph", (each for body in regions for each in breaches([every_node_is_typed], body)))
    inner = (each for body in regions for each in breaches(TYPED_REGION_RULES, body))
    _raise_if_any("typed graph", chain(breaches(TYPED_GRAPH_RULES, typed), inner))


def verify_program(program: Program) -> None:
    """Raise IRError with every violation of a rule of programs."""
    _raise_if_any("program", breaches(PROGRAM_RULES, program))


def _graph_breaches(graph: Graph) -> Iterator[tuple[str, Violation]]:
    yield from breaches(GRAPH_RULES, graph)
    for region in regions_of(graph.root):
        yield from breaches(REGION_RULES, region)


def _raise_if_any(what: str, violations: Iterable[tuple[str, Violation]]) -> None:
    if listed := list(violations):
        raise IRError(what, listed)
