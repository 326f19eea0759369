"""Stochastic depth: what it leaves out in training, and that it is the identity in evaluation."""

import torch

from stackc.components.families.regularization import StochasticDepth
from stackc.core.types import Dim, TensorType, shape

X = TensorType("float64", shape(Dim.symbol("batch"), Dim.symbol("seq"), 4))


def test_each_sample_is_kept_or_left_out_as_a_whole() -> None:
    torch.manual_seed(0)
    x = torch.ones(1000, 3, 4, dtype=torch.float64)
    y = StochasticDepth(p=0.25).module(X)(x)
    assert set(y.unique().tolist()) == {0.0, 1 / 0.75}
    assert (y == y[:, :1, :1]).all()
    assert 700 < y[:, 0, 0].count_nonzero() < 800


def test_a_batch_is_kept_or_left_out_as_a_whole() -> None:
    torch.manual_seed(0)
    module = StochasticDepth(p=0.5, mode="batch").module(X)
    values = [module(torch.ones(5, 3, 4, dtype=torch.float64)).unique().tolist() for _ in range(50)]
    assert sorted(map(tuple, {tuple(value) for value in values})) == [(0.0,), (2.0,)]


def test_evaluation_passes_on() -> None:
    x = torch.randn(5, 3, 4, dtype=torch.float64)
    assert torch.equal(StochasticDepth(p=0.9).module(X).eval()(x), x)
