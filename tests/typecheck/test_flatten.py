"""From typed graph to program: paths, and parameters that are shared or tied."""

from __future__ import annotations

import textwrap

from stackc.frontend import Checked, check_source
from stackc.spec.source import Source

HEAD = "stackc: 1\nname: t\ninputs: {x: {shape: [batch, seq, 8]}}\n"


def checked(text: str) -> Checked:
    return check_source(Source("t.yaml", HEAD + textwrap.dedent(text)))


def test_equal_layers_share_one_region_and_have_paths_of_their_own() -> None:
    spec = checked("""\
        graph: x --> s[stack]
        nodes: {s: {of: layer, repeat: 1000}}
        blocks: {layer: {inputs: [x], graph: "x --> linear", nodes: {linear: {out: 8}}}}
        """)
    stack = spec.typed.root.bodies["s"]
    assert len({id(body) for body in stack.bodies.values()}) == 1
    assert len({call.parameters["weight"] for call in spec.program.calls}) == 1000
    assert spec.cost.parameters == 1000 * (8 * 8 + 8)


def test_share_calls_one_module_again() -> None:
    spec = checked("graph: x --> s[stack]\nnodes: {s: {of: linear, repeat: 4, share: true, with: {out: 8}}}\n")
    assert {call.parameters["weight"] for call in spec.program.calls} == {"s.0.weight"}
    assert spec.cost.parameters == 72


def test_a_tie_is_one_parameter_by_its_owner_s_name() -> None:
    spec = checked("""\
        graph: x --> a[linear] --> b[linear] --> c[linear]
        nodes: {a: {out: 8}, b: {out: 8, tie: {weight: a.weight}}, c: {out: 8, tie: {weight: b.weight}}}
        """)
    assert [call.parameters["weight"] for call in spec.program.calls] == ["a.weight"] * 3
    assert spec.cost.parameters == 64 + 3 * 8
    assert list(spec.program.tensors()) == ["a.weight", "a.bias", "b.bias", "c.bias"]


def test_same_as_is_the_same_module_called_again() -> None:
    spec = checked("""\
        graph: |
          x --> a[linear] --> y[add]
          x --> gelu --> again --> y
        nodes: {a: {out: 8}, again: {same_as: a}}
        """)
    by_path = {call.path: call for call in spec.program.calls}
    assert by_path["again"].parameters == by_path["a"].parameters
    assert spec.cost.parameters == 72


def test_the_owner_of_a_node_is_at_the_end_of_its_chain() -> None:
    region = checked("""\
        graph: x --> a[linear] --> b --> c
        nodes: {a: {out: 8}, b: {same_as: a}, c: {same_as: b}}
        """).graph.root
    assert [region.owner_of(node).id for node in region.nodes.values()] == ["a", "a", "a"]
