"""The contracts of dims that a help declares: they are enough, they are the least, and they keep what was written."""

from __future__ import annotations

import re

import pytest

from stackc.core.diagnostics import Diagnostic, SpecError
from stackc.frontend import check_source
from stackc.spec.source import Source

MEAN = """\
stackc: 1
dims: {DIMS}
params: {most: 64}
inputs: {x: {shape: [batch, SIZE, 8]}}
graph: x --> reduce_mean
nodes: {reduce_mean: {axis: 1}}
"""
POSITIONS = """\
stackc: 1
dims: {DIMS}
params: {most: 64}
inputs: {x: {shape: [batch, seq, 8]}}
graph: x --> y[learned_position]
nodes: {y: {max: 16}}
"""


def problems(text: str) -> list[Diagnostic]:
    try:
        check_source(Source("spec.yaml", text))
    except SpecError as error:
        return list(error.diagnostics)
    return []


def with_smaller_minimum(contract: str) -> str:
    """Return a contract with the legal minimum before the one that it has."""
    step = int((re.findall(r"multiple_of: (\d+)", contract) or ["1"])[0])
    return re.sub(r"min: (\d+)", lambda match: f"min: {max(int(match[1]) - step, 0)}", contract)


@pytest.mark.parametrize(
    ("dims", "size", "declared"),
    [
        ("past: {min: 0}", "past", ["past: {min: 1}"]),
        ("past: {min: 0, max: most}", "past", ["past: {min: 1, max: most}"]),
        ("past: {min: 0, below: 64, multiple_of: 4}", "past", ["past: {min: 1, below: 64, multiple_of: 4}"]),
        ("past: {min: 0}, more: {min: 0}", "past*more", ["more: {min: 1}", "past: {min: 1}"]),
        ("past: {min: 0}, more: {min: 0}", "past + more", ["more: {min: 1}"]),
        ("past: {min: 0}", "past//2", ["past: {min: 2}"]),
        ("past: {min: 0}", "past//7 + past//5", ["past: {min: 5}"]),
        ("past: {min: 0, multiple_of: 8}", "past//16", ["past: {min: 16, multiple_of: 8}"]),
    ],
)
def test_an_axis_is_filled(dims: str, size: str, declared: list[str]) -> None:
    text = MEAN.replace("SIZE", size)
    (error,) = problems(text.replace("DIMS", dims))
    assert error.code == "T213"
    assert re.findall("`([^`]+)`", error.hint or "")[:-2] == declared

    for contract in declared:
        dims = re.sub(rf"{contract.partition(':')[0]}: {{[^}}]*}}", contract, dims)
        assert problems(text.replace("DIMS", dims.replace(contract, with_smaller_minimum(contract)))), "not the least"
    assert problems(text.replace("DIMS", dims)) == []


@pytest.mark.parametrize(
    ("dims", "declared"),
    [
        ("seq: {min: 3, max: most}", "seq: {min: 3, max: 16}"),
        ("seq: {below: 32, multiple_of: 4}", "seq: {max: 16, multiple_of: 4}"),
        ("batch: {max: 4}", "seq: {max: 16}"),
    ],
)
def test_a_size_that_is_too_large_keeps_the_rest_of_its_contract(dims: str, declared: str) -> None:
    (error,) = problems(POSITIONS.replace("DIMS", dims))
    assert (error.code, error.hint) == ("T205", f"declare it in the contract: `dims: {{{declared}}}`")
    assert problems(POSITIONS.replace("DIMS", declared)) == []
