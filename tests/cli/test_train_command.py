"""`stackc train`, `stackc build --weights runs/NAME` and `stackc evaluate`, as the README shows them."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from tests.test_readme import README, block
from tests.training.digits import SPEC, TRAIN, write_digits, write_examples

from stackc.cli import cli
from stackc.core.diagnostics import SpecError

STEPS = re.compile(r"^epoch +\d+ ", re.MULTILINE)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_digits(tmp_path)
    return tmp_path


def stackc(*arguments: str) -> Result:
    return CliRunner().invoke(cli, arguments)


@pytest.mark.slow
def test_the_commands_of_the_readme_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (spec,) = re.findall(r"^```yaml\n(stackc: 1\nname: digits\n.*?)^```$", README, re.MULTILINE | re.DOTALL)
    Path("digits.yaml").write_text(spec, encoding="utf-8")
    write_examples(tmp_path, 1400, 397)

    outputs = []
    for line in block("stackc train").splitlines():
        done = stackc(*line.partition("#")[0].split()[1:], *["--no-bench"] * line.startswith("stackc build"))
        assert done.exit_code == 0, done.output
        outputs.append(done.output)
    assert len(STEPS.findall(outputs[0])) == 10
    rows = {
        name: (float(onnx), float(torch))
        for name, onnx, torch in re.findall(r"(\w+) +(\d\.\d+) +(\d\.\d+)", outputs[2])
    }
    found = json.loads(
        stackc("evaluate", "digits.yaml", "--data", "test.npz", "--weights", "runs/digits", "--json").output
    )  # built again
    assert (found["examples"], found["onnx"].keys(), found["torch"].keys()) == (397, rows.keys(), rows.keys())
    assert rows.keys() == {"loss", "accuracy"}
    assert rows["loss"][0] == pytest.approx(rows["loss"][1], abs=1e-5)
    assert rows["accuracy"][0] == rows["accuracy"][1] > 0.9


@pytest.mark.slow
def test_json_lines(folder: Path) -> None:
    lines = [json.loads(line) for line in stackc("train", "digits.yaml", "--json").output.splitlines()]
    assert [line.get("step") for line in lines if "lr" in line] == [*range(1, 22)]
    assert [line["epoch"] for line in lines if "epoch" in line] == [1, 2, 3]
    assert lines[-1].keys() == {"folder", "best_epoch", "validation"}
    assert lines[-1]["folder"] == "runs/digits"


@pytest.mark.slow
def test_an_interrupt_ends_with_130_and_the_run_is_resumed(folder: Path) -> None:
    text = (folder / "digits.yaml").read_text(encoding="utf-8")
    (folder / "long.yaml").write_text(text.replace("epochs: 3", "epochs: 100000"), encoding="utf-8")
    command = [sys.executable, "-m", "stackc", "train", "long.yaml", "-o", "run"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()  # the first epoch
        process.send_signal(signal.SIGINT)
        rest = process.stdout.read()
    assert process.returncode == 130
    assert rest.endswith("interrupted; `--resume` continues the run in run/\n")
    assert (folder / "run" / "checkpoint.safetensors").is_file()


def test_error_a_spec_without_train(folder: Path) -> None:
    (folder / "plain.yaml").write_text(SPEC, encoding="utf-8")
    for command in (["train"], ["evaluate", "--data", "test.npz"]):
        done = stackc(*command, "plain.yaml")
        assert isinstance(done.exception, SpecError)
        assert [each.code for each in done.exception.diagnostics] == ["L105"]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("tests=test.npz", "'tests' is neither train nor validation"),
        ("test.npz,train=train.npz", "train is set twice, to test.npz and to train.npz"),
        (f"validation={'n' * 300}", "is longer than a name or a path may be"),
    ],
)
def test_error_wrong_data(data: str, message: str, folder: Path) -> None:
    done = stackc("train", "digits.yaml", "--data", data)
    assert done.exit_code == 2
    assert message in " ".join(done.output.replace("│", " ").split())


def test_error_a_loss_of_a_value_inside_the_model(folder: Path) -> None:
    """It is reported before the model is built."""
    inner = TRAIN.replace("  graph: |\n", "  graph: |\n    flat --> near[cosine]\n    flat -->|target| near\n")
    (folder / "inner.yaml").write_text(SPEC + inner, encoding="utf-8")
    done = stackc("evaluate", "inner.yaml", "--data", "test.npz")
    assert isinstance(done.exception, SpecError)
    assert "error[L207]: 'near' (cosine) takes 'flat', which the ONNX file does not return" in str(done.exception)
    assert not (folder / "exported").exists()
