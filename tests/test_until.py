"""`stackc build --until STAGE`: each stage can be the last one, says what it made, and leaves exported/ alone."""

from __future__ import annotations

import json
import runpy
from pathlib import Path

import numpy as np
import onnx
import onnx.parser
import pytest
import torch
from click.testing import CliRunner, Result
from safetensors.numpy import load_file

from stackc.cli import cli
from stackc.core.diagnostics import SpecError
from stackc.core.progress import STAGES
from stackc.frontend import check_spec
from stackc.pipeline import Options, build, build_until
from stackc.torch_backend.lower import lower

SPEC = Path(__file__).parents[1] / "specs" / "normalized.yaml"
FILES = {
    "check": {"spec.lock.yaml", "graph.svg"},
    "weights": set(),
    "lower": {"model.py", "weights.safetensors"},
    "export": {"model.onnxtxt"},
    "write": {"model.onnx"},
    "open": {"model.onnx"},
    "prove": {"model.onnx", "parity.json", "testvectors.npz"},
    "measure": {"model.onnx", "parity.json", "testvectors.npz", "report.json"},
}


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def until(stage: str, *options: str) -> Result:
    return CliRunner().invoke(cli, ["build", str(SPEC), "--until", stage, *options])


@pytest.mark.slow
@pytest.mark.parametrize("stage", STAGES)
def test_it_stops_after_any_stage_and_writes_what_that_made(stage: str, tmp_path: Path) -> None:
    result = until(stage, "-o", "made")
    assert result.exit_code == 0, result.output
    assert f"stopped after {stage}: " in result.output
    assert {path.name for path in (tmp_path / "made").iterdir()} == FILES[stage]
    assert [path.name for path in tmp_path.iterdir()] == ["made"], "exported/ stays untouched"
    reached = [line.split()[1] for line in result.output.splitlines() if line.startswith("✓")]
    expected = [name for name in STAGES[: STAGES.index(stage) + 1] if name != "weights" or stage == "weights"]
    assert reached == expected


def test_without_a_folder_nothing_is_written(tmp_path: Path) -> None:
    result = until("export")
    assert "stopped after export: nothing was written; `-o FOLDER` keeps what was made" in result.output
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_the_files_are_those_of_the_model(tmp_path: Path) -> None:
    module = lower(check_spec(SPEC).typed).eval()
    for stage in ("lower", "export", "prove"):
        assert until(stage, "-o", stage).exit_code == 0

    written = load_file(tmp_path / "lower" / "weights.safetensors")
    assert written.keys() == module.state_dict().keys()
    printed = runpy.run_path(str(tmp_path / "lower" / "model.py"))["Normalized"]().eval()
    printed.load_state_dict({name: torch.from_numpy(array) for name, array in written.items()})

    with np.load(tmp_path / "prove" / "testvectors.npz") as vectors:
        inputs = [torch.from_numpy(vectors[name]) for name in vectors if name.startswith("input.")]
        (output,) = (vectors[name] for name in vectors if name.startswith("output."))
        with torch.inference_mode():
            np.testing.assert_array_equal(printed(*inputs).numpy(), output)

    linked = onnx.parser.parse_model((tmp_path / "export" / "model.onnxtxt").read_text(encoding="utf-8"))
    model = onnx.load(tmp_path / "prove" / "model.onnx")
    assert [node.op_type for node in linked.graph.node] == [node.op_type for node in model.graph.node]


def test_weights_of_a_file_are_listed_by_name(tmp_path: Path) -> None:
    assert until("lower", "-o", "lower").exit_code == 0
    result = until("weights", "-o", "matched", "--weights", "lower/weights.safetensors")
    assert result.exit_code == 0, result.output
    table = json.loads((tmp_path / "matched" / "weights.json").read_text(encoding="utf-8"))
    shapes = {name: list(tensor.shape) for name, tensor in load_file("lower/weights.safetensors").items()}
    assert {name: entry["shape"] for name, entry in table.items()} == shapes
    assert {entry["tensor"] for entry in table.values()} == shapes.keys()


def test_for_programs() -> None:
    result = until("write", "-o", "made", "--json")
    assert json.loads(result.stdout) == {"until": "write", "files": [str(Path("made", "model.onnx"))]}


@pytest.mark.parametrize(
    ("stage", "option", "message"),
    [
        ("open", "--no-verify", "--until open runs the model, which --no-verify skips"),
        ("measure", "--no-bench", "--until measure is the timing, which --no-bench skips"),
        ("write", "--per-component", "--per-component is a part of the proof, which comes after --until write"),
        ("write", "--thorough", "--thorough is a part of the proof, which comes after --until write"),
        (
            "export",
            "--require-provider",
            "--require-provider is checked when the model is opened, after --until export",
        ),
    ],
)
def test_error_options_that_contradict_each_other(stage: str, option: str, message: str) -> None:
    result = until(stage, option)
    assert result.exit_code == 2
    assert message in result.output


def test_error_a_folder_that_holds_an_artifact(tmp_path: Path) -> None:
    folder = build(SPEC, Options(out=tmp_path, verify=False)).folder
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(SpecError, match="is an artifact; nothing was written") as raised:
        build_until(SPEC, "write", Options(out=folder, seed=9))
    assert raised.value.diagnostics[0].code == "A607"
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_error_a_stage_that_fails_leaves_the_folder_as_it_was(tmp_path: Path) -> None:
    assert until("check", "-o", "made").exit_code == 0
    before = {path.name: path.read_bytes() for path in (tmp_path / "made").iterdir()}
    result = until("write", "-o", "made", "--weights", "none.safetensors")
    assert result.exit_code == 1
    assert {path.name: path.read_bytes() for path in (tmp_path / "made").iterdir()} == before
