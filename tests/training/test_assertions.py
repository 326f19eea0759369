"""`assert:` of a spec: builds that keep it, builds that fail, and builds that cannot tell."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file
from tests.training.digits import SPEC, TRAIN, write_digits

import stackc
from stackc.artifact.manifest import parse_manifest
from stackc.core.diagnostics import SpecError


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the digits, and weights that were not trained."""
    folder = tmp_path_factory.mktemp("asserted")
    state = stackc.module(write_digits(folder), seed=7).state_dict()
    save_file({name: tensor.numpy() for name, tensor in state.items()}, folder / "weights.safetensors")
    return folder


@pytest.fixture(scope="module")
def figures(folder: Path) -> dict[str, float]:
    """The loss and the accuracy of these weights, by hand."""
    model = stackc.module(folder / "digits.yaml", weights=folder / "weights.safetensors").eval()
    data = np.load(folder / "test.npz")
    with torch.no_grad():
        logits, label = model(torch.from_numpy(data["image"])), torch.from_numpy(data["label"])
    loss = torch.nn.functional.cross_entropy(logits, label).item()
    return {"loss": loss, "accuracy": (logits.argmax(1) == label).double().mean().item()}


def build(folder: Path, bounds: str, train: str = TRAIN, **options: Any) -> Path:
    spec = folder / "asserting.yaml"
    spec.write_text(f"{SPEC}{train}assert: {bounds}\n", encoding="utf-8")
    settings: dict[str, Any] = {
        "weights": folder / "weights.safetensors",
        "out": folder / "exported",
        "measure": False,
    } | options
    return stackc.build(spec, stackc.Options(**settings)).folder


def asserted(artifact: Path) -> list[dict[str, Any]]:
    return list(parse_manifest((artifact / "manifest.json").read_text(encoding="utf-8")).asserted)


def test_the_figures_are_in_the_manifest_and_the_report(folder: Path, figures: dict[str, float]) -> None:
    """A bound that is reached exactly holds."""
    told: list[tuple[str, str]] = []
    spec = folder / "asserting.yaml"
    low = figures["accuracy"]
    spec.write_text(f"{SPEC}{TRAIN}assert: {{accuracy: {{min: {low}}}, loss: {{min: 1, max: 5}}}}\n", encoding="utf-8")
    options = stackc.Options(weights=folder / "weights.safetensors", out=folder / "kept", measure=False)
    artifact = stackc.build(spec, options, progress=lambda stage, text: told.append((stage, text))).folder

    accuracy, loss = asserted(artifact)
    assert accuracy == {
        "name": "accuracy", "min": low, "max": None, "measured": pytest.approx(low, rel=1e-6),
        "note": "on 100 examples of test.npz",
    }  # fmt: skip
    assert (loss["min"], loss["max"], loss["measured"]) == (1, 5, pytest.approx(figures["loss"], rel=1e-5))
    assert [stage for stage, _ in told][-1] == "assert"
    assert f"accuracy {low:.4f} ≥ {low:g} on 100 examples" in told[-1][1]
    page = (artifact / "report.html").read_text(encoding="utf-8")
    assert f"<td>accuracy<td>≥ {low:g}" in page


def test_error_a_figure_out_of_its_bounds(folder: Path, figures: dict[str, float]) -> None:
    """All of them are told, each at its line; the artifact from before stays."""
    artifact = build(folder, "{accuracy: {min: 0}}")
    before = (artifact / "manifest.json").read_bytes()
    with pytest.raises(SpecError) as caught:
        build(folder, "\n  accuracy: {min: 0.95}\n  loss: {max: 0.5}")
    first, second = caught.value.diagnostics
    assert {first.code, second.code} == {"L304"}
    assert first.message == (
        f"accuracy is {figures['accuracy']:.6g} on 100 examples of test.npz, but the spec asserts ≥ 0.95"
    )
    assert first.span is not None
    assert second.span is not None
    lines = (folder / "asserting.yaml").read_text(encoding="utf-8").splitlines()
    assert lines[first.span.line - 1] == "  accuracy: {min: 0.95}"
    assert lines[second.span.line - 1] == "  loss: {max: 0.5}"
    assert (artifact / "manifest.json").read_bytes() == before


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"asserts": False}, "built without assertions"),
        ({"verify": False}, "built without a proof"),
        ({"weights": None}, "the weights are random"),
    ],
)
def test_what_is_not_checked_is_said(options: dict[str, Any], why: str, folder: Path, tmp_path: Path) -> None:
    artifact = build(folder, "{accuracy: {min: 0.95}}", out=tmp_path, **options)
    (only,) = asserted(artifact)
    assert (only["measured"], only["note"]) == (None, f"is not checked: {why}")


def test_error_no_validation_data(folder: Path) -> None:
    """It is reported before the work, at the assertion; and so is a file that is not there."""
    without = TRAIN.replace(", validation: test.npz", "")
    with pytest.raises(SpecError, match=r"L303.*accuracy cannot be measured: the spec names no validation data"):
        build(folder, "{accuracy: {min: 0.1}}", without)
    missing = TRAIN.replace("test.npz", "nowhere.npz")
    with pytest.raises(SpecError, match=r"L201.*nowhere\.npz"):
        build(folder, "{accuracy: {min: 0.1}}", missing)
    assert build(folder, "{accuracy: {min: 0.1}}", without, asserts=False).is_dir()


def test_a_bound_may_be_an_expression(folder: Path) -> None:
    spec = folder / "params.yaml"
    text = f"{SPEC}params: {{least: 0.9}}\n{TRAIN}assert: {{accuracy: {{min: least / 2}}, loss: {{max: 1e9}}}}\n"
    spec.write_text(text, encoding="utf-8")
    accuracy, loss = stackc.check(spec).assertions
    assert (accuracy.minimum, accuracy.bounds, loss.bounds) == (0.45, "≥ 0.45", "≤ 1e+09")


def test_not_a_number_is_out_of_every_bound(folder: Path) -> None:
    """A loss that is NaN on the validation data."""
    (assertion,) = stackc.check(_spec(folder, "{loss: {max: 1e9}}")).assertions
    assert not assertion.holds(float("nan"))


def test_the_manifest_of_a_spec_without_assertions(folder: Path, tmp_path: Path) -> None:
    artifact = stackc.build(folder / "digits.yaml", stackc.Options(out=tmp_path, verify=False)).folder
    assert json.loads((artifact / "manifest.json").read_text(encoding="utf-8"))["asserted"] == []


def _spec(folder: Path, bounds: str) -> Path:
    spec = folder / "asserting.yaml"
    spec.write_text(f"{SPEC}{TRAIN}assert: {bounds}\n", encoding="utf-8")
    return spec
