"""Illegal graphs: each of these changes breaks one rule by itself."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.ir.illegal import (
    Mutation,
    assert_refused,
    ids,
    operand,
    with_node,
    with_operand,
    with_root,
    without,
)

from stackc.core.types import DimRange
from stackc.frontend import Checked
from stackc.ir.model import Graph, Operand, ValueRef
from stackc.ir.verifier import verify_graph


def with_a_region_in_itself(graph: Graph) -> Graph:
    nodes = dict(graph.root.nodes)
    root = replace(graph.root, nodes=nodes)
    nodes["first"] = replace(
        nodes["first"], body=root, operands=tuple(Operand(n, ValueRef("x"), root.span) for n in "xy")
    )
    nodes["again"] = replace(nodes["again"], same_as=None)
    return replace(graph, root=root)


GRAPHS: list[Mutation[Graph]] = [
    Mutation("names_are_unique", "it stands under the name 'first'", lambda g: with_node(g, "first", id="else")),
    Mutation("names_are_unique", "the input 'x' is named 2 times", lambda g: with_root(g, inputs=("x", "y", "x"))),
    Mutation("names_are_unique", "an input has the same name", lambda g: with_root(g, inputs=("x", "y", "one"))),
    Mutation(
        "operands_are_defined_before_use",
        "operand 'x' is 'score', which is not defined before it",
        lambda g: with_operand(g, "one", value=ValueRef("score")),
    ),
    Mutation(
        "operands_are_defined_before_use",
        "operand 'x' is output 1 of 'again', which has 1",
        lambda g: with_operand(g, "one", value=ValueRef("again", 1)),
    ),
    Mutation("operands_fit_ports", "it has no port 'q'", lambda g: with_operand(g, "one", port="q")),
    Mutation("operands_fit_ports", "port 'x' has no operand", lambda g: with_node(g, "one", operands=())),
    Mutation("operands_fit_ports", "port 'x' has no operand", lambda g: with_node(g, "first", operands=())),
    Mutation("operands_fit_ports", "port 'x' is required and open", lambda g: with_operand(g, "one", value=None)),
    Mutation(
        "operands_fit_ports",
        "port 'x' has 2 operands",
        lambda g: with_node(g, "one", operands=(operand(g, "one"), operand(g, "one"))),
    ),
    Mutation(
        "operands_fit_ports",
        "its operands are not in the order of its ports",
        lambda g: with_node(g, "score", operands=tuple(reversed(g.root.nodes["score"].operands))),
    ),
    Mutation("outputs_are_defined", "spec 'legal': it has no outputs", lambda g: with_root(g, outputs={})),
    Mutation(
        "outputs_are_defined",
        "output 'y' is 'ghost', which is not defined",
        lambda g: with_root(g, outputs={"y": ValueRef("ghost")}),
    ),
    Mutation(
        "same_as_is_an_earlier_equal_node",
        "same_as 'two' is not an earlier node",
        lambda g: with_node(g, "one", same_as="two"),
    ),
    Mutation(
        "same_as_is_an_earlier_equal_node",
        "same_as 'one' has another body",
        lambda g: with_node(g, "two", same_as="one"),
    ),
    Mutation("no_region_contains_itself", "spec 'legal': it contains itself", with_a_region_in_itself),
    Mutation("root_is_the_spec", "the root is not a spec", lambda g: with_root(g, kind="block")),
    Mutation(
        "root_is_the_spec",
        "its inputs are ['x', 'y'], and the graph has types of ['x']",
        lambda g: replace(g, inputs=without(g.inputs, "y")),
    ),
    Mutation(
        "contract_covers_every_dim",
        "input 'x': the dim 'batch' is not in the contract",
        lambda g: replace(g, contract=without(g.contract, "batch")),
    ),
    Mutation(
        "contract_covers_every_dim",
        "node 'part': the dim 'seq' is a multiple of 4, in the contract of 1",
        lambda g: replace(g, contract={**g.contract, "seq": DimRange()}),
    ),
    Mutation(
        "contract_covers_every_dim",
        "contract: no size of 'seq' is legal",
        lambda g: replace(g, contract={**g.contract, "seq": DimRange(5, 7, 4)}),
    ),
]


@pytest.mark.parametrize("mutation", GRAPHS, ids=ids(GRAPHS))
def test_error_illegal_graph(mutation: Mutation[Graph], legal: Checked) -> None:
    assert_refused(verify_graph, mutation, legal.graph)
