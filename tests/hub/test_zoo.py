"""The zoo and its catalog: every spec is complete, small sizes fit it, and its record is of this spec."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner
from tests.hub.small_sizes import small_params

from stackc.authoring.starter_specs import description_of
from stackc.cli import cli
from stackc.frontend import Overrides, check_source
from stackc.hub.catalog import catalog
from stackc.hub.zoo import zoo_files, zoo_text
from stackc.spec.source import Source

SMALL = 1_000_000


@pytest.mark.parametrize("name", zoo_files())
def test_small_sizes_fit(name: str) -> None:
    source = Source(zoo_files()[name].name, zoo_text(name))
    checked = check_source(source, Overrides(params=small_params(name)))
    assert checked.cost.parameters < SMALL


@pytest.mark.parametrize("name", zoo_files())
def test_says_what_it_is(name: str) -> None:
    description = description_of(zoo_files()[name])
    assert len(description) > 20
    assert not description.endswith("al.")


def test_the_catalog_lists_every_spec() -> None:
    listed = json.loads(CliRunner().invoke(cli, ["zoo", "--json"]).stdout)
    assert sorted(entry["name"] for entry in listed) == sorted(zoo_files())

    shown = CliRunner().invoke(cli, ["zoo"]).stdout
    table = CliRunner().invoke(cli, ["zoo", "--markdown"]).stdout.splitlines()
    assert all(name in shown for name in zoo_files())
    assert {line.split(" | ")[0].removeprefix("| ") for line in table[2:]} >= {*zoo_files()}


def test_records_are_of_the_specs_as_they_are() -> None:
    for entry in catalog():
        if entry.record:
            source = Source(zoo_files()[entry.name].name, zoo_text(entry.name))
            checked = check_source(source, Overrides(params=entry.record.params))
            assert entry.record.parameters == checked.cost.parameters
            low, high = entry.record.interval
            assert 0 < low <= entry.record.speed <= high
