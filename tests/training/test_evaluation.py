"""`stackc evaluate ARTIFACT`: figures beside those of a module by hand, and files that are not the module."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result
from safetensors.numpy import load_file, save_file
from tests.training.digits import MANY_LOSSES, SPEC, TRAIN, write_digits
from torch.nn import functional as F

import stackc
from stackc.artifact.lock import write_lock
from stackc.cli import cli
from stackc.core.diagnostics import SpecError
from stackc.frontend import check_spec
from stackc.training.evaluation import evaluate_artifact


def evaluate(*arguments: str | Path) -> Result:
    return CliRunner().invoke(cli, ["evaluate", *map(str, arguments)])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the digits, weights for their network, and exported/digits/ with them."""
    folder = tmp_path_factory.mktemp("evaluated")
    spec = write_digits(folder)
    state = stackc.module(spec, seed=7).state_dict()
    save_file({name: tensor.numpy() for name, tensor in state.items()}, folder / "weights.safetensors")
    options = stackc.Options(weights=folder / "weights.safetensors", out=folder / "exported", measure=False)
    stackc.build(spec, options)
    return folder


def test_the_figures_of_an_artifact_are_those_of_a_module_by_hand(folder: Path) -> None:
    """The last of three batches is smaller: the mean is over all examples."""
    state = {name: torch.from_numpy(x) for name, x in load_file(folder / "weights.safetensors").items()}
    data = np.load(folder / "test.npz")
    image, label = torch.from_numpy(data["image"][:90]), torch.from_numpy(data["label"][:90])
    np.savez(folder / "ninety.npz", image=image.numpy(), label=label.numpy())

    x = F.conv2d(image, state["conv.weight"], state["conv.bias"], padding=1)
    x = F.batch_norm(x, state["norm.running_mean"], state["norm.running_var"], state["norm.weight"], state["norm.bias"])
    logits = F.linear(F.max_pool2d(F.relu(x), 2).flatten(1), state["head.weight"], state["head.bias"])
    loss, accuracy = F.cross_entropy(logits, label).item(), (logits.argmax(1) == label).double().mean().item()

    done = evaluate(folder / "exported" / "digits", "--data", folder / "ninety.npz", "--json")
    assert done.exit_code == 0, done.output
    found = json.loads(done.output)
    assert set(found) == {"examples", "random_weights", "onnx", "torch", "outputs", "diagnostics"}
    assert (found["examples"], found["random_weights"], found["diagnostics"]) == (90, False, [])
    for side in ("onnx", "torch"):
        assert found[side] == pytest.approx({"loss": loss, "accuracy": accuracy}, rel=1e-5)
    (row,) = found["outputs"]
    assert set(row) == {"output", "rows", "held", "distance", "allowed"}
    assert row["output"] == "logits"
    assert 0 < row["distance"] <= row["allowed"] < 1e-5


def test_an_artifact_with_random_weights_is_held_to_them(folder: Path, tmp_path: Path) -> None:
    """Its seed is not that of `train`."""
    stackc.build(folder / "digits.yaml", stackc.Options(seed=11, out=tmp_path, measure=False))
    found = evaluate_artifact(tmp_path / "digits", folder / "test.npz")
    assert found.random_weights
    assert not found.diagnostics
    done = evaluate(tmp_path / "digits", "--data", folder / "test.npz")
    assert "100 examples of" in done.output
    assert "with random weights" in done.output


def test_error_the_file_has_other_weights(folder: Path, tmp_path: Path) -> None:
    """Figures are printed before the error, which has the rows; in JSON both are one object."""
    weights = load_file(folder / "weights.safetensors")
    weights["head.bias"][3] += 1e-3
    save_file(weights, tmp_path / "others.safetensors")
    arguments = (
        folder / "exported" / "digits",
        "--data",
        folder / "test.npz",
        "--weights",
        tmp_path / "others.safetensors",
    )

    done = evaluate(*arguments)
    assert "accuracy" in done.output
    assert isinstance(done.exception, SpecError)
    (diagnostic,) = done.exception.diagnostics
    assert diagnostic.code == "L301"
    assert "the output 'logits' is 1.00e-03 from the truth" in diagnostic.message
    assert f"in rows 0 to 49 of {folder / 'test.npz'}" in diagnostic.message

    as_json = evaluate(*arguments, "--json")
    assert as_json.exit_code == 1
    assert [each["code"] for each in json.loads(as_json.output)["diagnostics"]] == ["L301"]


def test_error_a_changed_artifact(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder / "exported" / "digits", tmp_path / "digits")
    with (tmp_path / "digits" / "spec.lock.yaml").open("a", encoding="utf-8") as file:
        file.write("# another line\n")
    with pytest.raises(SpecError, match=r"A606.*spec\.lock\.yaml has changed"):
        evaluate_artifact(tmp_path / "digits", folder / "test.npz")


def test_error_an_artifact_is_built_nowhere(folder: Path) -> None:
    done = evaluate(folder / "exported" / "digits", "--data", folder / "test.npz", "--out", folder)
    assert done.exit_code == 2
    assert "an artifact is evaluated where it is" in " ".join(done.output.split())


def test_error_an_artifact_without_train(folder: Path, tmp_path: Path) -> None:
    spec = tmp_path / "plain.yaml"
    spec.write_text(SPEC.replace("name: digits", "name: plain"), encoding="utf-8")
    stackc.build(spec, stackc.Options(out=tmp_path, verify=False))
    with pytest.raises(SpecError, match="L105"):
        evaluate_artifact(tmp_path / "plain", folder / "test.npz")


def test_outputs_after_a_choice_are_not_held(folder: Path, tmp_path: Path) -> None:
    """The class itself is an output, beside the logits."""
    spec = tmp_path / "choosing.yaml"
    text = SPEC.replace("head[linear]\n", "head[linear] --> best[argmax]\n", 1).replace(
        "name: digits", "name: choosing"
    )
    text = text.replace("head: {out: 10}}", "head: {out: 10}, best: {axis: 1}}")
    spec.write_text(text.replace("{logits: head}", "{logits: head, best: best}") + TRAIN, encoding="utf-8")
    stackc.build(spec, stackc.Options(out=tmp_path, measure=False))
    found = evaluate_artifact(tmp_path / "choosing", folder / "test.npz")
    assert {row.output: row.verdict is not None for row in found.outputs} == {"logits": True, "best": False}


def test_the_lock_says_how_the_model_is_trained(tmp_path: Path) -> None:
    """All but the files of examples: losses of outputs, taps and nodes, what lies between, metrics, settings."""
    spec, lock = tmp_path / "many.yaml", tmp_path / "lock.yaml"
    spec.write_text(MANY_LOSSES, encoding="utf-8")
    checked = check_spec(spec)
    lock.write_text(write_lock(checked), encoding="utf-8")
    locked = check_spec(lock)
    assert checked.training is not None
    assert locked.training is not None

    ours, theirs = locked.training, checked.training
    assert write_lock(locked) == write_lock(checked)
    assert (ours.losses, ours.metrics, ours.rising) == (theirs.losses, theirs.metrics, theirs.rising)
    assert ours.settings.loss_weights == {"loss": 1.0, "inner": 0.3, "near": 1.0}
    assert ours.settings.data.shuffle is False
    assert ours.settings.data.validation is None
    for key in ("optimizer", "schedule", "epochs", "steps", "stop", "freeze", "ema", "loss_weights"):
        assert getattr(ours.settings, key) == getattr(theirs.settings, key), key
    parts = [
        [(call.path, call.component, call.inputs, call.outputs) for call in each.program.calls]
        for each in (ours, theirs)
    ]
    assert parts[0] == parts[1]
