"""The skill file for coding agents: its spec is right, and the commands and options that it names are there."""

from __future__ import annotations

import re

import click
import pytest
import yaml
from click.testing import CliRunner

from stackc.authoring.reference.language import agents
from stackc.cli import cli
from stackc.frontend import check_source
from stackc.spec.source import Source

TEXT = agents()
COMMANDS = sorted(set(re.findall(r"`stackc ([^`]+)`", TEXT)))


def test_it_is_printed_as_it_is() -> None:
    done = CliRunner().invoke(cli, ["help", "agents"])
    assert done.output == TEXT
    assert yaml.safe_load(TEXT.split("---\n")[1]).keys() == {"name", "description"}


def test_its_spec_is_right() -> None:
    (spec,) = re.findall(r"^```yaml\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
    assert spec.count("\n") == 7
    assert str(check_source(Source("tagger.yaml", spec)).typed.root.outputs) != ""


@pytest.mark.parametrize("line", COMMANDS)
def test_every_command_it_names_takes_these_options(line: str) -> None:
    name, *words = line.split()
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    options = {option for parameter in command.params for option in parameter.opts}
    assert {word for word in words if word.startswith("-")} <= options


def test_a_failure_has_the_keys_that_it_says() -> None:
    (keys,) = re.findall(r'"diagnostics": \[\{([^}]+)\}\]', TEXT)
    schema = yaml.safe_load(CliRunner().invoke(cli, ["schema", "--failures"]).output)
    assert set(re.findall(r'"(\w+)"', keys)) == schema["$defs"]["diagnostic"]["properties"].keys()
