"""Delta debugging against a brute force over all parts of a small list."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain, combinations

from hypothesis import given
from hypothesis import strategies as st

from stackc.reduction.ddmin import ddmin

SIZE = 7
parts = st.frozensets(st.integers(0, SIZE - 1))


def every_part() -> list[frozenset[int]]:
    sizes = range(SIZE + 1)
    return [frozenset(part) for part in chain.from_iterable(combinations(range(SIZE), size) for size in sizes)]


@given(st.lists(parts, min_size=1, max_size=4))
def test_of_causes_that_stay_it_finds_one_that_is_minimal(causes: list[frozenset[int]]) -> None:
    """A list fails if it has all items of any cause, as the brute force tries on all 128 parts."""

    def fails(kept: Sequence[int]) -> bool:
        return any(cause <= set(kept) for cause in causes)

    failing = [part for part in every_part() if fails(sorted(part))]
    minimal = [part for part in failing if not any(other < part for other in failing)]
    kept = ddmin(range(SIZE), fails)
    assert kept == sorted(kept)
    assert frozenset(kept) in minimal


@given(st.sets(parts))
def test_of_any_failure_no_item_can_be_left_out(failing: set[frozenset[int]]) -> None:
    """Even where a part fails and a larger one does not."""
    failing |= {frozenset(range(SIZE))}
    kept = frozenset(ddmin(range(SIZE), lambda part: frozenset(part) in failing))
    assert kept in failing
    assert not any(kept - {item} in failing for item in kept)


@given(st.lists(parts, min_size=1, max_size=4))
def test_it_asks_about_no_part_twice(causes: list[frozenset[int]]) -> None:
    asked: list[tuple[int, ...]] = []

    def fails(kept: Sequence[int]) -> bool:
        asked.append(tuple(kept))
        return any(cause <= set(kept) for cause in causes)

    ddmin(range(SIZE), fails)
    assert len(asked) == len(set(asked))
    assert tuple(range(SIZE)) not in asked


def test_a_cause_of_two_of_a_thousand_is_found_with_few_questions() -> None:
    asked = 0

    def fails(kept: Sequence[int]) -> bool:
        nonlocal asked
        asked += 1
        return {17, 800} <= set(kept)

    assert ddmin(range(1000), fails) == [17, 800]
    assert asked < 200


def test_nothing_is_left_of_what_fails_anyway() -> None:
    assert ddmin([1, 2, 3], lambda kept: True) == []
    assert ddmin([], lambda kept: True) == []
