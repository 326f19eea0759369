"""Plans of training: bytes against PyTorch's own saved tensors, gradients and states, and the largest batch."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from tests.training.digits import SPEC, TRAIN
from torch import nn

import stackc
from stackc.cli import cli
from stackc.core.diagnostics import SpecError
from stackc.frontend import Checked, Overrides, check_source, check_spec
from stackc.ir.optimizers import OPTIMIZERS, SGD
from stackc.ir.ranks import RankGrid, TrainPlanOptions, ranks_of
from stackc.spec.source import Source
from stackc.training.step_memory import OptimizerMemory, TracedModel, optimizer_memory
from stackc.training.train_plan import largest_batch, plan_training

SPECS = Path(__file__).parents[2] / "specs"
SMALL = {
    "bert_base": {"dim": "16", "hidden": "32", "layers": "2", "heads": "2", "vocab": "50"},
    "gpt2": {"dim": "16", "layers": "2", "heads": "2", "vocab": "50"},
    "unet": {"width0": "4"},
    "resnet": {"stem": "4", "width1": "8", "width2": "8", "width3": "8", "width4": "8"},
}
SIZES = {
    "bert_base": {"batch": 3, "seq": 8},
    "gpt2": {"batch": 3, "seq": 8},
    "unet": {"batch": 2, "height": 32, "width": 32},
    "resnet": {"batch": 2, "height": 32, "width": 64},
}


def small(name: str) -> Checked:
    return check_spec(SPECS / f"{name}.yaml", Overrides(SMALL[name]))


def digits(**keys: str) -> Checked:
    lines = [line for line in (SPEC + TRAIN).splitlines() if not line.startswith(tuple(f"  {key}:" for key in keys))]
    return check_source(Source("digits.yaml", "\n".join([*lines, *(f"  {k}: {v}" for k, v in keys.items())]) + "\n"))


def saved_bytes(module: nn.Module, inputs: list[torch.Tensor]) -> int:
    """The bytes that autograd saves of a forward pass, and the inputs: each memory once, without weights."""
    held = {tensor.untyped_storage().data_ptr() for tensor in [*module.parameters(), *module.buffers()]}
    storages = {}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        storages[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        module.train()(*inputs)
    storages |= {tensor.untyped_storage().data_ptr(): tensor.untyped_storage() for tensor in inputs}
    return sum(storage.nbytes() for pointer, storage in storages.items() if pointer not in held)


@pytest.mark.parametrize("name", SMALL)
def test_saved_bytes_are_those_that_autograd_saves(name: str) -> None:
    checked = small(name)
    module = stackc.module(SPECS / f"{name}.yaml", params=SMALL[name])
    inputs = [
        torch.ones([dim.evaluate(SIZES[name]) for dim in type_.shape], dtype=getattr(torch, type_.dtype))
        for type_ in checked.program.inputs.values()
    ]
    traced = TracedModel.of(checked).step(SIZES[name])
    types = [checked.program.types[value] for value in checked.program.outputs.values()]
    outputs = sum(4 * math.prod(dim.evaluate(SIZES[name]) for dim in type_.shape) for type_ in types)
    saved = saved_bytes(module, inputs)
    assert 0.99 * saved <= traced.saved <= 1.01 * saved + outputs, "outputs live until the loss is computed"
    assert traced.saved <= traced.peak <= traced.peak_with_gradients


def test_activations_grow_with_the_batch_and_gradients_do_not() -> None:
    model = TracedModel.of(digits())
    one, two, four = (model.step({"batch": size}) for size in (1, 2, 4))
    assert four.saved - two.saved == 2 * (two.saved - one.saved) > 0
    parameters = digits().cost.parameters
    plan = plan_training(digits())
    assert plan.rank.gradients == 4 * parameters
    assert plan.rank.state == 8 * parameters, "adamw keeps two numbers"
    assert plan.rank.weights == 4 * parameters + 2 * 4 * 4 + 8, "batch_norm has two statistics, and a counter of int64"


def test_parts_of_a_batch_keep_the_activations_of_one() -> None:
    whole, parts = plan_training(digits()), plan_training(digits(accumulate="5"))
    assert whole.batch_of_rank == parts.batch_of_rank == 50
    assert parts.rank.saved == TracedModel.of(digits()).step({"batch": 10}).saved < whole.rank.saved


def test_float64_and_the_average_double_what_they_should() -> None:
    plain, double, average = (
        plan_training(digits()),
        plan_training(digits(precision="float64")),
        plan_training(digits(ema="0.9")),
    )
    assert double.rank.gradients == 2 * plain.rank.gradients
    assert average.rank.average == plain.rank.weights
    assert average.rank.peak - plain.rank.peak == plain.rank.weights


def test_what_is_frozen_has_no_gradient() -> None:
    head = 4 * (64 * 10 + 10)
    assert plan_training(digits(freeze="[conv, norm]")).rank.gradients == head


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimizers_keep_what_pytorch_keeps(name: str) -> None:
    expected = {"adagrad": (1, 1), "adam": (2, 2), "adamw": (2, 2), "rmsprop": (1, 1), "sgd": (0, 0)}
    assert optimizer_memory(OPTIMIZERS[name](lr=0.1)) == OptimizerMemory(*expected[name])


def test_momentum_is_kept() -> None:
    assert optimizer_memory(SGD(lr=0.1, momentum=0.9)).state == 1


@pytest.mark.parametrize("memory", [0, 99, 100, 101, 1999, 10**6])
@pytest.mark.parametrize("kink", [1, 7, 400])
def test_the_largest_batch_is_the_last_that_fits(memory: int, kink: int) -> None:
    def peak(batch: int) -> int:
        return 97 + 3 * batch + 5 * max(0, batch - kink)

    largest = largest_batch(peak, memory)
    assert (largest == 0) == (peak(1) > memory)
    assert largest == 0 or peak(largest) <= memory < peak(largest + 1)


def test_the_largest_batch_of_a_model_fits_and_the_next_does_not() -> None:
    options = TrainPlanOptions(memory=400_000)
    largest = plan_training(digits(), options).largest_batch
    assert largest
    peaks = [plan_training(digits(), TrainPlanOptions(batch=batch)).rank.peak for batch in (largest, largest + 1)]
    assert peaks[0] <= 400_000 < peaks[1]


def test_a_thousand_ranks_are_arithmetic() -> None:
    checked = check_spec(SPECS / "bert_base.yaml", Overrides(SMALL["bert_base"], {"seq": 8}))
    one = plan_training(checked, TrainPlanOptions(batch=2))
    many = plan_training(checked, TrainPlanOptions(RankGrid(125, 8), shard=True, batch=2000))
    assert many.batch_of_rank == one.batch_of_rank == 2
    assert many.rank.state == -(-one.rank.state // 1000)
    assert many.rank.saved == one.rank.saved
    assert many.sent == round(0.999 * 3 * one.rank.gradients)
    assert many.command == (
        "torchrun --nnodes 125 --nproc-per-node 8 --rdzv-backend c10d --rdzv-endpoint HOST:29400 --max-restarts 3 "
        f"-m stackc train {SPECS / 'bert_base.yaml'} --shard"
    )
    both = plan_training(checked, TrainPlanOptions(RankGrid(1, 2), batch=4))
    assert both.command == f"torchrun --nproc-per-node 2 --max-restarts 3 -m stackc train {SPECS / 'bert_base.yaml'}"
    assert both.sent == one.rank.gradients


@pytest.mark.parametrize(
    ("text", "grid"),
    [("1", (1, 1)), ("8", (1, 8)), ("12", (2, 6)), ("1000", (125, 8)), ("13", (13, 1)), ("3x4", (3, 4))],
)
def test_ranks_are_a_number_or_machines_times_ranks(text: str, grid: tuple[int, int]) -> None:
    assert ranks_of(text) == RankGrid(*grid)


@pytest.mark.parametrize("text", ["", "0", "8x", "x8", "0x3", "-1", "many"])
def test_error_other_ranks(text: str) -> None:
    with pytest.raises(ValueError, match="neither a number of ranks"):
        ranks_of(text)


def test_error_memory_that_depends_on_values() -> None:
    """PyTorch's ctc_loss allocates by the lengths that it is given."""
    text = (
        "stackc: 1\nname: tones\ndims: {time: {max: 32}, label: {max: 8}}\ninputs: {x: {shape: [batch, time, 4]}}\n"
        "graph: x --> y[linear]\nnodes: {y: {out: 6}}\n"
        "train:\n  inputs:\n    label: {dtype: int64, shape: [batch, label], min: 1, below: 6}\n"
        "    lengths: {dtype: int64, shape: [batch], min: 8, max: 32}\n"
        "  graph: |\n    y --> loss[ctc]\n    label -->|target| loss\n    lengths -->|lengths| loss\n"
        "  data: {batch: 4}\n  epochs: 1\n"
    )
    with pytest.raises(SpecError, match=r"L221\]: the memory of 'tones' depends on the values of its inputs"):
        plan_training(check_source(Source("tones.yaml", text)))


def test_error_a_size_without_a_maximum() -> None:
    text = (
        "stackc: 1\nname: open\ninputs: {x: {shape: [batch, seq, 4]}}\ngraph: x --> y[linear]\nnodes: {y: {out: 4}}\n"
    )
    checked = check_source(Source("open.yaml", text))
    with pytest.raises(SpecError, match=r"L222\]: 'seq' may be of any size"):
        plan_training(checked)
    assert plan_training(check_source(Source("open.yaml", text), Overrides(dims={"seq": 3}))).batch == 1


def test_command_prints_the_plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("digits.yaml").write_text(SPEC + TRAIN, encoding="utf-8")

    def plan(*options: str) -> str:
        done = CliRunner().invoke(cli, ["plan", "digits.yaml", *options])
        assert done.exit_code == 0, done.output
        return done.output

    text = plan("--train", "--ranks", "100", "--memory", "1MB")
    assert "digits: batch 50 of 100 ranks, 1 on each" in text
    assert "50 ranks have no example of a batch" in text
    facts = json.loads(plan("--train", "--optimizer", "sgd", "--batch", "7", "--json"))
    assert (facts["optimizer"], facts["batch"], facts["rank"]["state"]) == ("sgd", 7, 0)
    refused = CliRunner().invoke(cli, ["plan", "digits.yaml", "--ranks", "2"])
    assert refused.exit_code == 2
    assert "--ranks needs --train" in refused.output
