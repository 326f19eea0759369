"""`privacy`: clipping, noise, draws and what is spent, against loops by hand, closed forms, and opacus by hand."""

from __future__ import annotations

import json
import math
from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from opacus import GradSampleModule, PrivacyEngine
from opacus.optimizers import DPOptimizer
from safetensors import safe_open
from safetensors.torch import load_file
from tests.training.digits import TRAIN, write_examples

import stackc
from stackc.artifact.manifest import parse_manifest
from stackc.cli import cli
from stackc.core.diagnostics import SpecError
from stackc.frontend import check_source, check_spec
from stackc.ir.training import PrivacyBudget
from stackc.spec.source import Source
from stackc.training import TrainOptions, train_model
from stackc.training.optimizer import make_optimizer
from stackc.training.per_example import PerExample, private_optimizer, private_update
from stackc.training.prepare import training_module
from stackc.training.private_run import PrivatePlan, secret_number
from stackc.training.step import Model
from stackc.training.train_plan import plan_training

SPEC = """\
stackc: 1
name: digits
dims: {batch: {min: 1, max: 40}}
inputs: {image: {shape: [batch, 1, 8, 8], min: 0, max: 1}}
graph: |
  image --> conv[conv2d] --> norm[group_norm] --> relu --> pool[max_pool2d] --> flat[flatten] --> head[linear]
nodes: {conv: {out: 8, kernel: 3, padding: 1}, norm: {groups: 2, axis: 1}, pool: {kernel: 2}, head: {out: 10}}
outputs: {logits: head}
"""
PRIVATE = TRAIN.replace("weight_decay: 0.1", "weight_decay: 0.0").replace("batch: 50", "batch: 40") + (
    "  privacy: {epsilon: 3, delta: 1e-5, clip: 0.5}\n"
)
BUDGET = PrivacyBudget(3.0, 1e-5, 0.5)
SECRET = "of the test"


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    """The spec beside 320 digits; draws of about 40 of them are beyond the contract of a batch."""
    write_examples(tmp_path, 320, 100)
    path = tmp_path / "digits.yaml"
    path.write_text(SPEC + PRIVATE, encoding="utf-8")
    return path


def private_model(text: str = SPEC + PRIVATE) -> Model:
    checked = check_source(Source("digits.yaml", text))
    assert checked.training is not None
    model = Model(training_module(checked, checked.training), checked.training)
    model.start_training()
    return model


def digits(count: int) -> dict[str, Any]:
    random = np.random.default_rng(0)
    return {
        "image": random.random((count, 1, 8, 8)).astype(np.float32),
        "label": random.integers(0, 10, count),
    }


def events(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "history.jsonl").read_text(encoding="utf-8").splitlines()]


# -- one update


@pytest.mark.parametrize("accumulate", [1, 3])
def test_an_update_is_that_of_a_loop_that_clips(accumulate: int) -> None:
    """w ← w − lr · Σᵢ gᵢ·min(1, C/‖gᵢ‖) / the expected size of a batch, in parts or not."""
    text = (SPEC + PRIVATE).replace("op: adamw, lr: 1e-2, weight_decay: 0.0", "op: sgd, lr: 1.0")
    model = private_model(text + f"  accumulate: {accumulate}\n")
    parameters = {name: each for name, each in model.module.named_parameters() if each.requires_grad}
    before = {name: each.detach().clone() for name, each in parameters.items()}
    feeds, expected = digits(50), {name: torch.zeros_like(each) for name, each in before.items()}
    norms = []
    for row in range(50):
        loss = model.loss(model.means({name: x[row : row + 1] for name, x in feeds.items()}))
        gradient = dict(zip(parameters, torch.autograd.grad(loss, [*parameters.values()]), strict=True))
        norms.append(math.sqrt(sum(float(each.square().sum()) for each in gradient.values())))
        for name, each in gradient.items():
            expected[name] += each * min(1.0, 0.5 / norms[-1]) / 40
    assert min(norms) > 0.5

    plan = PrivatePlan(BUDGET, 320, 24, 1 / 8, 0.0)
    settings = model.training.settings
    optimizer = private_optimizer(make_optimizer(settings.optimizer, model.module, settings.groups), plan)
    private_update(PerExample.of(model), optimizer, feeds, SECRET, 0)
    for name, each in parameters.items():
        torch.testing.assert_close(before[name] - each.detach(), expected[name], rtol=1e-4, atol=1e-6)


def test_a_draw_of_no_examples_is_noise_alone() -> None:
    text = (SPEC + PRIVATE).replace("op: adamw, lr: 1e-2, weight_decay: 0.0", "op: sgd, lr: 1.0")
    model = private_model(text)
    parameters = [each for each in model.module.parameters() if each.requires_grad]
    before = torch.cat([each.detach().flatten() for each in parameters])
    plan = PrivatePlan(BUDGET, 320, 24, 1 / 8, 2.0)
    settings = model.training.settings
    optimizer = private_optimizer(make_optimizer(settings.optimizer, model.module, settings.groups), plan)
    assert private_update(PerExample.of(model), optimizer, {}, SECRET, 0) is None

    noise = before - torch.cat([each.detach().flatten() for each in parameters])
    assert float(noise.std()) == pytest.approx(2.0 * 0.5 / 40, rel=0.1)
    assert abs(float(noise.mean())) < 4 * 2.0 * 0.5 / 40 / math.sqrt(len(noise))


def test_a_loss_that_is_not_finite_leaves_the_weights(spec: Path) -> None:
    model = private_model()
    before = {name: each.detach().clone() for name, each in model.module.named_parameters()}
    plan = PrivatePlan(BUDGET, 320, 24, 1 / 8, 2.0)
    settings = model.training.settings
    optimizer = private_optimizer(make_optimizer(settings.optimizer, model.module, settings.groups), plan)
    feeds = digits(4)
    feeds["image"][2] = np.nan
    loss = private_update(PerExample.of(model), optimizer, feeds, SECRET, 0)
    assert loss is not None
    assert math.isnan(loss)
    for name, each in model.module.named_parameters():
        assert torch.equal(before[name], each)


@pytest.mark.filterwarnings("ignore:Full backward hook is firing")
def test_the_weights_of_opacus_by_hand() -> None:
    """The same draws and the same noise: opacus's hooks on plain PyTorch come to the same weights."""
    model = private_model()
    by_hand = torch.nn.Sequential(
        torch.nn.Conv2d(1, 8, 3, padding=1), torch.nn.GroupNorm(2, 8), torch.nn.ReLU(), torch.nn.MaxPool2d(2),
        torch.nn.Flatten(), torch.nn.Linear(128, 10),
    )  # fmt: skip
    state = model.module.state_dict()
    names = {"0.weight": "conv.weight", "0.bias": "conv.bias", "5.weight": "head.weight", "5.bias": "head.bias"}
    by_hand.load_state_dict({name: state[own].clone() for name, own in names.items()}
                            | {"1.weight": torch.ones(8), "1.bias": torch.zeros(8)})  # fmt: skip
    hooked, plan = GradSampleModule(by_hand), PrivatePlan(BUDGET, 320, 24, 1 / 8, 1.5)
    sgd = DPOptimizer(
        torch.optim.SGD(hooked.parameters(), lr=0.5), noise_multiplier=0.0, max_grad_norm=0.5, expected_batch_size=40
    )
    settings = model.training.settings
    ours = private_optimizer(torch.optim.SGD([p for p in model.module.parameters() if p.requires_grad], lr=0.5), plan)
    ours.noise_multiplier = 0.0  # type: ignore[attr-defined]
    per_example, feeds = PerExample.of(model), digits(320)
    for step in range(4):
        rows = plan.rows(SECRET, step)
        batch = {name: x[rows] for name, x in feeds.items()}
        private_update(per_example, ours, batch, SECRET, step)
        sgd.zero_grad()
        torch.nn.functional.cross_entropy(
            hooked(torch.from_numpy(batch["image"])), torch.from_numpy(batch["label"])
        ).backward()
        sgd.step()
    assert settings.data.batch == 40
    after = model.module.state_dict()
    for name, own in names.items():
        torch.testing.assert_close(after[own], by_hand.state_dict()[name], rtol=1e-4, atol=1e-5)


# -- draws and budget


def test_draws_are_poisson() -> None:
    """Each example is in a step with probability q, independently: counts are binomial, and pairs have q²."""
    plan, steps = PrivatePlan(BUDGET, 200, 1000, 0.1, 1.0), 2000
    drawn = np.zeros((steps, 200))
    for step in range(steps):
        drawn[step, plan.rows(SECRET, step)] = 1

    sizes, frequencies = drawn.sum(axis=1), drawn.mean(axis=0)
    assert sizes.mean() == pytest.approx(20, abs=5 * math.sqrt(18 / steps))
    assert sizes.var() == pytest.approx(18, rel=5 * math.sqrt(2 / steps))
    assert abs(frequencies - 0.1).max() < 5 * math.sqrt(0.09 / steps)
    pairs = (drawn.T @ drawn / steps)[np.triu_indices(200, 1)]
    assert pairs.mean() == pytest.approx(0.01, abs=1e-3)
    assert not np.array_equal(plan.rows(SECRET, 0), plan.rows("another", 0))


@pytest.mark.filterwarnings("ignore:Secure RNG turned off", "ignore:Optimal order")
def test_the_noise_and_what_is_spent_are_those_of_opacus() -> None:
    """opacus's engine, asked for the same budget by hand, takes the same noise and accounts the same epsilon."""
    plan = PrivatePlan.of(BUDGET, 320, 24, 8)
    data = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(torch.zeros(320, 2)), batch_size=40)
    module = torch.nn.Linear(2, 1)
    engine = PrivacyEngine()
    _, optimizer, _ = engine.make_private_with_epsilon(
        module=module, optimizer=torch.optim.SGD(module.parameters(), lr=0.1), data_loader=data, epochs=3,
        target_epsilon=3.0, target_delta=1e-5, max_grad_norm=0.5,
    )  # fmt: skip
    assert plan.noise == pytest.approx(optimizer.noise_multiplier, rel=1e-9)
    assert (plan.rate, plan.expected_batch) == (1 / 8, optimizer.expected_batch_size)
    for steps in (1, 24):
        engine.accountant.history = [(plan.noise, 1 / 8, steps)]
        assert plan.epsilon(steps) == pytest.approx(engine.get_epsilon(1e-5))
    assert 2.9 < plan.epsilon(24) <= 3.0
    assert plan.epsilon(0) == 0


def test_epsilon_of_whole_batches_has_a_closed_form() -> None:
    """With q = 1, k steps are one Gaussian mechanism with σ/√k: Balle and Wang 2018, arXiv:1805.06530, theorem 8."""
    plan, normal = PrivatePlan(BUDGET, 100, 10, 1.0, 4.0), NormalDist()
    sigma = 4.0 / math.sqrt(10)

    def delta(epsilon: float) -> float:
        half, shift = 1 / (2 * sigma), epsilon * sigma
        return float(normal.cdf(half - shift) - math.exp(epsilon) * normal.cdf(-half - shift))

    epsilon = plan.epsilon(10)
    assert delta(epsilon) <= 1e-5 <= delta(epsilon - 0.05)


def test_secrets_do_not_tell_each_other() -> None:
    numbers = {secret_number(SECRET, purpose, step) for purpose in ("rows", "noise") for step in range(100)}
    assert len(numbers) == 200


# -- whole runs


def test_digits_are_learned_within_the_budget(spec: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("secrets.token_hex", lambda size: SECRET)
    spec.write_text(spec.read_text().replace("epochs: 3", "epochs: 15").replace("epsilon: 3", "epsilon: 8"))
    trained = stackc.train(spec, TrainOptions(out=spec.parent / "run"))
    assert trained.means["accuracy"] > 0.6

    epochs = [event for event in events(trained.folder) if "epoch" in event]
    spent = [event["epsilon"] for event in epochs]
    assert spent == sorted(spent)
    assert 7.9 < spent[-1] <= 8
    assert f"{spent[-1]:.3g}</b><span>epsilon spent of 8, at delta 1e-05" in (
        (trained.folder / "report.html").read_text(encoding="utf-8").replace("\n", "").replace("  ", "")
    )
    for name in ("model", "last"):  # the choice of the best epoch has seen all of them
        with safe_open(trained.folder / f"{name}.safetensors", "pt") as file:
            assert json.loads(file.metadata()["privacy"])["epsilon"] == spent[-1]

    built = stackc.build(
        spec, stackc.Options(out=spec.parent / "out", weights=trained.folder, verify=False, measure=False)
    )
    again = stackc.build(
        spec, stackc.Options(out=spec.parent / "again", weights=built.folder, verify=False, measure=False)
    )
    for folder in (built.folder, again.folder):
        (privacy,) = parse_manifest((folder / "manifest.json").read_text(encoding="utf-8")).privacy.values()
        assert (privacy["epsilon"], privacy["delta"], privacy["clip"]) == (spent[-1], 1e-5, 0.5)


def test_a_run_is_resumed_bit_for_bit(spec: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("secrets.token_hex", lambda size: SECRET)
    whole = train_model(check_spec(spec), TrainOptions(out=spec.parent / "whole"))

    class Killed(Exception):
        pass

    def kill(event: dict[str, Any]) -> None:
        if event["step"] == 13:
            raise Killed

    options = TrainOptions(out=spec.parent / "cut", checkpoint_every=5)
    with pytest.raises(Killed):
        train_model(check_spec(spec), options, kill)
    checkpoint = spec.parent / "cut" / "checkpoint.safetensors"
    assert checkpoint.stat().st_mode & 0o077 == 0
    assert SECRET.encode() in checkpoint.read_bytes()

    monkeypatch.setattr("secrets.token_hex", lambda size: "of the run that goes on")
    resumed = train_model(check_spec(spec), TrainOptions(out=spec.parent / "cut", resume=True))
    assert events(whole.folder) == events(resumed.folder)
    for name in ("model.safetensors", "last.safetensors"):
        one, other = (load_file(trained.folder / name) for trained in (whole, resumed))
        assert all(torch.equal(one[key], other[key]) for key in one)
    assert SECRET.encode() not in checkpoint.read_bytes()  # nothing continues it, so nobody needs it
    assert train_model(check_spec(spec), TrainOptions(out=spec.parent / "cut", resume=True)).steps == 24


def test_the_seed_does_not_tell_the_noise(spec: Path) -> None:
    one, other = (train_model(check_spec(spec), TrainOptions(out=spec.parent / name)) for name in ("one", "other"))
    first, second = (events(trained.folder)[0] for trained in (one, other))
    assert (one.folder / "last.safetensors").read_bytes() != (other.folder / "last.safetensors").read_bytes()
    assert first["loss"] != second["loss"]


def test_the_command_says_what_is_spent(spec: Path) -> None:
    printed = CliRunner().invoke(cli, ["train", str(spec), "-o", str(spec.parent / "run")])
    assert printed.exit_code == 0, printed.output
    lines = [line for line in printed.output.splitlines() if line.startswith("epoch")]
    assert [line.rpartition("  ")[2].startswith("epsilon ") for line in lines] == [True, True, True]


@pytest.mark.parametrize(
    ("budget", "options", "message"),
    [
        ("epsilon: 3, delta: 0.01, clip: 1", TrainOptions(), r"error\[L233\]: delta is 0.01, but has to be below"),
        ("epsilon: 1e-3, delta: 1e-30, clip: 1", TrainOptions(), r"error\[L234\]: no noise is enough"),
        ("epsilon: 3, delta: 1e-5, clip: 1", TrainOptions(compiled=True), r"error\[L235\]: the gradients"),
        ("epsilon: 3, delta: 1e-5, clip: 1", TrainOptions(watch_components=True), r"error\[L235\]: norms"),
    ],
)  # fmt: skip
def test_errors(spec: Path, budget: str, options: TrainOptions, message: str) -> None:
    spec.write_text(spec.read_text().replace("epsilon: 3, delta: 1e-5, clip: 0.5", budget))
    with pytest.raises(SpecError, match=message):
        train_model(check_spec(spec), options)
    assert not (spec.parent / "runs").exists()


def test_a_plan_does_not_count_gradients_of_examples(spec: Path) -> None:
    with pytest.raises(SpecError, match="L235"):
        plan_training(check_spec(spec))


def test_without_opacus_a_line_says_what_to_install(spec: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stackc.training.private_run.find_spec", lambda name: None)
    with pytest.raises(SpecError, match="L208") as caught:
        train_model(check_spec(spec), TrainOptions(out=spec.parent / "run"))
    assert caught.value.diagnostics[0].hint == "pip install 'stackc[privacy]'"
