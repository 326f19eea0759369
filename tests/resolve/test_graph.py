"""From text to program: what arrows, blocks, stacks, merges, taps and ties come to."""

from __future__ import annotations

import textwrap

import networkx as nx
import pytest

from stackc.core.diagnostics import SpecError
from stackc.frontend import Checked, Overrides, check_source
from stackc.ir.program import Call
from stackc.spec.source import Source

HEAD = "stackc: 1\nname: t\ninputs: {x: {shape: [batch, seq, 8]}}\n"


def checked(text: str, overrides: Overrides | None = None) -> Checked:
    return check_source(Source("t.yaml", HEAD + textwrap.dedent(text)), overrides)


def calls(text: str, overrides: Overrides | None = None) -> dict[str, Call]:
    return {call.path: call for call in checked(text, overrides).program.calls}


def test_arrows_enter_variadic_ports_in_written_order() -> None:
    made = calls("""\
        graph: |
          x --> a[linear] --> sum[concat]
          x --> b[linear]
          b --> sum
          x --> sum
        nodes: {a: {out: 2}, b: {out: 3}}
        """)
    assert made["sum"].inputs == ("a", "b", "x")
    assert str(made["sum"].signature.outputs[0]) == "float32[batch, seq, 13]"


def test_a_region_is_a_networkx_graph() -> None:
    graph = checked("graph: |\n  x --> a[attention] --> y[add]\n  x --> y\nnodes: {a: {heads: 2}}\n").graph.root.graph
    assert nx.is_directed_acyclic_graph(graph)
    assert list(nx.topological_sort(graph)) == ["x", "a", "y"]
    assert graph.edges["x", "a", 0] == {"port": "x", "output": 0}
    with pytest.raises(nx.NetworkXError, match="Frozen"):
        graph.add_node("z")


def test_stack_in_series_with_params_that_depend_on_the_index() -> None:
    made = calls("""\
        graph: x --> s[stack]
        nodes: {s: {of: wide, repeat: 3, with: {out: 8 * 2**index}, norm: layer_norm, norm_every: 2}}
        blocks:
          wide:
            params: {out: 1}
            inputs: [x]
            graph: x --> up[linear] --> down[linear]
            nodes: {up: {out: out}, down: {out: 8}}
        """)
    assert list(made) == ["s.0.up", "s.0.down", "s.1.up", "s.1.down", "s.norm_1", "s.2.up", "s.2.down"]
    assert [str(made[f"s.{i}.up"].signature.parameters["weight"].shape[0]) for i in range(3)] == ["8", "16", "32"]
    assert made["s.2.up"].inputs == ("s.norm_1",)


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


def test_stack_of_different_sub_models_side_by_side() -> None:
    made = calls("""\
        graph: |
          x --> s[stack]
        nodes: {s: {of: [{op: linear, out: 8}, gelu, {op: mlp, hidden: 4}], mode: sum, norm: layer_norm}}
        """)
    assert made["s.sum"].inputs == ("s.0", "s.1", "s.2")
    assert made["s.norm"].inputs == ("s.sum",)
    assert all(made[f"s.{i}"].inputs == ("x",) for i in range(3))


def test_share_calls_one_module_again() -> None:
    spec = checked("graph: x --> s[stack]\nnodes: {s: {of: linear, repeat: 4, share: true, with: {out: 8}}}\n")
    assert {call.parameters["weight"] for call in spec.program.calls} == {"s.0.weight"}
    assert spec.cost.parameters == 72


def test_merge_draws_a_node_between_several_arrows_and_a_port() -> None:
    text = """\
        graph: |
          x --> a[relu] --> y[linear]
          x --> b[tanh] --> y
        nodes: {y: {out: 8, merge: %s}}
        """
    made = calls(text % "sum")
    assert made["y_merge"].component.op == "add"
    assert made["y_merge"].inputs == ("a", "b")
    assert made["y"].inputs == ("y_merge",)
    wide = calls(text % "{op: concat, axis: -1}")["y"]
    assert str(wide.signature.parameters["weight"]) == "float32[8, 16]"


def test_taps_reach_into_stacks_and_blocks() -> None:
    spec = checked("""\
        graph: x --> outer[stack]
        nodes: {outer: {of: layer, repeat: 3}}
        blocks:
          layer:
            inputs: [x]
            graph: |
              x --> attn[attention] --> add
              x --> add
            nodes: {attn: {heads: 2}}
        outputs: {last: outer, second: outer.1, inner: outer.2.attn}
        """)
    assert spec.program.outputs == {"last": "outer.2.add", "second": "outer.1.add", "inner": "outer.2.attn"}


def test_an_arrow_can_leave_a_tap() -> None:
    made = calls("""\
        graph: |
          x --> s[stack] -->|x| y[add]
          s -->|0:x| y
        nodes: {s: {of: linear, repeat: 2, with: {out: 8}}}
        """)
    assert made["y"].inputs == ("s.1", "s.0")


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


def test_optional_inputs_of_blocks_may_stay_open() -> None:
    text = """\
        graph: |
          x --> a[layer] --> b[layer]
          x -->|context| b
        blocks:
          layer:
            inputs: [x, context?]
            graph: |
              x --> attn[attention]
              context -->|context| attn
            nodes: {attn: {heads: 2}}
        """
    made = calls(text)
    assert made["a.attn"].inputs[:3] == ("x", None, None)
    assert made["b.attn"].inputs[:3] == ("a.attn", "x", None)


def test_params_are_set_from_outside_and_dims_fixed() -> None:
    text = "params: {width: 16}\ngraph: x --> y[linear]\nnodes: {y: {out: 2*width}}\n"
    spec = checked(text, Overrides({"width": "4"}, {"batch": 3}))
    assert str(spec.program.types["y"]) == "float32[3, seq, 8]"


def test_a_param_can_be_made_of_others() -> None:
    text = 'params: {width: 4, hidden: "${4*width}", act: gelu}\ngraph: x --> y\nnodes: {y: {op: "${act}"}}\n'
    assert checked(text).graph.params == {"width": 4, "hidden": 16, "act": "gelu"}


def test_ids_and_labels_are_any_script() -> None:
    made = calls("graph: |\n  x --> 子模型[linear] --> слой\nnodes: {子模型: {out: 8}, слой: {op: gelu}}\n")
    assert list(made) == ["子模型", "слой"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("graph: x --> a[linear]\n", "'a' (linear) needs the field 'out'"),
        ("graph: |\n  x --> a[gelu] --> b[gelu] --> a\n", "the drawing goes in a circle: a → b → a"),
        ("graph: |\n  x --> a[gelu]\n  x --> b[gelu]\n", "which of a, b is the output?"),
    ],
)
def test_mistakes_are_named(text: str, message: str) -> None:
    with pytest.raises(SpecError) as caught:
        checked(text)
    assert message in str(caught.value)


def test_what_does_not_fit_and_keeps_its_type_leaves_the_rest_to_be_told() -> None:
    text = """\
stackc: 1
inputs: {x: {shape: [batch, 3, h, w]}}
graph: x --> a[batch_norm] --> b[conv2d] --> c[group_norm] --> body[stack] --> d[softmax]
nodes:
  b: {out: 7, kernel: 3, padding: same}
  c: {groups: 2}
  body: {of: layer, repeat: 3}
  d: {axis: 9}
blocks:
  layer:
    inputs: [x]
    graph: x --> norm[instance_norm] --> relu
"""
    with pytest.raises(SpecError) as caught:
        check_source(Source("s.yaml", text))
    told = [(d.code, d.message.partition(":")[0]) for d in caught.value.diagnostics]
    assert told == [
        ("T204", "'a' (batch_norm)"), ("T204", "'c' (group_norm)"), ("T201", "'d' (softmax)"),
        ("T204", "'norm' (instance_norm)"),
    ]  # fmt: skip


def test_misspelt_keys_and_ops_hide_nothing_that_comes_after_them() -> None:
    text = """\
stackc: "1"
parms: {dim: 64}
inputs: {x: {dtype: flaot32, shpae: [batch, dim]}}
graph: x --> a[linaer] --> b[linear] --> c[softmax]
nodes: {b: {outt: dim}, c: {axs: 2}, zz: {out: 4}}
"""
    with pytest.raises(SpecError) as caught:
        check_source(Source("s.yaml", text))
    told = [(d.code, d.span and d.span.line) for d in caught.value.diagnostics]
    assert told == [
        ("S007", 1), ("S004", 2), ("S005", 3), ("S004", 3), ("N301", 4), ("N309", 5), ("N309", 5), ("N302", 5),
    ]  # fmt: skip
