"""The verifier accepts every spec and refuses every illegal value: the tables below break each rule by itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Generic, TypeVar

import pytest

from stackc.components.families.norm import BatchNorm
from stackc.components.reparam import MinMax
from stackc.core.types import Dim, DimRange, TensorType
from stackc.frontend import Checked, check_source, check_spec
from stackc.ir.graph_rules import GRAPH_RULES, REGION_RULES
from stackc.ir.model import Graph, Operand, Tie, ValueRef
from stackc.ir.program import Frame, Program
from stackc.ir.program_rules import PROGRAM_RULES
from stackc.ir.typed import TypedGraph, TypedRegion
from stackc.ir.typed_rules import TYPED_GRAPH_RULES, TYPED_REGION_RULES, every_node_is_typed
from stackc.ir.verifier import verify_graph, verify_program, verify_typed
from stackc.ir.violations import IRError
from stackc.spec.source import Source

T = TypeVar("T")

TESTS = Path(__file__).parent
SPECS = [*(TESTS.parents[1] / "specs").iterdir(), *(TESTS / "specs").glob("[eims]*.yaml")]

LEGAL = """\
stackc: 1
name: legal
dims: {seq: {max: 64, multiple_of: 4}}
inputs: {x: {shape: [batch, seq, 4]}, y: {shape: [batch, seq, 4]}}
graph: |
  x --> first[block] --> score[matmul]
  y --> again --> one[linear] -->|other| score
  again --> two --> norm[batch_norm]
  score --> part[slice]
nodes:
  again: {same_as: first}
  one:   {out: 4, reparam: {bias: minmax}}
  two:   {op: linear, out: 4, bias: false, tie: {weight: first.lin.weight}}
  score: {transposed: true}
  norm:  {axis: -1}
  part:  {start: 0, size: seq}
blocks:
  block: {inputs: [x], graph: "x --> lin[linear] --> relu", nodes: {lin: {out: 4}}}
outputs: [part, norm]
"""


@pytest.fixture
def legal() -> Checked:
    """A spec that uses everything the rules are about."""
    return check_source(Source("legal.yaml", LEGAL))


@dataclass(frozen=True)
class Mutation(Generic[T]):
    """A change that breaks one rule, and a part of the message that says so."""

    rule: str
    message: str
    apply: Callable[[T], T]


def ids(mutations: Iterable[Mutation[Any]]) -> list[str]:
    return [f"{mutation.rule}: {mutation.message}" for mutation in mutations]


def without(mapping: Mapping[str, T], name: str) -> dict[str, T]:
    return {key: value for key, value in mapping.items() if key != name}


# -- graphs


def with_root(graph: Graph, **changes: Any) -> Graph:
    return replace(graph, root=replace(graph.root, **changes))


def with_node(graph: Graph, id: str, /, **changes: Any) -> Graph:
    return with_root(graph, nodes={**graph.root.nodes, id: replace(graph.root.nodes[id], **changes)})


def operand(graph: Graph, id: str, index: int = 0, **changes: Any) -> Operand:
    return replace(graph.root.nodes[id].operands[index], **changes)


def with_operand(graph: Graph, id: str, **changes: Any) -> Graph:
    """Change the first operand of a node."""
    return with_node(graph, id, operands=(operand(graph, id, **changes), *graph.root.nodes[id].operands[1:]))


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


# -- typed graphs


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


ODD = TensorType("float32", (Dim.of(5),))
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


# -- programs


def with_call(program: Program, path: str, /, **changes: Any) -> Program:
    calls = [replace(call, **changes) if call.path == path else call for call in program.calls]
    assert [*calls] != [*program.calls], path
    return replace(program, calls=tuple(calls))


def with_tensor(program: Program, path: str, kind: str, **names: str) -> Program:
    call = next(call for call in program.calls if call.path == path)
    return with_call(program, path, **{kind: {**getattr(call, kind), **names}})


PROGRAMS: list[Mutation[Program]] = [
    Mutation(
        "values_are_defined_once", "the value 'one' is defined twice", lambda p: with_call(p, "two", outputs=("one",))
    ),
    Mutation(
        "values_are_defined_before_use",
        "call 'one': it uses 'score', which is not defined before it",
        lambda p: with_call(p, "one", inputs=("score",)),
    ),
    Mutation("outputs_are_values", "program 'legal': it has no outputs", lambda p: replace(p, outputs={})),
    Mutation(
        "outputs_are_values",
        "output 'y': it is 'ghost', which is not a value",
        lambda p: replace(p, outputs={"y": "ghost"}),
    ),
    Mutation(
        "types_are_complete",
        "value 'one': its type is None in the table",
        lambda p: replace(p, types=without(p.types, "one")),
    ),
    Mutation(
        "types_are_complete",
        "value 'ghost': its type is float32[5] in the table, and None",
        lambda p: replace(p, types={**p.types, "ghost": ODD}),
    ),
    Mutation("paths_are_unique", "path 'two': the path is used twice", lambda p: with_call(p, "one", path="two")),
    Mutation(
        "inputs_fit_ports",
        "call 'score': it has 1 inputs for the ports x, other",
        lambda p: with_call(p, "score", inputs=("one",)),
    ),
    Mutation(
        "inputs_fit_ports", "port 'other' is required and open", lambda p: with_call(p, "score", inputs=("one", None))
    ),
    Mutation(
        "signatures_follow_from_inputs",
        "call 'one': it names 2 outputs, and its signature has 1",
        lambda p: with_call(p, "one", outputs=("one", "one:more")),
    ),
    Mutation(
        "signatures_follow_from_inputs",
        "call 'norm': it takes no operands of these types: axis",
        lambda p: with_call(p, "norm", component=BatchNorm(axis=7)),
    ),
    Mutation(
        "owners_are_equal_modules",
        "its owner 'norm' is not an earlier call that owns its module",
        lambda p: with_call(p, "one", owner="norm"),
    ),
    Mutation(
        "owners_are_equal_modules",
        "its owner 'first.relu' is another component",
        lambda p: with_call(p, "one", owner="first.relu"),
    ),
    Mutation(
        "tensors_match_signatures",
        "call 'two': its parameters are [], in its signature ['weight']",
        lambda p: with_call(p, "two", parameters={}),
    ),
    Mutation(
        "tensors_match_signatures",
        "the buffer 'running_mean' is 'two.running_mean' of another module",
        lambda p: with_tensor(p, "norm", "buffers", running_mean="two.running_mean"),
    ),
    Mutation(
        "tensors_have_one_owner_and_type",
        "the parameter 'weight' is 'ghost.weight', which no call owns",
        lambda p: with_tensor(p, "two", "parameters", weight="ghost.weight"),
    ),
    Mutation(
        "tensors_have_one_owner_and_type",
        "is float32[4, 4], and its owner has the parameter 'first.lin.bias' as float32[4]",
        lambda p: with_tensor(p, "two", "parameters", weight="first.lin.bias"),
    ),
    Mutation(
        "frames_enclose_earlier_ones",
        "frame 'first.lin.part': it stands after 'first', which is around it",
        lambda p: replace(p, frames=(*p.frames, Frame("first.lin.part", "part", {}, p.calls[0].span))),
    ),
    Mutation(
        "frames_enclose_earlier_ones",
        "frame 'first': 'x' is 'ghost', which is not a value",
        lambda p: replace(p, frames=(replace(p.frames[0], inputs={"x": "ghost"}), *p.frames[1:])),
    ),
    Mutation(
        "contract_covers_every_value",
        "value 'x': the dim 'seq' is not in the contract",
        lambda p: replace(p, contract=without(p.contract, "seq")),
    ),
]


@pytest.mark.parametrize("mutation", PROGRAMS, ids=ids(PROGRAMS))
def test_error_illegal_program(mutation: Mutation[Program], legal: Checked) -> None:
    assert_refused(verify_program, mutation, legal.program)


# -- both ways


def assert_refused(verify: Callable[[T], None], mutation: Mutation[T], value: T) -> None:
    verify(value)
    with pytest.raises(IRError) as caught:
        verify(mutation.apply(value))
    named = [str(violation) for rule, violation in caught.value.violations if rule == mutation.rule]
    assert named, f"refused under {[rule for rule, _ in caught.value.violations]} alone"
    assert mutation.message in str(caught.value)


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
