"""`stackc reduce` as a shell runs it, with commands that judge candidates by their text."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from safetensors.numpy import load_file, save_file

from stackc.artifact.lock import write_lock
from stackc.cli import cli
from stackc.frontend import Overrides, check_spec
from stackc.pipeline import Options, build
from stackc.reduction.minimize import reduce_spec
from stackc.reduction.oracle import Failure, Failures, Judge

SPECS = Path(__file__).parents[2] / "specs"

TWO_LAYERS = """\
stackc: 1
name: two
dims: {batch: {max: 8}}
params: {wide: 12}
inputs: {x: {shape: [batch, wide]}}
graph: x --> first[linear] --> relu --> second[linear] --> tanh
nodes: {first: {out: 5}, second: {out: 7}}
"""


def run(*arguments: str | Path) -> tuple[int, str]:
    done = CliRunner().invoke(cli, ["reduce", *map(str, arguments)])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, done.output


def judge(folder: Path, condition: str) -> str:
    """Write a program that fails where a condition about `text`, `path` and `seed` holds; return its command."""
    program = "import re, sys\npath, seed = sys.argv[1], int(sys.argv[2])\ntext = open(path).read()\n"
    (folder / "judge.py").write_text(f"{program}sys.exit('it fails' if {condition} else 0)\n", encoding="utf-8")
    return f"{sys.executable} {folder / 'judge.py'} {{}} {{seed}}"


def two(folder: Path) -> Path:
    (folder / "two.yaml").write_text(TWO_LAYERS, encoding="utf-8")
    return folder / "two.yaml"


@pytest.mark.slow
def test_a_command_of_ones_own(tmp_path: Path) -> None:
    out = tmp_path / "small.yaml"
    command = judge(tmp_path, "'[relu]' in text or ' relu' in text")
    status, printed = run(two(tmp_path), "--command", command, "-o", out)
    assert status == 0
    repeat = command.replace("{}", str(out)).replace("{seed}", "0")
    assert out.read_text(encoding="utf-8") == (
        f"# fails with command: it fails\n# {repeat}\n"
        "stackc: 1\nname: reduced\ninputs:\n  x: {shape: [1, 1]}\ngraph: |\n  x --> relu\noutputs: {y: relu}\n"
    )
    assert subprocess.run(shlex.split(repeat), capture_output=True, check=False).returncode == 1
    assert "1 component of 4, seed 0" in printed
    assert f"repeat it: {repeat}" in printed
    assert "fails with command: it fails" in printed


@pytest.mark.slow
def test_json(tmp_path: Path) -> None:
    command = judge(tmp_path, "text.count('linear') >= 2")
    status, printed = run(two(tmp_path), "--command", command, "--json")
    facts = json.loads(printed)
    assert (status, facts["components"], facts["components_before"], facts["file"]) == (0, 2, 4, None)
    assert facts["spec"].count("linear") == 2
    assert (facts["code"], facts["message"], facts["finished"]) == ("command", "it fails", True)


@pytest.mark.slow
@pytest.mark.parametrize(("least", "seed"), [(0, 0), (2, 2), (5, 7)])
def test_the_smallest_seed_of_the_first_few(least: int, seed: int, tmp_path: Path) -> None:
    """Seven stays where none of 0, 1 and 2 fails."""
    command = judge(tmp_path, f"seed >= {least}")
    facts = json.loads(run(two(tmp_path), "--command", command, "--seed", "7", "--json")[1])
    assert facts["seed"] == seed


@pytest.mark.slow
def test_dims_stay_open_where_that_is_the_failure(tmp_path: Path) -> None:
    facts = json.loads(run(two(tmp_path), "--command", judge(tmp_path, "'batch' in text"), "--json")[1])
    assert "x: {shape: [batch, 1]}" in facts["spec"]
    assert "batch: {max: 2}" in facts["spec"]


@pytest.mark.slow
def test_weights_that_the_failure_needs_come_with_it(tmp_path: Path) -> None:
    """The number 1234 is in one row of one matrix; the matrix is cut down to its corner, which has it."""
    random = np.random.default_rng(0)
    shapes = {"first.weight": (5, 12), "first.bias": (5,), "second.weight": (7, 5), "second.bias": (7,)}
    tensors = {name: random.normal(size=shape).astype("float32") for name, shape in shapes.items()}
    tensors["second.weight"][0, 1] = 1234
    for layer in ("first", "second"):
        of_layer = {name: tensor for name, tensor in tensors.items() if name.startswith(layer)}
        save_file(of_layer, tmp_path / f"{layer}.safetensors")

    command = judge(tmp_path, "seen(Path(path).with_name('reduced.safetensors'))")
    program = (tmp_path / "judge.py").read_text(encoding="utf-8")
    header = (
        "from pathlib import Path\nfrom safetensors.numpy import load_file\n"
        "def seen(file): return file.exists() and any((x == 1234).any() for x in load_file(file).values())\n"
    )
    (tmp_path / "judge.py").write_text(header + program, encoding="utf-8")

    out = tmp_path / "small.yaml"
    files = [each for layer in ("first", "second") for each in ("--weights", tmp_path / f"{layer}.safetensors")]
    status, _ = run(two(tmp_path), *files, "--command", command, "-o", out)
    (weight,) = [x for x in load_file(tmp_path / "small.safetensors").values() if x.ndim == 2]
    assert status == 0
    assert weight.tolist() == [[tensors["second.weight"][0, 0], 1234]]
    assert str(check_spec(out).program.calls[0].signature.parameters["weight"]) == "float32[1, 2]"


@pytest.mark.slow
def test_an_artifact(tmp_path: Path) -> None:
    folder = build(two(tmp_path), Options(out=tmp_path / "built", verify=False, measure=False)).folder
    facts = json.loads(run(folder, "--command", judge(tmp_path, "'[tanh]' in text"), "--json")[1])
    assert (facts["components"], facts["components_before"]) == (1, 4)


@pytest.mark.slow
def test_an_artifact_knows_its_seed(tmp_path: Path) -> None:
    """The judge fails at no other seed; one that is given counts."""
    folder = build(two(tmp_path), Options(out=tmp_path / "built", verify=False, seed=7)).folder
    command = judge(tmp_path, "seed == 7")
    assert json.loads(run(folder, "--command", command, "--json")[1])["seed"] == 7
    done = CliRunner().invoke(cli, ["reduce", str(folder), "--command", command, "--seed", "0"])
    assert "P720" in str(done.exception)


@pytest.mark.slow
def test_a_spec_with_mistakes_is_reduced_by_its_nodes(tmp_path: Path) -> None:
    """Three arrows are needed; nothing about them checks, so that there are no types to go by."""
    (tmp_path / "bad.yaml").write_text(TWO_LAYERS.replace("second[linear]", "second[conv1d]"), encoding="utf-8")
    facts = json.loads(run(tmp_path / "bad.yaml", "--command", judge(tmp_path, "'conv1d' in text"), "--json")[1])
    assert facts["spec"].splitlines()[-3:] == ["graph: |", "  x --> second[conv1d]", "outputs: {y: second}"]
    assert (facts["components"], facts["components_before"]) == (1, 4)


@pytest.mark.slow
def test_a_text_that_does_not_parse_is_reduced_by_words(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text(TWO_LAYERS.replace("-->", "-=>", 1), encoding="utf-8")
    facts = json.loads(run(tmp_path / "bad.yaml", "--command", judge(tmp_path, "'-=>' in text"), "--json")[1])
    assert facts["spec"].splitlines()[-1].strip() == "-=>"
    assert facts["components"] is None


@pytest.mark.slow
@pytest.mark.parametrize("arrow", ["-->", "-=>"], ids=["tree", "text"])
@pytest.mark.parametrize("calls", [4, 6])
def test_an_interrupt_leaves_the_smallest_so_far(
    arrow: str, calls: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "two.yaml").write_text(TWO_LAYERS.replace("-->", arrow, 1), encoding="utf-8")
    failing: list[str] = []
    left = iter(range(calls))

    def interrupted(_: str) -> Judge:
        def judge(path: Path, seed: int) -> Failures:
            if next(left, None) is None:
                raise KeyboardInterrupt
            text = path.read_text(encoding="utf-8")
            fails = arrow in text and "first" in text
            failing.extend([text] * fails)
            return (Failure("command"),) * fails

        return judge

    monkeypatch.setattr("stackc.reduction.minimize.command_judge", interrupted)
    reduced = reduce_spec(tmp_path / "two.yaml", command="any")
    assert reduced.text == failing[-1]
    assert not reduced.finished
    assert reduced.interrupted


# -- refusals


@pytest.mark.slow
def test_nothing_to_reduce(tmp_path: Path) -> None:
    done = CliRunner().invoke(cli, ["reduce", str(two(tmp_path)), "--command", judge(tmp_path, "False")])
    assert "P720" in str(done.exception)
    assert "there is nothing to reduce" in str(done.exception)
    assert "the command exits with status 0" in str(done.exception)


@pytest.mark.slow
def test_a_spec_with_a_mistake_is_not_reduced(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text(TWO_LAYERS.replace("[linear] --> relu", "[linaer] --> relu"), encoding="utf-8")
    done = CliRunner().invoke(cli, ["reduce", str(tmp_path / "bad.yaml")])
    assert "N301" in str(done.exception)


@pytest.mark.slow
def test_the_spec_itself_is_not_overwritten(tmp_path: Path) -> None:
    status, printed = run(two(tmp_path), "--command", "false", "-o", tmp_path / "two.yaml")
    assert status == 2
    assert "is the spec to reduce, and would be lost" in printed
    assert (tmp_path / "two.yaml").read_text(encoding="utf-8") == TWO_LAYERS


@pytest.mark.slow
def test_time_that_is_over_ends_it_with_what_there_is(tmp_path: Path) -> None:
    status, printed = run(two(tmp_path), "--command", judge(tmp_path, "'relu' in text"), "--seconds", "0")
    assert status == 0
    assert "4 components of 4" in printed
    assert "the search was not finished" in printed


@pytest.mark.slow
def test_the_lock_and_the_options_come_to_the_same(tmp_path: Path) -> None:
    """What `--set` and `--dims` say is in the reduced spec, which needs neither."""
    overrides = Overrides({"wide": "3"}, {"batch": 2})
    (tmp_path / "locked.yaml").write_text(write_lock(check_spec(two(tmp_path), overrides)), encoding="utf-8")
    command = judge(tmp_path, "'[2, 3]' in text")
    by_options = run(two(tmp_path), "--set", "wide=3", "--dims", "batch=2", "--command", command, "--json")
    by_lock = run(tmp_path / "locked.yaml", "--command", command, "--json")
    assert json.loads(by_options[1])["spec"] == json.loads(by_lock[1])["spec"]
