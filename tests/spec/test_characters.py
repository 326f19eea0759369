"""Control characters that a spec writes as escapes are refused like raw ones, at the escape."""

from __future__ import annotations

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from stackc.cli import cli
from stackc.core.diagnostics import SpecError
from stackc.spec.reader import parse
from stackc.spec.source import Source

YAML = 'stackc: 1\nname: "NAME"\ninputs: {x: {shape: [b, 8]}}\ngraph: "GRAPH"\nnodes: {a: {op: linear, out: 8}}\n'
MERMAID = "---\nstackc: 1\ninputs: {x: {shape: [b, 8]}}\nnodes: {a: {op: linear, out: 8}}\n---\ngraph LR\nGRAPH\n"
LABEL = r"x --> a[\"HERE\"]"
PLACES = {
    "label": YAML.replace("GRAPH", LABEL),
    "title of a subgraph": YAML.replace("GRAPH", r"subgraph s[\"HERE\"]\nx --> a\nend"),
    "text of an arrow": YAML.replace("GRAPH", r"x -->|HERE| a"),
    "name": YAML.replace("GRAPH", "x --> a").replace("NAME", "HERE"),
    "key": YAML.replace("GRAPH", "x --> a").replace("{op", '{"HERE": 1, op'),
    "description": YAML.replace("GRAPH", "x --> a") + 'description: "HERE"\n',
    "text of several lines": YAML.replace("GRAPH", "x --> a") + 'description: "one\n  two HERE\n  three"\n',
    "properties in Mermaid": MERMAID.replace("GRAPH", 'x --> a@{label: "HERE"}'),
    "front matter in Mermaid": MERMAID.replace("GRAPH", "x --> a").replace("stackc: 1", 'stackc: 1\nname: "HERE"'),
}
ESCAPES = {
    r"\e": 0x1B, r"\a": 7, r"\b": 8, r"\v": 11, r"\f": 12, r"\r": 13, r"\0": 0, r"\N": 0x85, r"\L": 0x2028,
    r"\P": 0x2029, r"\x1b": 0x1B, r"\x9B": 0x9B, r"\u202e": 0x202E, r"\u200b": 0x200B, r"\U0000202E": 0x202E,
    r"\ufeff": 0xFEFF,
}  # fmt: skip
# Mermaid's, which browsers decode: the entity of a control character is no character in HTML
ENTITIES = {"#8238;": 0x202E, "#8203;": 0x200B, "#shy;": 0xAD, "#ZeroWidthSpace;": 0x200B}


@pytest.mark.parametrize("escape", ESCAPES)
@pytest.mark.parametrize("place", PLACES)
def test_error_an_escape_of_a_forbidden_character(place: str, escape: str) -> None:
    text = PLACES[place].replace("HERE", f"q{escape}r").replace("NAME", "name")
    file = "bad.mmd" if "Mermaid" in place else "bad.yaml"
    with pytest.raises(SpecError) as caught:
        parse(Source(file, text))
    first = next(d for d in caught.value.diagnostics if f"U+{ESCAPES[escape]:04X}" in d.message)
    if place == "properties in Mermaid":
        assert first.code == "S112"  # at the properties as a whole
        return
    assert (first.code, first.message) == (
        "S001", f"`{escape}` is the character U+{ESCAPES[escape]:04X}, which is not allowed in a spec",
    )  # fmt: skip
    assert first.span is not None
    line = text.split("\n")[first.span.line - 1]
    assert line[first.span.column - 1 : first.span.end - 1] == escape


@pytest.mark.parametrize("entity", ENTITIES)
@pytest.mark.parametrize("drawing", ['x --> a["qHEREr"]', "x --> a[qHEREr]", 'subgraph s["qHEREr"]\nx --> a\nend'])
def test_error_an_entity_code_of_a_forbidden_character(drawing: str, entity: str) -> None:
    text = MERMAID.replace("GRAPH", drawing.replace("HERE", entity))
    with pytest.raises(SpecError) as caught:
        parse(Source("bad.mmd", text))
    (diagnostic,) = caught.value.diagnostics
    message = f"`{entity}` is the character U+{ENTITIES[entity]:04X}, which is not allowed in a spec"
    assert (diagnostic.code, diagnostic.message) == ("S001", message)
    assert diagnostic.span is not None
    line = text.split("\n")[diagnostic.span.line - 1]
    assert line[diagnostic.span.column - 1 : diagnostic.span.end - 1] == entity


@pytest.mark.parametrize("text", [r"\t", r"\n", r"\"", r"\\", r"\_", r"\xe9", "é", r"\u2026", r"\\e", r"\\x1b", "#35;"])
def test_other_escapes_stay(text: str) -> None:
    source = YAML.replace("GRAPH", "x --> a").replace("NAME", "name") + f'description: "a{text}b"\n'
    assert parse(Source("good.yaml", source))


@given(st.text(max_size=8))
def test_no_label_holds_a_control_character(label: str) -> None:
    """However a text is escaped, it is refused or holds no character that steers a terminal."""
    escaped = "".join(f"\\U{ord(c):08x}" for c in label if c not in '"')
    try:
        document = parse(Source("any.yaml", YAML.replace("GRAPH", LABEL.replace("HERE", escaped)).replace("NAME", "n")))
    except SpecError:
        return
    texts = [node.label or "" for node in document.body.drawing.nodes.values()]
    assert not [c for text in texts for c in text if (ord(c) < 32 and c not in "\t\n") or 0x7F <= ord(c) < 0xA0]


@pytest.mark.parametrize("argument", ["a\x1b[31m.yaml", "a\x9b.yaml", "a\u202e.yaml", "--set=a=\x07"])
def test_no_argument_steers_the_terminal(argument: str) -> None:
    result = CliRunner().invoke(cli, ["check", argument])
    assert result.exit_code == 2
    assert "contains the character U+" in result.output
    assert not set(argument) & set("\x1b\x9b\u202e\x07") & set(result.output)
