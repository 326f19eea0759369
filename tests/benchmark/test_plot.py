"""The picture of a comparison: complete, with every name, and the same bytes for the same runs."""

import xml.etree.ElementTree as ET

import numpy as np
import pytest

from stackc.benchmark.plot import draw_plot
from stackc.timing import Comparison, Repetition, compare_candidates


def comparison(*means: float) -> Comparison:
    table = np.random.default_rng(0).normal(means, 0.02 * np.array(means), (60, len(means)))
    return compare_candidates([f"候選 {number}" for number in range(len(means))], [Repetition(np.abs(table))])


@pytest.mark.slow
@pytest.mark.parametrize("means", [(0.010, 0.012), (0.001, 0.5)])
def test_a_plot_has_every_candidate_and_is_the_same_every_time(means: tuple[float, ...]) -> None:
    svg = draw_plot(comparison(*means), "at batch=1", ".svg")
    texts = ["".join(text.itertext()) for text in ET.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")]
    assert {"候選 0", "候選 1", "at batch=1", "ms per run"} <= set(texts)
    assert draw_plot(comparison(*means), "at batch=1", ".svg") == svg
    assert draw_plot(comparison(*means), "at batch=1", ".png").startswith(b"\x89PNG")
