"""The verifier accepts every spec, has a test for each of its rules, and lists all violations."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.ir.illegal import LEGAL, Mutation, with_node, with_operand
from tests.ir.test_graph_rules import GRAPHS
from tests.ir.test_program_rules import PROGRAMS
from tests.ir.test_typed_rules import TYPED

from stackc.frontend import Checked, check_source, check_spec
from stackc.ir.graph_rules import GRAPH_RULES, REGION_RULES
from stackc.ir.program import Program
from stackc.ir.program_rules import PROGRAM_RULES
from stackc.ir.typed_rules import TYPED_GRAPH_RULES, TYPED_REGION_RULES, every_node_is_typed
from stackc.ir.verifier import verify_graph, verify_program, verify_typed
from stackc.ir.violations import IRError
from stackc.spec.source import Source

TESTS = Path(__file__).parent
SPECS = [*(TESTS.parents[1] / "specs").iterdir(), *(TESTS / "specs").glob("[eims]*.yaml")]


def test_every_rule_is_broken_once() -> None:
    rules = (*REGION_RULES, *GRAPH_RULES, every_node_is_typed, *TYPED_REGION_RULES, *TYPED_GRAPH_RULES, *PROGRAM_RULES)
    mutations: list[Mutation[Any]] = [*GRAPHS, *TYPED, *PROGRAMS]
    broken = {mutation.rule for mutation in mutations}
    assert broken == {rule.__name__ for rule in rules}


@pytest.mark.parametrize("path", sorted(SPECS), ids=lambda path: path.name)
def test_every_spec_is_legal(path: Path) -> None:
    checked = check_spec(path)
    verify_graph(checked.graph)
    verify_typed(checked.typed)
    verify_program(checked.program)


def test_every_test_verifies_between_the_stages(monkeypatch: pytest.MonkeyPatch) -> None:
    def without_outputs(*values: Any) -> Program:
        return replace(Program(*values), outputs={})

    monkeypatch.setattr("stackc.typecheck.flatten.Program", without_outputs)
    with pytest.raises(IRError, match="illegal program"):
        check_source(Source("legal.yaml", LEGAL))


def test_all_violations_are_listed_with_their_lines(legal: Checked) -> None:
    illegal = with_node(with_operand(legal.graph, "one", value=None), "two", same_as="ghost")
    with pytest.raises(IRError) as caught:
        verify_graph(illegal)
    assert str(caught.value).splitlines() == [
        "illegal graph:",
        "  spec 'legal', node 'one': port 'x' is required and open [operands_fit_ports] (legal.yaml:7:19)",
        "  spec 'legal', node 'two': same_as 'ghost' is not an earlier node "
        "[same_as_is_an_earlier_equal_node] (legal.yaml:8:13)",
    ]
