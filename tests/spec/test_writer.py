"""A spec converted to its other syntax and parsed again is equal, with its comments and the order of its keys."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.spec.mermaid.mermaid_writer import write_drawing

from stackc.core.diagnostics import SpecError
from stackc.frontend import check_source
from stackc.spec.drawing import Drawing
from stackc.spec.markdown import Syntax
from stackc.spec.reader import parse
from stackc.spec.source import Source, load_source
from stackc.spec.writer import convert_syntax

SPECS = sorted((Path(__file__).parents[2] / "specs").iterdir())
FILES: dict[Syntax, str] = {"yaml": "tower.yaml", "mermaid": "tower.mmd"}
SYNTAXES: tuple[tuple[Syntax, Syntax], ...] = (("yaml", "mermaid"), ("mermaid", "yaml"))

YAML = """\
# A tower.
stackc: 1  # the language
name: tower

inputs:
  x: {shape: [batch, 8]}  # one row a sample
graph: |  # the drawing
  %% from the left
  x --> a[linear] --> b["two
    lines"]

  a --> b
# what is what
nodes:
  a: {out: 8}
  # the sum
  b: {op: linear, out: 8, merge: sum}
"""
MERMAID = """\
---
# A tower.
stackc: 1  # the language
name: tower

inputs:
  x: {shape: [batch, 8]}  # one row a sample
# the drawing
# what is what
nodes:
  a: {out: 8}
  # the sum
  b: {op: linear, out: 8, merge: sum}
---
flowchart
%% from the left
x --> a[linear] --> b["two
  lines"]

a --> b
"""
BARE = "stackc: 1 # v\ninputs: {x: {shape: [8]}}\ngraph: x --> relu # why\n"


def indented(text: str, by: int) -> str:
    return re.sub("^(?=.)", " " * by, text, flags=re.MULTILINE)


def test_yaml_as_mermaid() -> None:
    assert convert_syntax(Source("tower.yaml", YAML), "mermaid") == MERMAID


def test_mermaid_as_yaml() -> None:
    entry, *drawing = re.findall(r"graph: \||(?<=the drawing)\n(?s:.*)(?=# what)", YAML)
    above, below = MERMAID.removeprefix("---\n").partition("---\n")[0].split("# the drawing\n")
    assert convert_syntax(Source("tower.mmd", MERMAID), "yaml") == f"{above}{entry}{drawing[0]}# the drawing\n{below}"


def test_its_own_syntax_keeps_every_character() -> None:
    assert convert_syntax(Source("other.yaml", YAML), "yaml") == YAML
    assert convert_syntax(Source("other.mmd", MERMAID), "mermaid") == MERMAID


@pytest.mark.parametrize(
    ("file", "written"),
    [("tower.yaml", "tower"), ("塔.v2.yaml", "塔.v2"), ("1e5.yaml", '"1e5"'), ("true.yaml", '"true"')],
)
def test_a_name_that_only_the_file_had_is_written(file: str, written: str) -> None:
    front = f"stackc: 1 # v\nname: {written}\ninputs: {{x: {{shape: [8]}}}}\n"
    assert (
        convert_syntax(Source(file, indented(BARE, 2)), "mermaid") == f"---\n{front}# why\n---\nflowchart\nx --> relu\n"
    )


def test_a_header_stays() -> None:
    source = Source(
        "t.yaml", BARE.replace("graph: x", "graph: |\n  %% on top\n  graph BT\n    x").replace(" # why", "")
    )
    written = convert_syntax(source, "mermaid")
    assert written.endswith("---\n%% on top\ngraph BT\n  x --> relu\n")
    assert convert_syntax(Source("t.mmd", written), "yaml").endswith(
        "graph: |\n  %% on top\n  graph BT\n    x --> relu\n"
    )


def test_a_comment_inside_of_a_text_stays_text() -> None:
    text = "stackc: 1\nname: t\ninputs: {x: {shape: [8]}}\ndescription: |\n  so\n  # so\nnodes: {relu: {}}\n"
    written = convert_syntax(Source("t.mmd", f"---\n{text}---\ngraph\nx --> relu\n"), "yaml")
    assert written == text.replace("nodes:", "graph: |\n  graph\n  x --> relu\nnodes:")


@pytest.mark.parametrize("indent", [1, 2, 6])
@pytest.mark.parametrize("keys", [0, 2])
def test_a_first_comment_may_be_indented_differently(indent: int, keys: int) -> None:
    lines = ["stackc: 1", "inputs: {x: {shape: [batch, 8]}}", "graph: |", "  x --> relu", "name: indented"]
    text = "".join(f"{' ' * keys}{line}\n" for line in lines)
    source = Source("indented.yaml", f"{' ' * indent}# first\n{' ' * (8 - indent)}# second\n{text}")
    syntax: Syntax
    for syntax, file in (("yaml", "indented.yaml"), ("mermaid", "indented.mmd")):
        converted = convert_syntax(source, syntax)
        assert parse(Source(file, converted)) == parse(source)
        assert converted.index("# first") < converted.index("# second") < converted.index("stackc: 1")


def test_json_is_yaml() -> None:
    rest = '"stackc": 1, "name": "j", "inputs": {"x": {"shape": [8]}}}\n'
    text = '{"graph": "x --> relu\\nrelu --> y[gelu]", ' + rest
    written = convert_syntax(Source("j.yaml", text), "mermaid")
    assert written == f"---\n{{{rest}---\nflowchart\nx --> relu\nrelu --> y[gelu]\n"
    again = convert_syntax(Source("j.mmd", written), "yaml")
    assert again == '{graph: "x --> relu\\nrelu --> y[gelu]\\n", ' + rest
    last = '{stackc: 1, name: j, inputs: {x: {shape: [8]}}, # c\n "graph": "x --> relu" }\n'
    assert convert_syntax(Source("j.yaml", last), "mermaid").startswith(
        "---\n{stackc: 1, name: j, inputs: {x: {shape: [8]}}"
    )


def test_the_rarer_ways_of_yaml() -> None:
    front = "&r # c\nstackc: 1\nname: t\ninputs: {x: {shape: [8]}}\n"
    graph = "? graph # d\n# e\n: |2-\n     x --> relu\n   relu --> y[gelu]\n"
    text = f"%YAML 1.2\n--- {front}{graph}\n # f\nnodes: {{}}\n...\n# g\n"
    written = convert_syntax(Source("t.yaml", text), "mermaid")
    assert written == f"---\n{front}# d\n# e\n\n # f\nnodes: {{}}\n# g\n---\nflowchart\nx --> relu\n relu --> y[gelu]\n"


@pytest.mark.parametrize(
    ("graphs", "line"),
    [
        ("graph: &g |\n  x --> relu\nblocks: {b: {inputs: [x], graph: *g}}", 4),
        ("blocks: {b: {inputs: [x], graph: &g x --> relu}}\ngraph: *g", 3),
    ],
)
def test_error_shared_drawing(graphs: str, line: int) -> None:
    with pytest.raises(SpecError, match="the drawing is shared by a YAML anchor") as caught:
        convert_syntax(Source("t.yaml", f"stackc: 1\ninputs: {{x: {{shape: [8]}}}}\n{graphs}\n"), "mermaid")
    assert caught.value.diagnostics[0].code == "S013"
    assert str(caught.value.diagnostics[0].span) == f"t.yaml:{line}"


def test_error_not_a_spec() -> None:
    with pytest.raises(SpecError, match="S007"):
        convert_syntax(Source("t.yaml", "inputs: {}\n"), "mermaid")


# -- both ways


def keys_of(text: str) -> list[str]:
    """The outermost keys in order, without `graph`, which the front matter of Mermaid does not have."""
    return [key for key in re.findall(r"^(\w+):", text, re.MULTILINE) if key != "graph"]


def check_both_ways(source: Source, notes: list[str]) -> None:
    document = parse(source)
    for syntax, other in SYNTAXES:
        written = Source(FILES[syntax], convert_syntax(source, syntax))
        assert parse(written) == document
        assert list(parse(written).body.drawing.nodes) == list(document.body.drawing.nodes)
        assert sorted(re.findall(r"(?:#|%%) note \d+$", written.text, re.MULTILINE)) == sorted(notes)
        assert keys_of(written.text) == keys_of(source.text)

        there = convert_syntax(written, other)
        back = convert_syntax(Source(FILES[other], there), syntax)
        assert convert_syntax(Source(FILES[syntax], back), other) == there


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.name)
def test_specs_both_ways(path: Path) -> None:
    source = load_source(path)
    check_both_ways(source, [])
    other: Syntax = "yaml" if source.syntax == "mermaid" else "mermaid"
    assert convert_syntax(Source(FILES[other], convert_syntax(source, other)), source.syntax) == source.text


SECTIONS = {
    "dims": "dims: {batch: {min: 1}}",
    "params": "params:\n  width: 8\n  act: gelu",
    "inputs": "inputs:\n  a: {shape: [batch, width]}",
    "nodes": "nodes:\n  b: {op: linear, out: 2*width}\n\n  é: {merge: sum}",
    "blocks": "blocks:\n  tail:\n    inputs: [x]\n    graph: |\n      x --> relu\n      %% in\n",
    "outputs": "outputs: {y: b}",
    "weights": "weights: {file: w.safetensors}",
    "description": "description: |+\n  # first\n\n  --- last\n\n",
}


@st.composite
def spec_texts(draw: st.DrawFn) -> tuple[Source, list[str]]:
    """A spec in either syntax, and the comments in it."""
    notes: list[str] = []

    def comment(mark: str) -> str:
        if not draw(st.booleans()):
            return ""
        notes.append(f"{mark} note {len(notes)}")
        return notes[-1]

    def line(mark: str) -> str:
        return f"{note}\n" if (note := comment(mark)) else ""

    def section(text: str) -> str:
        return f"{line('#')}{text}\n{line('#')}"

    names = draw(st.lists(st.sampled_from(sorted(SECTIONS)), unique=True))
    parts = [section(SECTIONS[name]) for name in dict.fromkeys([*names, "inputs"])]
    top = line("#") + "stackc: 1" + (f"  {note}" if (note := comment("#")) else "") + "\nname: s\n"

    drawing = draw(st.from_type(Drawing))
    body = line("%%") + write_drawing(drawing)
    if draw(st.booleans()):
        return Source("s.mmd", f"---\n{top}{''.join(parts)}---\n{body}"), notes

    if drawing.direction is None and draw(st.booleans()):
        body = body.replace("flowchart\n", "", 1).lstrip()
    parts.insert(draw(st.integers(0, len(parts))), graph_entry(draw, body, comment("#")))
    return Source("s.yaml", top + "".join(parts)), notes


def graph_entry(draw: st.DrawFn, body: str, comment: str) -> str:
    indent = draw(st.integers(1, 4))
    style = draw(st.sampled_from(["|", "|-", "|+", f"|{indent}"]))
    return f"graph: {style} {comment}\n{indented(body, indent)}"


@settings(max_examples=40, deadline=None)
@given(spec_texts())
def test_generated_specs_both_ways(spec: tuple[Source, list[str]]) -> None:
    check_both_ways(*spec)


MERMAIDS_OWN = """\
---
title: A model
config:
  theme: forest
  flowchart: {curve: basis}
# what follows is stackc's
stackc: 1
name: model
inputs: {x: {shape: [batch, seq, 8]}, m: {dtype: int64, shape: [batch, seq], values: [0, 1]}}
nodes: {a: {heads: 2}}
---
flowchart LR
  x["`**x** in`"] --> a[attention]
  m -->|"`**mask**`"| a
"""


def test_keys_of_mermaid_itself_become_comments() -> None:
    """The theme and the title of a picture mean nothing to stackc; a port in bold is that port."""
    converted = convert_syntax(Source("model.mmd", MERMAIDS_OWN), "yaml")
    assert converted.startswith("# title: A model\n# config:\n#   theme: forest\n#   flowchart: {curve: basis}\n# what")
    texts: tuple[tuple[str, Syntax], ...] = ((MERMAIDS_OWN, "mermaid"), (converted, "yaml"))
    for text, syntax in texts:
        (call,) = check_source(Source("model", text, syntax)).program.calls
        assert [value for value in call.inputs if value] == ["x", "m"]


@pytest.mark.parametrize(
    "front",
    [
        "{title: A, stackc: 1, inputs: {x: {shape: [b, 8]}}}",
        "title: &t A\nstackc: 1\nname: *t\ninputs: {x: {shape: [b, 8]}}",
    ],
)
def test_keys_of_mermaid_that_cannot_be_taken_out(front: str) -> None:
    with pytest.raises(SpecError, match="S013"):
        convert_syntax(Source("model.mmd", f"---\n{front}\n---\ngraph LR\n  x --> y[tanh]\n"), "yaml")
