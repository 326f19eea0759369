"""Unused blocks are checked as far as possible and listed, as are unused outputs of blocks and unused params."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from stackc.cli import cli
from stackc.core.diagnostics import SpecError
from stackc.frontend import check_source, check_spec
from stackc.spec.source import Source

HEAD = """stackc: 1
params: {dim: 8}
inputs: {x: {shape: [batch, dim]}}
graph: |
  x --> y[gelu]
blocks:
"""


def block(name: str, *lines: str, params: str = "{}", inputs: str = "[x]", nodes: str = "{}") -> str:
    drawn = "".join(f"      {line}\n" for line in lines)
    return f"  {name}:\n    params: {params}\n    inputs: {inputs}\n    graph: |\n{drawn}    nodes: {nodes}\n"


def problems(*blocks: str) -> list[str]:
    try:
        check_source(Source("spec.yaml", HEAD + "".join(blocks)))
    except SpecError as error:
        return [f"{d.code} {d.message}" for d in error.diagnostics]
    return []


@pytest.mark.parametrize(
    ("unused", "message"),
    [
        (block("b", "x --> z[gellu]"), "N301 'z' (gellu) has no op: neither its label nor its id is"),
        (block("b", "x --> gelu", nodes="{foo: {out: 3}}"), "N302 the drawing has no node 'foo'"),
        (block("b", "x --> a[linear] --> b[attention]", "x -->|msk| b", nodes="{a: {out: 3}, b: {heads: 1}}"),
         "N303 'b' has no port 'msk'"),
        (block("b", "x --> a[add] --> b[relu] --> a"), "N305 the drawing has a cycle: a → b → a"),
        (block("b", "x --> relu", "x --> relu"), "N306 2 arrows meet at the port 'x' of 'relu'"),
        (block("b", "x --> relu", inputs="[x, more]"), "N308 the input 'more' is unused"),
        (block("b", "x --> linear", nodes="{linear: {out: dim, bais: true}}"),
         "N309 'linear' (linear) has no field 'bais'"),
        (block("b", "x --> linear", nodes="{linear: {out: dmi}}"), "X002 'dmi' is neither a param nor a dim"),
        (block("b", "x --> linear", nodes="{linear: {out: -1}}"), "N310 'linear': out must be"),
        (block("b", "x --> linear", params="{k: dmi}", nodes="{linear: {out: k}}"), "N310 'linear': out must be"),
        (block("b", "x --> b"), "N315 the block 'b' contains itself: b → b"),
        (block("b", "x --> c") + block("c", "x --> relu", "x --> relu"),
         "N306 2 arrows meet at the port 'x' of 'relu'"),
    ],
)  # fmt: skip
def test_problems_of_an_unused_block_are_reported(unused: str, message: str) -> None:
    assert [problem[: len(message)] for problem in problems(unused)] == [message]


@pytest.mark.parametrize(
    "unused",
    [
        block("b", "x --> attention", params="{heads: null}", nodes="{attention: {heads: heads, dropout: 1 / heads}}"),
        block("b", "x --> n", params="{norm: null}", nodes='{n: {op: "${norm}"}}'),
        block("b", "x --> n", params="{norm: {type: text}}", nodes='{n: {op: "${norm}"}}'),
        block("b", "x --> s[stack]", params="{n: null}", nodes="{s: {of: linear, repeat: 2*n, with: {out: n % 3}}}"),
        block("b", "x --> c", params="{n: null}", nodes="{c: {k: n}}")
        + block("c", "x --> s[stack]", params="{k: 1}", nodes="{s: {of: relu, repeat: k}}"),
        block("b", "x --> attention", "mask -->|mask| attention", inputs="[x, mask?]", nodes="{attention: {heads: 2}}"),
    ],
)
def test_problems_that_may_depend_on_a_param_without_a_value_are_not_reported(unused: str) -> None:
    assert problems(unused) == []


def test_a_param_without_a_value_hides_no_other_mistake() -> None:
    unused = block("b", "x --> n", "x --> n", params="{norm: null}", nodes='{n: {op: "${norm}"}, m: {out: norm}}')
    assert [problem[:4] for problem in problems(unused)] == ["N302"]


def test_check_names_blocks_that_neither_the_spec_nor_another_block_uses(tmp_path: Path) -> None:
    spec = tmp_path / "spec.yaml"
    spec.write_text(HEAD + block("outer", "x --> inner") + block("inner", "x --> relu"), encoding="utf-8")
    output = CliRunner().invoke(cli, ["check", str(spec)]).output
    assert output.splitlines()[-1] == f"  note: the block 'outer' is unused ({spec}:7)"
    assert "'inner'" not in output
    assert json.loads(CliRunner().invoke(cli, ["check", str(spec), "--json"]).output)["unused_blocks"] == ["outer"]


def test_problems_of_unused_blocks_are_reported_only_if_the_spec_has_none() -> None:
    text = (HEAD + block("b", "x --> z[foo]")).replace("y[gelu]", "y[gellu]")
    with pytest.raises(SpecError) as caught:
        check_source(Source("spec.yaml", text))
    assert len(caught.value.diagnostics) == 1


TWO = """\
stackc: 1
inputs: {x: {shape: [batch, 8]}}
graph: |
  x --> one[pair] --> all[stack] --> out[add]
  ARROW
nodes: {all: {of: pair, repeat: 3}}
blocks:
  pair:
    inputs: [x]
    graph: |
      x --> a[linear]
      x --> b[linear]
      x --> inner[linear] --> c[relu]
      inner --> d[add]
      a --> d
    nodes: {a: {out: 8}, b: {out: 8}, inner: {out: 8}}
    outputs: {y: a, second: b, third: c, fourth: inner, fifth: d}
"""


@pytest.mark.parametrize(
    ("arrow", "unread"),
    [
        ("one --> out", ["pair.second", "pair.third", "pair.fifth"]),
        ('one -->|"second:x"| out', ["pair.third", "pair.fifth"]),
        ('all -->|"1.third:x"| out', ["pair.second", "pair.fifth"]),  # by its name inside of a stack
        ('all -->|"2.b:x"| out', ["pair.third", "pair.fifth"]),  # by its node
    ],
)
def test_outputs_that_are_never_used(arrow: str, unread: list[str], tmp_path: Path) -> None:
    path = tmp_path / "two.yaml"
    path.write_text(TWO.replace("ARROW", arrow), encoding="utf-8")
    output = CliRunner().invoke(cli, ["check", str(path)]).output
    assert json.loads(CliRunner().invoke(cli, ["check", str(path), "--json"]).output)["unread_outputs"] == unread
    assert output.count("is unused, but computed nevertheless") == len(unread)


def test_check_names_params_that_are_never_mentioned(tmp_path: Path) -> None:
    spec = tmp_path / "spec.yaml"
    spec.write_text(
        """\
stackc: 1
params: {dim: 8, twice: "${2*dim}", lost: 3, heads: 2, gelu: 1, hidden: "${twice}"}
inputs: {x: {shape: [batch, dim]}}
graph: x --> y[inner]
blocks:
  inner: {params: {heads: 4, wide: hidden}, inputs: [x], graph: x --> mlp, nodes: {mlp: {hidden: wide + heads}}}
""",
        encoding="utf-8",
    )
    assert check_spec(spec).unused_params == ("lost", "heads", "gelu")

    output = CliRunner().invoke(cli, ["check", str(spec)]).output
    assert output.splitlines()[-3:] == [
        f"  note: the param '{name}' is unused ({spec}:2)" for name in ("lost", "heads", "gelu")
    ]
    facts = json.loads(CliRunner().invoke(cli, ["check", str(spec), "--json"]).output)
    assert facts["unused_params"] == ["lost", "heads", "gelu"]


@pytest.mark.parametrize(
    "spec",
    [
        "dims: {n: {max: 4}}\ninputs: {x: {shape: [batch, 2*n]}}\ngraph: x --> gelu\n",
        'dims: {n: {max: 4}}\nparams: {rows: "${2*n}"}\ninputs: {x: {shape: [batch, rows]}}\ngraph: x --> gelu\n',
        "dims: {n: {max: 4}, m: {max: 2}}\ninputs: {x: {dtype: int64, shape: [n, m], below: 3}}\ngraph: x --> add\n",
    ],
)
def test_a_dim_that_an_expression_mentions_is_not_reported(spec: str) -> None:
    check_source(Source("spec.yaml", f"stackc: 1\n{spec}"))
