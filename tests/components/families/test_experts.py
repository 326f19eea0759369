"""The choice of a gate and the sum over those chosen, against loops over positions in NumPy."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from stackc.components.base import SignatureError
from stackc.components.families.experts import RoutedSum, TopKMask
from stackc.core.types import Dim, TensorType, shape

Refused = Callable[..., SignatureError]

BATCH, SEQ = Dim.symbol("batch"), Dim.symbol("seq")
SCORES = TensorType("float64", shape(BATCH, SEQ, 4))
MASK = TensorType("bool", SCORES.shape)
BRANCH = SCORES.with_last(8)


def softmax(scores: np.ndarray) -> np.ndarray:
    exponentials: np.ndarray = np.exp(scores - scores.max())
    return np.asarray(exponentials / exponentials.sum())


@pytest.mark.parametrize("renormalize", [True, False])
def test_the_k_largest_are_mixed(renormalize: bool) -> None:
    torch.manual_seed(0)
    scores, branches = torch.randn(2, 3, 4).double(), [torch.randn(2, 3, 8).double() for _ in range(4)]
    mask = TopKMask(k=2).module(SCORES)(scores)
    y = RoutedSum(renormalize=renormalize).module(SCORES, MASK, *[BRANCH] * 4)(scores, mask, *branches)

    expected = np.zeros((2, 3, 8))
    for place in np.ndindex(2, 3):
        row = scores[place].numpy()
        taken = np.argsort(row)[-2:]
        shares = softmax(row[taken]) if renormalize else softmax(row)[taken]
        expected[place] = sum(share * branches[i][place].numpy() for share, i in zip(shares, taken, strict=True))
    np.testing.assert_allclose(y, expected, rtol=1e-12)


def test_of_equal_scores_the_first_are_taken() -> None:
    scores = torch.tensor([[1.0, 2.0, 2.0, 2.0], [0.0, 0.0, 0.0, 0.0], [3.0, 1.0, 3.0, 3.0]])
    mask = TopKMask(k=2).module(SCORES)(scores)
    assert mask.tolist() == [[False, True, True, False], [True, True, False, False], [True, False, True, False]]


def test_a_position_without_a_choice_is_zero() -> None:
    scores, mask = torch.randn(2, 3, 4), torch.zeros(2, 3, 4, dtype=torch.bool)
    y = RoutedSum().module(SCORES, MASK, *[BRANCH] * 4)(scores, mask, *[torch.randn(2, 3, 8)] * 4)
    assert not y.any()


def test_error_more_than_there_are(refused: Refused) -> None:
    error = refused(TopKMask(k=5), SCORES)
    assert error.message == "k 5 exceeds the 4 entries of the last axis of float64[batch, seq, 4]"
    assert error.field == "k"


def test_error_scores_and_branches_differ_in_number(refused: Refused) -> None:
    error = refused(RoutedSum(), SCORES, MASK, BRANCH, BRANCH)
    assert error.message == "expects a score for each of 2 branches, got float64[batch, seq, 4]"
    error = refused(RoutedSum(), SCORES, SCORES, *[BRANCH] * 4)
    assert error.message == (
        "expects a mask bool[batch, seq, 4] for scores float64[batch, seq, 4], got float64[batch, seq, 4]"
    )
