"""`stackc ops`: every page is complete, its example is valid, and its parameters are those of the real module."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from click.testing import CliRunner

from stackc.authoring.reference.ops import families, formula_of, page_of
from stackc.cli import cli
from stackc.components import REGISTRY
from stackc.components.fields import fields_of
from stackc.components.registry import SPECIAL_OPS
from stackc.frontend import Overrides, check_source
from stackc.spec.source import Source
from stackc.torch_backend.lower import lower

OPS = [op for ops in families().values() for op in ops]


def test_every_component_is_listed_once() -> None:
    assert sorted(OPS) == sorted([*REGISTRY, *SPECIAL_OPS])


@pytest.mark.parametrize("op", OPS)
def test_the_page_is_complete(op: str) -> None:
    page = page_of(op)
    assert page.formula.endswith(".")
    assert all(field.meaning and field.value for field in page.fields)
    assert all(paper.startswith("https://arxiv.org/abs/") for paper in page.papers)
    if op not in SPECIAL_OPS:
        assert [field.name for field in page.fields] == [*fields_of(REGISTRY[op])]


@pytest.mark.parametrize("op", OPS)
def test_the_example_is_valid_and_has_the_parameters_of_the_module(op: str) -> None:
    page = page_of(op)
    checked = check_source(Source("example.yaml", page.example), Overrides(trust=("torch.nn",)))
    if op in SPECIAL_OPS:
        return
    if REGISTRY[op].is_for_training:
        assert checked.training is not None
        outputs = {
            name: str(checked.training.program.types[f"y{end}"]) for name, end in (("y", ""), ("count", ":count"))
        }
        assert outputs == page.outputs
        return
    module = lower(checked.typed).get_submodule("y")
    parameters = {name: f"float32[{', '.join(map(str, p.shape))}]" for name, p in module.named_parameters()}
    assert parameters == page.parameters
    # the example of a component without ports adds what it computes to an input
    values = checked.program.outputs.values() if REGISTRY[op].ports else ["y"]
    assert [str(checked.program.types[value]) for value in values] == [next(iter(page.outputs.values()))]


def test_the_command_lists_all_and_describes_one() -> None:
    listed = CliRunner().invoke(cli, ["ops"])
    assert listed.exit_code == 0
    assert all(f"  {op} " in listed.output and formula_of(op) in listed.output for op in OPS)

    page = CliRunner().invoke(cli, ["ops", "embedding"]).output
    for part in (
        "y[i] = weight[x[i]]: a learned vector for each id.",
        "vocab  whole number ≥ 1, required: the number of ids",
        "weight  float32[1000, 64]",
        "y[embedding]",
    ):
        assert part in page


def test_json() -> None:
    page = json.loads(CliRunner().invoke(cli, ["ops", "layer_norm", "--json"]).output)
    assert page["papers"] == ["https://arxiv.org/abs/1607.06450"]
    assert page["parameters"] == {"weight": "float32[64]", "bias": "float32[64]"}
    assert {"name": "eps", "value": "number ≥ 0", "default": "1e-05"}.items() <= page["fields"][1].items()


def test_error_unknown_name() -> None:
    done = CliRunner().invoke(cli, ["ops", "linaer"])
    assert done.exit_code == 2
    assert "no component is called 'linaer'; did you mean 'linear'?" in done.output


@pytest.mark.slow
def test_it_needs_no_torch() -> None:
    run = "import sys; from stackc.cli import cli; cli(['ops', 'attention'], standalone_mode=False)"
    subprocess.run([sys.executable, "-c", f"{run}; assert 'torch' not in sys.modules"], check=True, capture_output=True)


def test_a_family_is_listed_and_the_case_of_a_name_does_not_matter() -> None:
    listed = CliRunner().invoke(cli, ["ops", "conv"])
    assert listed.exit_code == 0
    assert listed.output.splitlines()[0] == "conv"
    assert {line.split()[0] for line in listed.output.splitlines()[1:]} == set(families()["conv"])
    assert CliRunner().invoke(cli, ["ops", "Linear"]).output == CliRunner().invoke(cli, ["ops", "linear"]).output
    assert "did you mean 'conv2d'?" in CliRunner().invoke(cli, ["ops", "conv2"]).output


def test_search_covers_the_documentation_of_ops() -> None:
    done = CliRunner().invoke(cli, ["ops", "--search", "Kernel", "--json"])
    matches = {op for ops in json.loads(done.output).values() for op in ops}
    assert {"conv1d", "conv2d", "max_pool2d"} <= matches
    assert "linear" not in matches
    assert CliRunner().invoke(cli, ["ops", "--search", "zebra"]).exit_code == 2
    assert CliRunner().invoke(cli, ["ops", "linear", "--search", "kernel"]).exit_code == 2


@pytest.mark.parametrize("op", ["dot", "cosine_similarity"])
def test_formulas_name_existing_ports(op: str) -> None:
    assert "two arrows into x" in formula_of(op)
