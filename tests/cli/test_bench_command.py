"""`stackc bench` as a shell runs it: tables, JSON, plots, one message per mistake, and nothing left behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import onnx
import pytest
from click.testing import CliRunner, Result

from stackc.benchmark.job import ENGINES
from stackc.cli import bench as command
from stackc.cli import cli
from stackc.core.diagnostics import SpecError

SPECS = Path(__file__).parents[2] / "specs"
HEAD = '<ir_version: 10, opset_import: ["" : 18]> g '
QUICK = ("--seconds", "0", "--sittings", "1", "--threads", "1")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with two equivalent ONNX files and one with other outputs."""
    monkeypatch.chdir(tmp_path)
    for name, y in (("one", "Neg (x)"), ("same", "Sub (zero, x)"), ("other", "Abs (x)")):
        text = f"{HEAD}(float[batch, 64] x) => (float[batch, 64] y) <float zero = {{0.0}}> {{ y = {y} }}"
        Path(f"{name}.onnx").write_bytes(onnx.parser.parse_model(text).SerializeToString())
    return tmp_path


def bench(*arguments: str | Path) -> Result:
    return CliRunner().invoke(cli, ["bench", *map(str, arguments)])


def test_the_engines_are_those_of_the_benchmark() -> None:
    """The command lists them without importing what they need."""
    assert command.ENGINES == ENGINES


@pytest.mark.slow
def test_where_the_time_goes(folder: Path) -> None:
    graph = "inputs: {x: {shape: [batch, 8]}}\ngraph: x --> up[linear] --> act[gelu]\nnodes: {up: {out: 4}}\n"
    Path("two.yaml").write_text(f"stackc: 1\nname: two\n{graph}", encoding="utf-8")
    done = bench("two.yaml", "--dims", "batch=4", "--only", "onnx", "--per-component", *QUICK)
    assert done.exit_code == 0, done.output
    assert "a matrix product reaches" in done.stdout
    rows = {line.split()[0]: line.split() for line in done.stdout.splitlines() if " two.yaml:4 " in line}
    assert rows.keys() == {"up", "act"}
    assert rows["up"][5] == "256"  # 2·4·8·4 FLOPs


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("one.onnx",), "an ONNX file has no components"),
        (("none.yaml", "--only", "eager"), "profiles ONNX Runtime on the CPU: --only onnx --provider cpu"),
    ],
)
def test_there_is_nothing_to_profile(folder: Path, arguments: tuple[str, ...], message: str) -> None:
    done = bench(*arguments, "--per-component", *QUICK)
    assert (done.exit_code, message in done.output) == (2, True)


@pytest.mark.slow
def test_the_table(folder: Path) -> None:
    done = bench("one.onnx", "same.onnx", "--dims", "batch=32", "--only", "onnx", *QUICK)
    assert done.exit_code == 0, done.output

    lines = [line.split() for line in done.stdout.splitlines()]
    head = next(line for line in lines if line[:1] == ["candidate"])
    assert " ".join(head) == "candidate on p50 ms p90 ms p99 ms samples/s load s memory"
    rows = {line[0]: line for line in lines if line[1:2] == ["onnx"] and "cpu," in line}
    assert rows.keys() == {"one.onnx", "same.onnx"}
    assert "same.onnx onnx / one.onnx onnx = " in done.stdout
    assert "at batch=32: 20 rounds" in done.stdout
    assert "all outputs are equal" in done.stdout


@pytest.mark.slow
def test_json_is_complete(folder: Path) -> None:
    options = ["--dims", "batch=32", "--only", "onnx", "--baseline", "same.onnx onnx", "--json", *QUICK]
    result = json.loads(bench("one.onnx", "same.onnx", *options).stdout)
    assert result.keys() == {
        "sizes", "inputs", "seed", "cores", "busy_cores_of_others", "versions", "candidates", "ratios", "left_out",
        "per_component",
    }  # fmt: skip
    assert (result["sizes"], result["inputs"]) == ({"batch": 32}, {"x": "float32[32, 64]"})
    assert {"stackc", "torch", "openvino"} <= result["versions"].keys()

    first, second = result["candidates"]
    assert first.keys() == {
        "name", "engine", "provider", "reason", "elsewhere", "threads", "weights", "clock", "milliseconds",
        "runs_milliseconds", "throughput", "load_seconds", "peak_memory_bytes", "device_memory_bytes", "difference",
        "not_compared",
    }  # fmt: skip
    assert (first["name"], first["engine"], first["threads"]) == ("one.onnx onnx", "onnx", 1)
    assert first["throughput"] == {"value": 32e3 / first["milliseconds"]["p50"], "unit": "samples/s"}
    assert len(first["runs_milliseconds"]) == 20
    assert second["difference"]["share"] == 0

    (ratio,) = result["ratios"]
    assert (ratio["candidate"], ratio["baseline"]) == ("one.onnx onnx", "same.onnx onnx")
    assert ratio["interval"][0] <= ratio["ratio"] <= ratio["interval"][1]


@pytest.mark.slow
def test_the_plot(folder: Path) -> None:
    done = bench("one.onnx", "--dims", "batch=32", "--only", "onnx", "--threads", "1,2", "--plot", "x.svg", *QUICK[:4])
    assert done.stdout.endswith("wrote x.svg\n")
    texts = {"".join(text.itertext()) for text in ET.parse("x.svg").iter("{http://www.w3.org/2000/svg}text")}
    assert {"onnx 1 thread", "onnx 2 threads", "2 candidates at batch=32"} <= texts


@pytest.mark.slow
def test_only_what_is_named_takes_part(folder: Path) -> None:
    """Without matplotlib and OpenVINO, everything works except plots and that candidate."""
    code = (
        "import sys; sys.modules |= {'openvino': None, 'matplotlib': None}\n"
        "from stackc.cli import main; sys.argv = ['stackc', 'bench', *sys.argv[1:]]; main()"
    )
    plain = ["one.onnx", "--dims", "batch=1", *QUICK]
    outcomes = {
        (): (0, "left out: openvino is not installed: pip install openvino"),
        ("--only", "openvino"): (2, "OpenVINO is not installed: pip install openvino"),
        ("--plot", "x.svg"): (2, "--plot needs matplotlib: pip install 'stackc[plot]'"),
    }

    for arguments, (status, message) in outcomes.items():
        command = [sys.executable, "-c", code, *plain, *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == status, done.stderr
        assert message in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "Missing argument 'TARGET…'"),
        (["one.onnx", "--only", "eager"], "an ONNX file has no PyTorch module for --only eager to time"),
        (["one.onnx", "--only", "onnx,egaer"], "'egaer' is not one of 'eager', 'compile', 'onnx', 'openvino'"),
        (["one.onnx", "--baseline", "onxx"], "no candidate 'onxx'; did you mean 'onnx'?"),
        (["one.onnx", "--provider", "cpu,gpu"], "'gpu' is not one of 'auto', 'cpu', 'cuda', 'tensorrt'"),
        (["one.onnx", "--threads", "1,0"], "0 is not in the range 1<=x<=1024"),
        (["one.onnx", "--plot", "x.pdf"], "'x.pdf' must end in one of .svg, .png"),
        (["one.onnx", "--plot", "no/x.svg"], "the folder no does not exist"),
        (["one.onnx", "--set", "dim=3"], "--set is for specs: the params of an artifact are fixed when it is built"),
        (["one.onnx", "--weights", "w.npz"], "--weights is for specs and artifacts: an ONNX file has its own"),
        (["one.onnx", "--dims", "batch=x"], "batch=x: a size must be a whole number of at least 1"),
        (["one.onnx", "--seconds", "-1"], "-1.0 is not in the range"),
    ],
)
def test_wrong_usage(folder: Path, arguments: list[str], message: str) -> None:
    done = bench(*arguments)
    assert done.exit_code == 2
    assert message in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["gone.onnx"], "R405"),
        (["gone.yaml"], "S009"),
        (["."], "S009"),
        (["one.onnx"], "R436"),
        (["one.onnx", "--dims", "batch=1,seq=2"], "R435"),
        (["one.onnx", "--dims", "batch=1", "other.onnx", "--only", "onnx", *QUICK], "R433"),
        ([SPECS / "stacked.yaml", "one.onnx"], "R434"),
        ([SPECS / "stacked.yaml", "--dims", "batch=65"], "R417"),
        ([SPECS / "stacked.yaml", "--set", "nothing=1"], "N312"),
        ([SPECS / "minilm.yaml", "--weights", "gone.safetensors"], "W804"),
    ],
)
def test_mistakes_in_targets_are_diagnostics(folder: Path, arguments: list[str | Path], code: str) -> None:
    error = bench(*arguments).exception
    assert isinstance(error, SpecError), error
    assert {diagnostic.code for diagnostic in error.diagnostics} == {code}


def test_all_mistakes_in_targets_are_reported_together(folder: Path) -> None:
    error = bench("gone.onnx", "gone.yaml").exception
    assert isinstance(error, SpecError)
    assert sorted(diagnostic.code for diagnostic in error.diagnostics) == ["R405", "S009"]


def interruptible() -> None:
    """Handle Ctrl-C as in a shell: pytest may run in the background, where it is ignored, and children inherit that."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="processes are looked up in /proc")
def test_an_interrupt_leaves_nothing_behind(folder: Path) -> None:
    temporary = folder / "temporary"
    temporary.mkdir()
    command = [sys.executable, "-u", "-m", "stackc", "bench", "one.onnx", "--dims", "batch=1", "--seconds", "600"]
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(temporary)},
        preexec_fn=interruptible,
    )

    assert process.stdout is not None
    for line in process.stdout:
        if "agree" in line:  # the candidates are open, and taking turns
            break
    assert len(processes_with(str(temporary))) >= 3

    process.send_signal(signal.SIGINT)
    process.communicate()
    assert process.returncode == 130
    assert processes_with(str(temporary)) == []
    assert list(temporary.glob("stackc-bench-*")) == []


def processes_with(text: str) -> list[str]:
    """Return the ids of processes that have a text in their environment."""
    ids = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            if text in path.read_text(errors="replace"):
                ids.append(path.parent.name)
        except OSError:
            continue
    return ids
