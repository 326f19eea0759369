"""`stackc help language`: every example is a valid spec, and the tables match the code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from stackc.authoring.reference.keys import KEYS
from stackc.authoring.reference.language import language
from stackc.cli import cli
from stackc.components import REGISTRY
from stackc.frontend import check_source
from stackc.pipeline import Options, build
from stackc.spec.source import Source

TEXT = language()
EXAMPLES = re.findall(r"^```(\w*)\n(.*?)^```$", TEXT, re.DOTALL | re.MULTILINE)


def test_there_are_examples_of_both_syntaxes_and_nothing_else_is_fenced() -> None:
    assert {syntax for syntax, _ in EXAMPLES} == {"yaml", "mermaid"}
    assert TEXT.count("```") == 2 * len(EXAMPLES)


@pytest.mark.slow
@pytest.mark.parametrize(("syntax", "text"), EXAMPLES)
def test_every_example_builds(syntax: str, text: str, tmp_path: Path) -> None:
    path = tmp_path / ("example.mmd" if syntax == "mermaid" else "example.yaml")
    path.write_text(text, encoding="utf-8")
    parity = build(path, Options(out=tmp_path, measure=False), lambda stage, summary: None).parity
    assert parity is not None
    assert parity.rows


def test_the_first_two_are_one_model() -> None:
    (_, yaml), (_, mermaid) = EXAMPLES[:2]
    left, right = check_source(Source("classifier.yaml", yaml)), check_source(Source("classifier.mmd", mermaid))
    assert [(call.path, call.component) for call in left.program.calls] == [
        (call.path, call.component) for call in right.program.calls
    ]
    assert left.cost == right.cost


def test_every_key_and_every_component_is_in_a_table() -> None:
    assert "{{" not in TEXT
    for name, keys in KEYS.items():
        assert all(re.search(rf"^\| `{key}` \| ", TEXT, re.MULTILINE) for key in keys), name
    assert all(
        re.search(rf"^\| `{op}` \| {component.family} \| ", TEXT, re.MULTILINE) for op, component in REGISTRY.items()
    )


def test_the_command_prints_markdown_without_a_terminal() -> None:
    assert CliRunner().invoke(cli, ["help", "language"]).output == TEXT


def test_help_of_commands() -> None:
    assert "Usage: cli check [OPTIONS] SPEC" in CliRunner().invoke(cli, ["help", "check"]).output
    assert "stackc help language" in CliRunner().invoke(cli, ["help"]).output
    done = CliRunner().invoke(cli, ["help", "langauge"])
    assert done.exit_code == 2
    assert "did you mean 'language'?" in done.output
