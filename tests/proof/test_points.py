"""Points of the proof: sizes that the contract allows, size 1 among them, and inputs within their ranges."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from stackc.frontend import check_source, check_spec
from stackc.proof.points import draws, points_of
from stackc.spec.source import Source

SPECS = Path(__file__).parents[2] / "specs"


def test_points_of_bert() -> None:
    points = points_of(check_spec(SPECS / "bert_base.yaml").program)
    assert [dict(point.sizes) for point in points] == [
        {"batch": 1, "seq": 1},
        {"batch": 3, "seq": 5},
        {"batch": 3, "seq": 5},
        {"batch": 64, "seq": 1},
        {"batch": 1, "seq": 64},
    ]


@given(st.integers(1, 40), st.integers(0, 200) | st.none(), st.integers(1, 24))
@settings(max_examples=60, deadline=None)
def test_every_point_is_within_the_contract(least: int, more: int | None, multiple: int) -> None:
    first = -(-least // multiple) * multiple
    end = "" if more is None else f", max: {first + more}"
    text = (
        f"stackc: 1\nname: t\ndims: {{n: {{min: {least}, multiple_of: {multiple}{end}}}}}\n"
        "inputs: {x: {shape: [n, 4]}}\ngraph: x --> gelu\n"
    )
    for point in points_of(check_source(Source("t.yaml", text)).program):
        size = point.sizes["n"]
        assert size >= least
        assert size % multiple == 0
        assert more is None or size <= first + more


def test_inputs_keep_their_ranges_and_masks_are_full_and_empty_too() -> None:
    checked = check_spec(SPECS / "minilm.yaml")
    masks = {}
    for point, feeds in draws(checked.program, checked.ranges):
        assert feeds["input_ids"].min() >= 0
        assert feeds["input_ids"].max() < 30522
        assert feeds["token_type_ids"].max() <= 1
        masks[point.draw] = set(np.unique(feeds["attention_mask"]))
        assert feeds["attention_mask"].dtype == np.int64
    assert masks == {"full": {1}, "random": {0, 1}, "empty": {0}}


def test_the_same_seed_draws_the_same() -> None:
    checked = check_spec(SPECS / "seed.mmd")
    first, second = (list(draws(checked.program, checked.ranges, seed=4)) for _ in range(2))
    for (_, a), (_, b) in zip(first, second, strict=True):
        np.testing.assert_array_equal(a["x"], b["x"])
