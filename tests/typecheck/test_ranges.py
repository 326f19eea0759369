"""Ranges of inputs: every element type with every declaration, and what is assumed without one."""

from __future__ import annotations

import pytest

from stackc.artifact.lock import write_lock
from stackc.core.value_range import ValueRange
from stackc.frontend import Checked, check_source
from stackc.spec.source import Source
from stackc.spec.writer import convert_syntax


def checked(declaration: str, graph: str = "x --> y[identity]", more: str = "") -> Checked:
    text = f"stackc: 1\nparams: {{n: 4}}\ninputs:\n  x: {{{declaration}}}\n  z: {{shape: [batch, 8]}}\n"
    return check_source(Source("spec.yaml", f"{text}graph: |\n  z --> z_[gelu]\n  {graph}\noutputs: [z_, y]\n{more}"))


def range_of(declaration: str) -> ValueRange | None:
    return checked(f"shape: [batch, 8], {declaration}").ranges.get("x")


@pytest.mark.parametrize(
    ("declaration", "expected"),
    [
        ("min: 0.1", (0.1, None, ())),
        ("max: n", (None, 4.0, ())),
        ("min: -n / 8, max: 2*n", (-0.5, 8.0, ())),
        ("min: 3, max: 3", (3.0, 3.0, ())),
        ("values: [0.5, n]", (0.5, 4.0, (0.5, 4.0))),
        ("values: 2", (2.0, 2.0, (2.0,))),
        ("dtype: int64, min: 2, max: 2*n", (2, 8, ())),
        ("dtype: int32, min: -2, below: n", (-2, 3, ())),
        ("dtype: int64, below: n", (0, 3, ())),
        ("dtype: int64, values: [-n, 7]", (-4, 7, (-4, 7))),
        ("dtype: bool, values: [true]", (1, 1, (1,))),
        ("dtype: bool, values: [0, 1]", (0, 1, (0, 1))),
    ],
)
def test_a_declared_range(declaration: str, expected: tuple[float | None, float | None, tuple[float, ...]]) -> None:
    found = range_of(declaration)
    assert found is not None
    assert (found.minimum, found.maximum, found.choices) == expected
    assert found.assumption == ""
    assert found.binding == found


@pytest.mark.parametrize(
    ("declaration", "ends", "text"),
    [
        ("dtype: int64", (-1000, 1000), "no range: drawn from −1,000 to 1,000; write `min` and `max`"),
        ("dtype: int32, min: 5", (5, 1005), "no `max`: drawn from 5 to 1,005; write `max` or `below`"),
        ("dtype: int64, max: -3000", (-4000, -3000), "no `min`: drawn from −4,000 to −3,000; write `min`"),
        ("dtype: int32, min: 2147483600", (2147483600, 2147483647), "no `max`: drawn from 2,147,483,600"),
    ],
)
def test_what_is_assumed_of_whole_numbers(declaration: str, ends: tuple[int, int], text: str) -> None:
    model = checked(f"shape: [batch, 8], {declaration}")
    found = model.ranges["x"]
    assert (found.minimum, found.maximum) == ends
    assert f"the input 'x' has {text}" in model.assumptions["x"]
    ends_written = "min" in declaration or "max" in declaration
    assert (found.binding is not None) == ends_written


def test_floats_and_bools_need_no_assumption() -> None:
    assert range_of("dtype: float32") is None
    model = checked("shape: [batch, 8], dtype: bool")
    assert (model.ranges["x"].choices, model.ranges["x"].binding, model.assumptions) == ((0, 1), None, {})


TABLE = "nodes: {e: {vocab: 50, dim: 8}}\n"
MASKED = """\
stackc: 1
inputs: {x: {dtype: int64, shape: [batch, seq]}, z: {shape: [batch, seq, 4]}}
graph: |
  z --> p[mean_pool]
  x -->|mask| p
"""


@pytest.mark.parametrize(
    ("declaration", "graph", "expected", "assumption"),
    [
        ("", "x --> e[embedding] --> y[gelu]", ValueRange(0, 49), None),
        (", min: 3", "x --> e[embedding] --> y[gelu]", ValueRange(3, 49), None),
        ("", "x --> i[identity] --> e[embedding] --> y[gelu]", ValueRange(0, 49, (), ("min", "max")), "`below: 50`"),
    ],
)
def test_the_table_that_an_input_enters_bounds_it(
    declaration: str, graph: str, expected: ValueRange, assumption: str | None
) -> None:
    model = checked(f"dtype: int64, shape: [batch, 8]{declaration}", graph, TABLE)
    assert model.ranges["x"] == expected
    assert ("x" in model.assumptions) == bool(assumption)
    assert assumption is None or assumption in model.assumptions["x"]


def test_what_only_masks_read_is_0_or_1() -> None:
    model = check_source(Source("spec.yaml", MASKED))
    assert model.ranges["x"].choices == (0, 1)
    assert model.ranges["x"].binding is None
    assert "`values: [0, 1]`" in model.assumptions["x"]


@pytest.mark.parametrize(
    "declaration",
    ["min: 0.1, max: n", "max: -2.5", "values: [0.5, 1]", "dtype: int64, min: -3, max: 9", "dtype: int64, min: 4",
     "dtype: int32, below: 7", "dtype: bool, values: [true]"],
)  # fmt: skip
def test_lock_and_mermaid_keep_the_range(declaration: str) -> None:
    model = checked(f"shape: [batch, 8], {declaration}")
    lock = check_source(Source("spec.lock.yaml", write_lock(model)))
    assert lock.ranges["x"].binding == model.ranges["x"].binding

    drawn = convert_syntax(model.source, "mermaid")
    assert check_source(Source("spec.mmd", drawn)).ranges == model.ranges
    assert check_source(Source("spec.yaml", convert_syntax(Source("spec.mmd", drawn), "yaml"))).ranges == model.ranges
