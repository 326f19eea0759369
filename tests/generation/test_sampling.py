"""The choice of a token: probabilities by hand, draws that follow them, refusals."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from stackc.core.diagnostics import SpecError
from stackc.generation.sampling import Sampling


@pytest.mark.parametrize("wrong", [{"temperature": -1.0}, {"temperature": float("nan")}, {"top_k": -1}, {"top_p": 0.0}])
def test_error_sampling_without_a_meaning(wrong: dict[str, Any]) -> None:
    with pytest.raises(SpecError) as caught:
        Sampling(**wrong)
    assert [found.code for found in caught.value.diagnostics] == ["G914"]


def test_probabilities_of_a_sampling() -> None:
    """By hand: logits are logarithms of 1, 2, 3 and 4 tenths."""
    logits = np.log(np.array([0.2, 0.4, 0.1, 0.3], dtype=np.float32))

    def of(**options: Any) -> list[float]:
        found: list[float] = Sampling(**{"temperature": 1.0, **options}).probabilities(logits).tolist()
        return found

    assert of() == pytest.approx([0.2, 0.4, 0.1, 0.3])
    assert of(top_k=2) == pytest.approx([0, 4 / 7, 0, 3 / 7])
    assert of(top_p=0.65) == pytest.approx([0, 4 / 7, 0, 3 / 7])
    assert of(top_p=0.75) == pytest.approx([2 / 9, 4 / 9, 0, 3 / 9])
    assert of(top_p=1e-9) == [0, 1, 0, 0]
    assert of(temperature=0.5) == pytest.approx([4 / 30, 16 / 30, 1 / 30, 9 / 30])
    assert of(temperature=1e-9) == [0, 1, 0, 0]


def test_draws_follow_the_probabilities_and_the_seed() -> None:
    sampling = Sampling(temperature=1.0, top_k=3)
    logits, random = np.log(np.array([0.2, 0.4, 0.1, 0.3])), np.random.default_rng(0)
    counts = np.bincount([sampling.choose(logits, random) for _ in range(4000)], minlength=4)
    assert counts[2] == 0
    np.testing.assert_allclose(counts / 4000, np.array([2, 4, 0, 3]) / 9, atol=0.04)
    assert Sampling().choose(np.array([1.0, 3.0, 3.0]), random) == 1
