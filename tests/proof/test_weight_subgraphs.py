"""Weight subgraphs calculated anew: moves by PyTorch and everything else by ONNX's reference, against ONNX Runtime."""

from __future__ import annotations

import numpy as np
import pytest
from tests.export.test_weight_folding import MOVES, W, subgraph

from stackc.export import weight_folding
from stackc.proof.weight_subgraphs import MOVES as MOVED
from stackc.proof.weight_subgraphs import Calculation, moved_values
from stackc.runtime import run_once


@pytest.mark.parametrize("body", MOVES)
def test_moves_are_those_of_onnx_runtime(body: str) -> None:
    moving = subgraph(body, 3 if "v0, v1, v2" in body else 2 if "v0, v1" in body else 1)
    results = moved_values(moving, [W])
    assert results is not None
    for result, expected in zip(results, run_once(moving.model, {"p0": W}), strict=True):
        np.testing.assert_array_equal(result, expected)
        assert result.flags.c_contiguous


def test_what_folding_moves_is_compared_bit_for_bit() -> None:
    """A move that is missing here would be compared by the rule."""
    assert MOVED.keys() == weight_folding._MOVES.keys()


def test_a_calculation_in_both_precisions_and_its_spread() -> None:
    """√w − √(w·(1 − 2⁻²⁰)) cancels: float32 is far from the truth, and roundings move it as much."""
    factor = 1 - 2.0**-20
    scaled = f"c0 = Constant <value = float {{{factor!r}}}> () v1 = Mul (p0, c0)"
    body = f"{scaled} v2 = Sqrt (v1) v3 = Sqrt (p0) v0 = Sub (v3, v2)"
    weight = W + 1
    calculation = Calculation.of(subgraph(body, 1), [weight])

    exact = np.sqrt(weight.astype(np.float64)) * (1 - np.sqrt(float(np.float32(factor))))
    (truth,), (single,) = calculation.truth(), calculation.single()
    np.testing.assert_allclose(truth, exact, rtol=1e-9)
    assert (str(truth.dtype), str(single.dtype)) == ("float64", "float32")

    (spread,) = calculation.spreads([truth])
    rounding = np.sqrt(weight) * 2.0**-23
    assert (spread > 0.5 * rounding).mean() > 0.9
    assert (spread < 8 * rounding).all()


def test_a_move_is_no_calculation() -> None:
    assert moved_values(subgraph("v1 = Transpose <perm = [0, 2, 1]> (p0) v0 = Sqrt (v1)", 1), [W]) is None
