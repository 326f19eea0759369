"""From text to graph: arrows, blocks, stacks, merges, taps and params."""

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
    by_path = calls("""\
        graph: |
          x --> a[linear] --> sum[concat]
          x --> b[linear]
          b --> sum
          x --> sum
        nodes: {a: {out: 2}, b: {out: 3}}
        """)
    assert by_path["sum"].inputs == ("a", "b", "x")
    assert str(by_path["sum"].signature.outputs[0]) == "float32[batch, seq, 13]"


def test_a_region_is_a_networkx_graph() -> None:
    graph = checked("graph: |\n  x --> a[attention] --> y[add]\n  x --> y\nnodes: {a: {heads: 2}}\n").graph.root.graph
    assert nx.is_directed_acyclic_graph(graph)
    assert list(nx.topological_sort(graph)) == ["x", "a", "y"]
    assert graph.edges["x", "a", 0] == {"port": "x", "output": 0}
    with pytest.raises(nx.NetworkXError, match="Frozen"):
        graph.add_node("z")


def test_stack_in_series_with_params_that_depend_on_the_index() -> None:
    by_path = calls("""\
        graph: x --> s[stack]
        nodes: {s: {of: wide, repeat: 3, with: {out: 8 * 2**index}, norm: layer_norm, norm_every: 2}}
        blocks:
          wide:
            params: {out: 1}
            inputs: [x]
            graph: x --> up[linear] --> down[linear]
            nodes: {up: {out: out}, down: {out: 8}}
        """)
    assert list(by_path) == ["s.0.up", "s.0.down", "s.1.up", "s.1.down", "s.norm_1", "s.2.up", "s.2.down"]
    assert [str(by_path[f"s.{i}.up"].signature.parameters["weight"].shape[0]) for i in range(3)] == ["8", "16", "32"]
    assert by_path["s.2.up"].inputs == ("s.norm_1",)


def test_stack_of_different_sub_models_side_by_side() -> None:
    by_path = calls("""\
        graph: |
          x --> s[stack]
        nodes: {s: {of: [{op: linear, out: 8}, gelu, {op: mlp, hidden: 4}], mode: sum, norm: layer_norm}}
        """)
    assert by_path["s.sum"].inputs == ("s.0", "s.1", "s.2")
    assert by_path["s.norm"].inputs == ("s.sum",)
    assert all(by_path[f"s.{i}"].inputs == ("x",) for i in range(3))


def test_merge_draws_a_node_between_several_arrows_and_a_port() -> None:
    text = """\
        graph: |
          x --> a[relu] --> y[linear]
          x --> b[tanh] --> y
        nodes: {y: {out: 8, merge: %s}}
        """
    by_path = calls(text % "sum")
    assert by_path["y_merge"].component.op == "add"
    assert by_path["y_merge"].inputs == ("a", "b")
    assert by_path["y"].inputs == ("y_merge",)
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
    by_path = calls("""\
        graph: |
          x --> s[stack] -->|x| y[add]
          s -->|0:x| y
        nodes: {s: {of: linear, repeat: 2, with: {out: 8}}}
        """)
    assert by_path["y"].inputs == ("s.1", "s.0")


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

    by_path = calls(text)
    assert by_path["a.attn"].inputs[:3] == ("x", None, None)
    assert by_path["b.attn"].inputs[:3] == ("a.attn", "x", None)


def test_params_are_set_from_outside_and_dims_fixed() -> None:
    text = "params: {width: 16}\ngraph: x --> y[linear]\nnodes: {y: {out: 2*width}}\n"
    spec = checked(text, Overrides({"width": "4"}, {"batch": 3}))
    assert str(spec.program.types["y"]) == "float32[3, seq, 8]"


def test_a_param_can_be_made_of_others() -> None:
    text = 'params: {width: 4, hidden: "${4*width}", act: gelu}\ngraph: x --> y\nnodes: {y: {op: "${act}"}}\n'
    assert checked(text).graph.params == {"width": 4, "hidden": 16, "act": "gelu"}


def test_ids_and_labels_are_any_script() -> None:
    by_path = calls("graph: |\n  x --> 子模型[linear] --> слой\nnodes: {子模型: {out: 8}, слой: {op: gelu}}\n")
    assert list(by_path) == ["子模型", "слой"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("graph: x --> a[linear]\n", "'a' (linear) needs the field 'out'"),
        ("graph: |\n  x --> a[gelu] --> b[gelu] --> a\n", "the drawing has a cycle: a → b → a"),
        ("graph: |\n  x --> a[gelu]\n  x --> b[gelu]\n", "the output is ambiguous: it could be a or b"),
    ],
)
def test_mistakes_are_named(text: str, message: str) -> None:
    with pytest.raises(SpecError) as caught:
        checked(text)
    assert message in str(caught.value)


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
    problems = [(d.code, d.span and d.span.line) for d in caught.value.diagnostics]
    assert problems == [
        ("S007", 1), ("S004", 2), ("S005", 3), ("S004", 3), ("N301", 4), ("N309", 5), ("N309", 5), ("N302", 5),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("repeat", "code", "message"),
    [
        ("2.5", "N310", "repeat must be a whole number from 1 to 10,000, but is 2.5"),
        ("true", "N310", "repeat must be a whole number from 1 to 10,000, but is true"),
        ("null", "N310", "repeat must be a whole number from 1 to 10,000, but is empty"),
        ("[3]", "S005", "repeat must be a whole number from 1 to 10,000, but is a list"),
        ("seq", "N310", "repeat must be a whole number from 1 to 10,000, but is seq, known only at run time"),
        ("word", "N310", "the param 'word' is text, but a number is needed"),
    ],
)
def test_error_repeat_is_no_whole_number(repeat: str, code: str, message: str) -> None:
    text = f"params: {{word: three}}\ngraph: x --> s[stack]\nnodes: {{s: {{of: relu, repeat: {repeat}}}}}\n"
    with pytest.raises(SpecError) as caught:
        checked(text)
    assert [(d.code, d.message) for d in caught.value.diagnostics] == [(code, message)]
