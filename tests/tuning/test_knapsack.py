"""Assignments of formats against all assignments, one by one; the model with switches against files made singly."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stackc.pipeline import Options, build
from stackc.precision.formats import Format
from stackc.precision.quantize import ReducibleFile
from stackc.tuning.knapsack import Choice, best_assignment, error_range
from stackc.tuning.tables import brought_errors, mixable_nodes

FORMATS: tuple[Format, ...] = ("int8", "int4-weights")
COSTS = st.integers(1, 40)
CHOICES = st.lists(st.tuples(COSTS, COSTS), min_size=1, max_size=4).map(
    lambda pairs: [
        Choice(f"w{number // 2}", FORMATS[number % 2], float(saved), float(error))
        for number, (saved, error) in enumerate(itertools.chain.from_iterable(zip(pairs, reversed(pairs), strict=True)))
    ]
)


def best_by_hand(choices: list[Choice], limit: float) -> float:
    """The most time that any assignment within the limit saves."""
    of_weight = [[c for c in choices if c.weight == weight] for weight in dict.fromkeys(c.weight for c in choices)]
    combinations = itertools.product(*([None, *group] for group in of_weight))
    taken = [[choice for choice in combination if choice] for combination in combinations]
    return max(sum(c.saved for c in each) for each in taken if sum(c.error for c in each) <= limit)


@settings(max_examples=40, deadline=None)
@given(CHOICES, st.integers(0, 100))
def test_no_assignment_within_the_limit_saves_more(choices: list[Choice], limit: int) -> None:
    chosen = best_assignment(choices, limit + 0.5)
    taken = [choice for choice in choices if chosen.get(choice.weight) == choice.format]
    assert sum(choice.error for choice in taken) <= limit + 0.5
    assert sum(choice.saved for choice in taken) == best_by_hand(choices, limit + 0.5)


@settings(max_examples=20, deadline=None)
@given(CHOICES)
def test_the_range_goes_up_to_the_error_of_the_fastest_assignment(choices: list[Choice]) -> None:
    ends = error_range(choices)
    assert ends is not None
    fastest = best_assignment(choices, ends[1])
    taken = [choice for choice in choices if fastest.get(choice.weight) == choice.format]
    assert sum(choice.saved for choice in taken) == best_by_hand(choices, np.inf)
    assert ends[0] == min(choice.error for choice in choices)


def test_what_saves_nothing_is_not_chosen() -> None:
    assert error_range([Choice("w", "int8", -1.0, 0.0), Choice("v", "int8", 0.0, 0.0)]) is None
    assert best_assignment([Choice("w", "int8", 2.0, 1.0), Choice("v", "int8", -2.0, 0.0)], np.inf) == {"w": "int8"}
    assert best_assignment([Choice("w", "int8", 2.0, np.inf)], np.inf) == {}


SPEC = """\
stackc: 1
name: two
inputs: {x: {shape: [batch, seq, 32], min: -1, max: 1}}
graph: x --> one[mlp] --> norm[layer_norm] --> two[linear]
nodes: {one: {hidden: 64}, two: {out: 16}}
"""


@pytest.mark.slow
@pytest.mark.parametrize("format", ["int8", "int8-weights", "int4-weights"])
def test_a_switch_brings_the_error_of_a_file_with_that_weight_alone(tmp_path: Path, format: Format) -> None:
    (tmp_path / "two.yaml").write_text(SPEC, encoding="utf-8")
    built = build(tmp_path / "two.yaml", Options(out=tmp_path, measure=False))
    file = ReducibleFile.load(built.folder / "model.onnx", built.checked.program, "cpu", 1)
    nodes = mixable_nodes(file, {})[format]
    assert [node.initializer for node in nodes] == ["one.up.weight", "one.down.weight", "two.weight"]

    feeds = {"x": np.random.default_rng(0).uniform(-1, 1, (3, 5, 32)).astype(np.float32)}
    errors = brought_errors(file, format, nodes, feeds)
    plain = file.open(file.model).run(feeds)["two"].astype(np.float64)
    for weight, error in errors.items():
        alone = file.open(file.reduce({weight: format})).run(feeds)["two"].astype(np.float64)
        expected = np.linalg.norm(alone - plain) ** 2 / np.linalg.norm(plain) ** 2
        assert error == pytest.approx(expected, rel=1e-2)
        assert error > 1e-6
