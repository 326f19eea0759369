"""The spread against closed forms: what roundings of float32 do to sums, differences, choices and parameters."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper
from torch import Tensor, nn

from stackc.core.diagnostics import SpecError
from stackc.frontend import check_source
from stackc.proof import jitter, parity
from stackc.proof.jitter import ROUNDING, model_spread
from stackc.proof.tolerance import judge
from stackc.spec.source import Source

if TYPE_CHECKING:
    from tests.proof.conftest import Small

PROGRAM = check_source(
    Source("s.yaml", "stackc: 1\ninputs: {x: {shape: [batch, 8]}}\ngraph: x --> y[identity]\n")
).program
X = np.random.default_rng(3).standard_normal((4, 8)).astype(np.float32)


class Computes(nn.Module):
    """A function as a module."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x)


def spread_of(function: Callable[[Tensor], Tensor], x: np.ndarray = X) -> np.ndarray:
    return model_spread(Computes(function).double(), {"x": x}, PROGRAM, {"y": "y"}, {})["y"]


def test_a_product_moves_by_its_roundings() -> None:
    """x, x·2 and x·2·3 are each jittered: by one to three roundings."""
    relative = spread_of(lambda x: x * 2 * 3) / np.abs(6 * X.astype(np.float64))
    assert (relative <= 3.01 * ROUNDING).all()
    assert relative.max() > 2.9 * ROUNDING


def test_a_sum_that_cancels_moves_by_its_terms() -> None:
    """Σxᵢ − Σxᵢ(1 + 2⁻¹²) is about 2⁻¹² of its terms, and moves by roundings of the terms themselves."""
    spread = spread_of(lambda x: x.sum(-1) - (x * (1 + 2.0**-12)).sum(-1))
    terms = np.abs(X.astype(np.float64)).sum(-1)
    total = np.abs(X.astype(np.float64).sum(-1))
    assert (spread > 0.05 * ROUNDING * total).all()
    assert (spread < 8 * ROUNDING * terms).all()
    assert (spread / (total * 2.0**-12) > 100 * ROUNDING).all()


def test_pure_moves_round_nothing_more() -> None:
    alone = spread_of(lambda x: x)
    assert np.array_equal(spread_of(lambda x: torch.cat([x[:, 4:], x[:, :4]], -1).roll(4, -1)), alone)


CHOICES: dict[str, Callable[[Tensor], Tensor]] = {
    "comparison": lambda x: torch.where(x / 3 * 3 - x >= 0, x, x + 1000),
    "floor": lambda x: (x / 3 * 3 / x).floor() * x,
    "sign": lambda x: torch.sign(x / 3 * 3 - x) * 1000 + x,
    "argmax": lambda x: x + 1000 * (x / 3 * 3 - x).argmax(-1, keepdim=True),
    "sort": lambda x: x.gather(-1, (x / 3 * 3 - x).sort(-1).indices) * 1000,
    "topk": lambda x: x.gather(-1, (x / 3 * 3 - x).topk(8, -1).indices) * 1000,
    "max of an axis": lambda x: x + 1000 * (x / 3 * 3 - x).max(-1, keepdim=True).indices,
    "remainder": lambda x: torch.remainder(x / 3 * 3, x),
    "hardshrink": lambda x: nn.functional.hardshrink(x / 3 * 3 / x + 999, 1000.0) + x,
}


@pytest.mark.parametrize("name", CHOICES)
def test_choices_are_those_of_the_truth(name: str) -> None:
    """x/3·3 is x but for a rounding, so that in jittered passes every one of these would turn over."""
    spread = spread_of(CHOICES[name])
    assert spread.max() < 1000 * 16 * ROUNDING * np.abs(X).max()


def test_values_of_a_top_k_move_with_what_they_were_taken_from() -> None:
    spread = spread_of(lambda x: x.topk(8, -1).values)
    assert 0 < spread.max() <= 2.01 * ROUNDING * np.abs(X).max()


def test_a_python_branch_on_a_number_takes_the_branch_of_the_truth() -> None:
    spread = spread_of(lambda x: x if float((x / 3 * 3 - x).sum()) > 0 else x + 1000)
    assert spread.max() < 1000 * 4 * ROUNDING


def test_a_pass_that_runs_other_operators_has_no_spread() -> None:
    calls = [0]

    def changing(x: Tensor) -> Tensor:
        calls[0] += 1
        return x.floor() if calls[0] == 1 else x.ceil()

    assert np.isinf(spread_of(changing)).all()


def test_parameters_are_jittered_and_put_back() -> None:
    layer = nn.Linear(8, 8).double()
    nn.init.zeros_(layer.weight)
    before = {name: x.clone() for name, x in layer.state_dict().items()}
    spread = model_spread(layer, {"x": X}, PROGRAM, {"y": "y"}, {})["y"]
    assert spread.max() > ROUNDING * layer.bias.detach().abs().max().item(), "the bias itself, and the sum"
    assert all(torch.equal(x, before[name]) for name, x in layer.state_dict().items())


def test_the_spread_allows_what_conditioning_explains_and_no_more() -> None:
    """PyTorch is exact by luck; without the spread 8 units in the last place are all there is."""
    truth = np.array([1.0])
    single = truth.astype(np.float32)
    output = (truth + 3e-6).astype(np.float32)
    assert judge(output, single, truth).problem is not None
    verdict = judge(output, single, truth, spread=np.array([1e-6]))
    assert (verdict.problem, verdict.determined, verdict.spread) == (None, None, 1e-6)
    assert judge((truth + 9e-6).astype(np.float32), single, truth, spread=np.array([1e-6])).problem is not None


@pytest.mark.parametrize(("spread", "determined"), [(1e-3, 4e-3), (np.inf, np.inf)])
def test_an_output_that_float32_leaves_open_is_not_as_exact_as_pytorch(spread: float, determined: float) -> None:
    truth = np.array([1.0])
    verdict = judge(truth.astype(np.float32), truth.astype(np.float32), truth, spread=np.array([spread]))
    assert verdict.problem is None
    assert verdict.determined == pytest.approx(determined, rel=1e-3)


@pytest.mark.slow
def test_a_hopeless_failure_at_a_large_point_takes_one_jittered_pass(
    small: Small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a pass is dear, one bounds the spread of many numbers; the few of the smallest point take all eight."""
    passes: list[int] = []
    measured = jitter._measured_spreads

    def counted(run: Any, module: nn.Module, count: int) -> Any:
        passes.append(count)
        return measured(run, module, count)

    def doubled(graph: onnx.GraphProto) -> None:
        (tensor,) = (tensor for tensor in graph.initializer if tensor.name == "encoder.1.mlp.up.weight")
        tensor.CopyFrom(numpy_helper.from_array(2 * numpy_helper.to_array(tensor), tensor.name))

    monkeypatch.setattr(parity, "is_cheap", lambda program, point: False)
    monkeypatch.setattr(parity, "failing_components", lambda *_: ())
    monkeypatch.setattr(jitter, "_measured_spreads", counted)
    with pytest.raises(SpecError, match=r"encoder\.1\.mlp"):
        small.prove(small.file(tmp_path, doubled))
    assert passes == [1, 8] + [1] * (len(passes) - 2)
    assert len(passes) > 3
