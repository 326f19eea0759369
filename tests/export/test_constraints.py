"""A constraint against brute force over the contract."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stackc.core.types import Dim, DimRange, TensorType, shape
from stackc.export.constraints import UncheckableConstraint, constraint_text, counterexample, holds

LIMITS = st.builds(
    lambda least, extent, multiple: DimRange(least, least + extent * multiple, multiple),
    st.integers(2, 40),
    st.integers(1, 30),
    st.sampled_from([1, 2, 16]),
)
NUMBER = st.integers(0, 700)


@given(LIMITS, st.sampled_from(["<", "<=", ">", ">=", "==", "!="]), NUMBER, st.integers(1, 3), st.integers(0, 5))
def test_comparisons_with_a_number(limits: DimRange, relation: str, number: int, factor: int, term: int) -> None:
    dim = Dim.symbol("n", limits.multiple_of) * factor + term
    assert limits.maximum is not None
    sizes = range(limits.least, limits.maximum + 1, limits.multiple_of)
    expected = all(eval(f"{n * factor + term} {relation} {number}") for n in sizes)
    failing = counterexample(f"x0_0 {relation} {number}", (TensorType("float32", shape(dim)),), {"n": limits})
    assert (failing is None) == (expected or not sizes)
    if failing is not None:
        assert failing["n"] in sizes


@pytest.mark.parametrize(
    ("constraint", "implied"),
    [
        ("x0_1 == 2*x0_0", False),
        ("x0_2 == 2*x0_0", True),
        ("Mod(x0_2, 2) == 0", True),
        ("Mod(x0_0, 2) == 0", False),
        ("64*x0_0*x0_2 == 128*x0_0*((x0_2//2))", True),
        ("64*x0_0*x0_1 == 128*x0_0*((x0_1//2))", False),
        ("x0_1 == Min(512, x0_1)", True),
        ("x0_1 == Min(511, x0_1)", False),
        ("x0_0 == Min(512, x0_0)", False),
        ("(x0_1 >= 1) & (x0_1 <= 600)", True),
        ("x0_3 == 8", True),
        ("Ne(x0_0, 1) | Eq(x0_0, 1)", True),
        ("FloatPow(ToFloat(x0_1), 0.5) > 23", False),
    ],
)
def test_forms_that_the_exporter_writes(constraint: str, implied: bool) -> None:
    n, m = Dim.symbol("n"), Dim.symbol("m")
    inputs = (TensorType("float32", shape(n, m, n * 2, 8)),)
    assert (counterexample(constraint, inputs, {"m": DimRange(1, 512)}) is None) == implied


def test_size_one_is_left_to_the_proof(typed: Any) -> None:
    assert counterexample("x0_0 != 1", (typed("n"),), {}) is None
    assert counterexample("x0_0 != 1", (typed("n"),), {"n": DimRange(1, 1)}) is None
    assert counterexample("x0_0 == 2", (typed("n"),), {"n": DimRange(1, 1)}) == {"n": 1}


def test_the_largest_size_is_tried_though_no_number_is_near(typed: Any) -> None:
    assert counterexample("x0_0*x0_0 <= 1000000", (typed("n"),), {"n": DimRange(1, 1001)}) == {"n": 1001}
    assert counterexample("x0_0*x0_0 <= 1000000", (typed("n"),), {"n": DimRange(1, 1000)}) is None


def test_spelled_in_the_names_of_the_contract(typed: Any) -> None:
    assert constraint_text("x1_0 == 2*x0_1", (typed("batch", "seq"), typed("rows"))) == "rows == 2*seq"


@pytest.mark.parametrize("constraint", ["u0 > 3", "Where(x0_0, 1, 2)", "x0_0 ==", "__import__('os')", "x0_0.real"])
def test_nothing_but_arithmetic_of_sizes(constraint: str) -> None:
    with pytest.raises(UncheckableConstraint):
        holds(constraint, {"x0_0": 3})


def test_a_derived_size_of_one_is_left_to_the_proof_at_its_smallest_point(typed: Any) -> None:
    """Behind a window of 3 positions one is left at the smallest sizes, which the proof runs."""
    constraint = "Max(1, x0_0 - 2)*Max(1, x0_1 - 2) != 1"
    least = {name: DimRange(3) for name in ("n", "m")}
    assert counterexample(constraint, (typed("n", "m"),), least) is None
    assert counterexample(constraint, (typed("n", "m"),), {"n": DimRange(2), "m": DimRange(2)}) is not None
    assert counterexample("x0_0 - 2 == 1", (typed("n"),), least) is not None
