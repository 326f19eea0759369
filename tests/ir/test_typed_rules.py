"""Illegal typed graphs: each of these changes breaks one rule by itself."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tests.ir.illegal import (
    ODD,
    Mutation,
    assert_refused,
    ids,
    with_node,
    with_root,
    without,
)

from stackc.components.families.norm import BatchNorm
from stackc.components.reparam import MinMax
from stackc.core.types import Dim, TensorType
from stackc.frontend import Checked
from stackc.ir.model import Tie
from stackc.ir.typed import TypedGraph, TypedRegion
from stackc.ir.verifier import verify_typed


def with_typed(typed: TypedGraph, **changes: Any) -> TypedGraph:
    return replace(typed, root=replace(typed.root, **changes))


def with_signature(typed: TypedGraph, id: str, **changes: Any) -> TypedGraph:
    signature = replace(typed.root.signatures[id], **changes)
    return with_typed(typed, signatures={**typed.root.signatures, id: signature})


def with_parameters(typed: TypedGraph, id: str, **types: TensorType) -> TypedGraph:
    return with_signature(typed, id, parameters={**typed.root.signatures[id].parameters, **types})


def with_body(typed: TypedGraph, id: str, body: TypedRegion) -> TypedGraph:
    return with_typed(typed, bodies={**typed.root.bodies, id: body})


def with_inner_parameter(body: TypedRegion, type_: TensorType) -> TypedRegion:
    """Change the weight of the linear layer in the block."""
    signature = replace(body.signatures["lin"], parameters={**body.signatures["lin"].parameters, "weight": type_})
    return replace(body, signatures={**body.signatures, "lin": signature})


def with_typed_node(typed: TypedGraph, id: str, **changes: Any) -> TypedGraph:
    """Change a node of the graph under the types as well."""
    graph = with_node(typed.graph, id, **changes)
    return TypedGraph(graph, replace(typed.root, region=graph.root))


def with_tie(typed: TypedGraph, name: str, path: str) -> TypedGraph:
    span = typed.root.region.span
    return with_typed_node(typed, "two", ties={name: Tie(path, span, span)})


GHOST = TensorType("float32", (Dim.symbol("ghost"),))

TYPED: list[Mutation[TypedGraph]] = [
    Mutation("outputs_are_defined", "it has no outputs", lambda t: replace(t, graph=with_root(t.graph, outputs={}))),
    Mutation(
        "every_node_is_typed",
        "node 'one': it has no type",
        lambda t: with_typed(t, signatures=without(t.root.signatures, "one")),
    ),
    Mutation(
        "every_node_is_typed",
        "node 'first': it has no type, or one of another body",
        lambda t: with_body(t, "first", t.root),
    ),
    Mutation(
        "every_node_is_typed",
        "a type for 'ghost', which is not a node",
        lambda t: with_typed(t, bodies={**t.root.bodies, "ghost": t.root}),
    ),
    Mutation("every_node_is_typed", "1 types for 2 inputs", lambda t: with_typed(t, inputs=t.root.inputs[:1])),
    Mutation("every_node_is_typed", "0 types for 2 outputs", lambda t: with_typed(t, outputs=())),
    Mutation(
        "operands_have_the_types_they_enter_as",
        "operand 'x' is float32[batch, seq, 4] and enters as float32[5]",
        lambda t: with_body(t, "first", replace(t.root.bodies["first"], inputs=(ODD,))),
    ),
    Mutation(
        "operands_have_the_types_they_enter_as",
        "operand 'x' has no type",
        lambda t: with_signature(t, "score", outputs=()),
    ),
    Mutation(
        "signatures_follow_from_operands",
        "its outputs are (float32[5]); its operands give (float32[batch, seq, 4])",
        lambda t: with_signature(t, "one", outputs=(ODD,)),
    ),
    Mutation("signatures_follow_from_operands", "its FLOPs are 7", lambda t: with_signature(t, "one", flops=Dim.of(7))),
    Mutation(
        "signatures_follow_from_operands",
        "parameter 'weight' is float32[5]; its operands give float32[4, 4]",
        lambda t: with_parameters(t, "one", weight=ODD),
    ),
    Mutation(
        "signatures_follow_from_operands",
        "parameter 'bias' is None; its operands give float32[4]",
        lambda t: with_typed_node(t, "one", reparams=()),
    ),
    Mutation(
        "signatures_follow_from_operands",
        "'scale' is reparametrized, and is not a parameter",
        lambda t: with_typed_node(t, "one", reparams=(("scale", MinMax()),)),
    ),
    Mutation(
        "signatures_follow_from_operands",
        "it takes no operands of these types: axis",
        lambda t: with_typed_node(t, "norm", body=BatchNorm(axis=7)),
    ),
    Mutation(
        "output_types_agree",
        "output 'norm' is declared float32[5], and its value is float32[batch, seq, 4]",
        lambda t: with_typed(t, outputs=(t.root.outputs[0], ODD)),
    ),
    Mutation(
        "parameter_shapes_are_numbers", "'weight' is float32[ghost]", lambda t: with_parameters(t, "one", weight=GHOST)
    ),
    Mutation(
        "ties_are_of_equal_types", "it ties 'scale', and has no such parameter", lambda t: with_tie(t, "scale", "")
    ),
    Mutation(
        "ties_are_of_equal_types",
        "'weight' is tied to 'first.lin', which is not a parameter",
        lambda t: with_tie(t, "weight", "first.lin"),
    ),
    Mutation(
        "ties_are_of_equal_types",
        "'weight' is float32[4, 4] and tied to 'first.lin.bias', which is float32[4]",
        lambda t: with_tie(t, "weight", "first.lin.bias"),
    ),
    Mutation(
        "shared_modules_have_equal_parameters",
        "node 'again': its parameter 'lin.weight' differs from that of 'first', whose module it calls",
        lambda t: with_body(t, "again", with_inner_parameter(t.root.bodies["again"], ODD)),
    ),
    Mutation(
        "root_is_typed_by_the_inputs",
        "the typed root is not the root of the graph",
        lambda t: replace(t, graph=with_root(t.graph, name="other")),
    ),
    Mutation(
        "root_is_typed_by_the_inputs",
        "its inputs are (float32[5], float32[5]), the graph's (",
        lambda t: with_typed(t, inputs=(ODD, ODD)),
    ),
    Mutation(
        "contract_covers_every_type",
        "the dim 'ghost' is not in the contract",
        lambda t: with_signature(t, "part", outputs=(GHOST,)),
    ),
]


@pytest.mark.parametrize("mutation", TYPED, ids=ids(TYPED))
def test_error_illegal_typed_graph(mutation: Mutation[TypedGraph], legal: Checked) -> None:
    assert_refused(verify_typed, mutation, legal.typed)
