"""The commands as a shell runs them: exit status, messages, files."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import click
import numpy as np
import pytest

from stackc.cli import COMMANDS, LazyGroup, cli
from stackc.pipeline import Options, build

pytestmark = pytest.mark.slow

SPECS = Path(__file__).parents[2] / "specs"


def stackc(*arguments: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "stackc", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd)


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    options = Options(out=tmp_path_factory.mktemp("built"), verify=False, measure=False)
    return build(SPECS / "stacked.yaml", options, lambda stage, summary: None).folder


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_and_is_in_the_readme(name: str) -> None:
    assert isinstance(cli, LazyGroup)
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    assert command.name == name
    assert command.help
    assert all(option.help for option in command.params if isinstance(option, click.Option))
    assert f"stackc {name}" in (SPECS.parent / "README.md").read_text(encoding="utf-8")


def test_singular_and_plural_and_no_rounding_of_small_numbers(tmp_path: Path) -> None:
    text = "stackc: 1\ninputs: {x: {shape: [batch, 8]}}\ngraph: x --> y[linear]\nnodes: {y: {out: 4}}\n"
    (tmp_path / "one.yaml").write_text(text, encoding="utf-8")
    assert "  1 component, 36 parameters\n" in stackc("check", tmp_path / "one.yaml").stdout


def test_check_describes_the_model() -> None:
    done = stackc("check", SPECS / "bert_base.yaml", "--json")
    facts = json.loads(done.stdout)
    assert done.returncode == 0
    assert facts["parameters"] == 109_482_240
    assert facts["outputs"]["last_hidden_state"] == "float32[batch, seq, 768]"


def test_a_list_is_set_with_its_commas(tmp_path: Path) -> None:
    text = "stackc: 1\nparams: {widths: [4, 2], out: 1}\ninputs: {x: {shape: [batch, 8]}}\n"
    text += "graph: x --> a[stack] --> y[linear]\n"
    text += 'nodes: {a: {of: linear, repeat: len(widths), with: {out: "widths[index]"}}, y: {out: out}}\n'
    (tmp_path / "widths.yaml").write_text(text, encoding="utf-8")
    done = stackc("check", tmp_path / "widths.yaml", "--set", "widths=[3, 5, 7],out=max(1, 2)")
    assert f"  4 components, {8 * 3 + 3 + 3 * 5 + 5 + 5 * 7 + 7 + 7 * 2 + 2} parameters\n" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["check", "missing.yaml"], 1, "error[S009]: no spec at missing.yaml"),
        (["build", SPECS / "seed.mmd", "--set", "norm=layer_nrom"], 1, "did you mean 'layer_norm'?"),
        (["build", SPECS / "seed.mmd", "--dims", "seq=1"], 1, "error[T205]"),
        (["build", SPECS / "seed.mmd", "--set", "norm"], 2, "'norm' is not NAME=VALUE"),
        (["check", SPECS / "seed.mmd", "--set", "dim=4", "--set", "dim=8"], 2, "dim is set twice, to 4 and to 8"),
        (["check", SPECS / "seed.mmd", "--dims", "seq=4,seq=8"], 2, "seq is set twice, to 4 and to 8"),
        (
            ["check", SPECS / "seed.mmd", "--set", "dim=63"],
            1,
            "note: without this the spec is valid\n  --> --set dim=63",
        ),
        (["schema", "-o", SPECS / "unet.yaml"], 2, "is a spec and would be lost; name another file"),
        (["check", ""], 2, "the name of the spec is empty"),
        (["check", "https://example.org/spec.yaml"], 2, "'https://example.org/spec.yaml' is a URL; a spec is a file"),
        (["show", SPECS / "seed.mmd", "-o", "x.py"], 2, "with `--as torch` it may"),
        (["diff", SPECS / "seed.mmd", SPECS / "seed.mmd", "--markdown", "--json"], 2, "--markdown or --json, not both"),
        (["build", SPECS / "seed.mmd", "-o", SPECS / "seed.mmd" / "out"], 1, "error[A608]: cannot write"),
        (["build", SPECS / "seed.mmd", "--opset", "12"], 2, "12 is not in the range 18<=x<=23"),
        (
            ["build", SPECS / "minilm.yaml", "--weights", "gone.safetensors"],
            1,
            "error[W804]: no weights at gone.safetensors",
        ),
        (["build", SPECS / "seed.mmd", "--provider", "cuda"], 1, "the cuda provider does not open"),
        (["biuld", SPECS / "seed.mmd"], 2, "did you mean 'build'?"),
        (["check"], 2, "Missing argument 'SPEC'"),
    ],
)
def test_mistakes_are_one_message_and_nothing_is_written(
    arguments: list[str | Path], status: int, message: str, tmp_path: Path
) -> None:
    if "cuda" in arguments and stackc("doctor", "--json").stdout.count('"opens"') > 1:
        pytest.skip("CUDA opens here, so requesting it is not a mistake")
    done = stackc(*arguments, cwd=tmp_path)
    assert done.returncode == status, done.stderr
    assert message in (done.stdout if "--json" in arguments else done.stderr)
    assert "Traceback" not in done.stderr
    written = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")}
    assert not written - {"exported"}


def test_a_truncated_weight_file_is_refused(tmp_path: Path) -> None:
    import torch
    from safetensors.torch import save_file

    path = tmp_path / "cut.safetensors"
    save_file({f"layers.{i}.{n}": torch.zeros(128, 128) for i in range(3) for n in ("weight", "bias")}, path)
    path.write_bytes(path.read_bytes()[:10_000])
    done = stackc("build", SPECS / "stacked.yaml", "--weights", path, "--out", tmp_path / "out")
    assert done.returncode == 1
    assert "error[W804]" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()


def test_run_without_torch(artifact: Path, tmp_path: Path) -> None:
    x = np.random.default_rng(0).standard_normal((5, 128)).astype(np.float32)
    np.savez(tmp_path / "x.npz", x=x)
    code = (
        "import sys; from stackc.cli import cli\n"
        f"cli(['run', {str(artifact)!r}, '-i', {str(tmp_path / 'x.npz')!r}, '-o', {str(tmp_path / 'y.npz')!r}],"
        " standalone_mode=False)\nassert 'torch' not in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "layers: float32[5, 128]\n"
    with np.load(tmp_path / "y.npz") as outputs:
        assert outputs["layers"].shape == (5, 128)


@pytest.mark.parametrize(
    ("feeds", "message"),
    [
        ({"y": np.zeros((1, 128), np.float32)}, "error[R412]: the model has no input 'y'"),
        ({"x": np.zeros((1, 127), np.float32)}, "error[R415]"),
        ({"x": np.zeros((1, 128), np.float64)}, "error[R413]"),
        ({"x": np.zeros((65, 128), np.float32)}, "error[R417]"),
        ({"x": np.zeros(128, np.float32)}, "error[R414]"),
    ],
)
def test_wrong_inputs_of_run(feeds: dict[str, np.ndarray], message: str, artifact: Path, tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", **feeds)  # type: ignore[arg-type]  # numpy types keywords as its own option
    done = stackc("run", artifact, "-i", tmp_path / "x.npz", "-o", tmp_path / "y.npz")
    assert done.returncode == 1
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "y.npz").exists()


def test_error_outputs_do_not_overwrite_the_inputs(artifact: Path, tmp_path: Path) -> None:
    path = tmp_path / "arrays.npz"
    np.savez(path, x=np.zeros((2, 128), np.float32))
    before = path.read_bytes()
    done = stackc("run", artifact, "-i", path, "-o", path)
    assert done.returncode == 2
    assert "is an input of this command and would be lost" in done.stderr
    assert path.read_bytes() == before


def test_run_prints_json(artifact: Path, tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", x=np.zeros((2, 128), np.float32))
    printed = stackc("run", artifact, "-i", tmp_path / "x.npz", "-o", tmp_path / "y.npz", "--json")
    outputs = json.loads(printed.stdout)["outputs"]
    arrays = np.load(tmp_path / "y.npz")
    assert outputs.keys() == set(arrays.files)
    for name, output in outputs.items():
        assert (output["dtype"], output["shape"]) == (str(arrays[name].dtype), list(arrays[name].shape))
        np.testing.assert_array_equal(np.asarray(output["values"], output["dtype"]), arrays[name])

    assert stackc("run", artifact, "-i", tmp_path / "x.npz", "--json").stdout == printed.stdout
    nowhere = stackc("run", artifact, "-i", tmp_path / "x.npz")
    assert nowhere.returncode == 2
    assert "say where the outputs go" in nowhere.stderr


def test_doctor_reports_every_provider() -> None:
    rows = {row["subject"]: row for row in json.loads(stackc("doctor", "--json").stdout)}
    assert rows["provider cpu"]["state"] == "ok"
    assert {"provider cuda", "provider tensorrt", "torch", "onnxruntime"} <= rows.keys()


@pytest.mark.parametrize(
    ("topic", "hint"), [("nope", "see `stackc help`"), ("lang", "did you mean 'language'?"), ("biuld", "'build'?")]
)
def test_help_of_an_unknown_topic_has_a_hint(topic: str, hint: str) -> None:
    done = stackc("help", topic)
    assert done.returncode == 2
    assert done.stderr.rstrip().endswith(hint)


def test_a_build_checks_its_output_folder_before_the_long_work(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = stackc("build", SPECS / "seed.mmd", "-o", tmp_path / "file")
    assert done.returncode == 1
    assert "error[A608]: cannot write" in done.stderr
    assert "lower" not in done.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_only_the_option_that_breaks_a_spec_is_named() -> None:
    done = stackc("check", SPECS / "seed.mmd", "--set", "dim=63", "--dims", "batch=2")
    assert done.stderr.count("--> --set dim=63") == 1
    assert "--dims" not in done.stderr


def test_help_mentions_commas() -> None:
    text = " ".join(stackc("check", "--help").stdout.split())
    assert "separate several with commas: dim=3,layers=4." in text
    assert "separate several with commas: batch=8,seq=128." in text
