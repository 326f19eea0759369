"""`stackc bench` from its targets to its figures, in real processes, on tiny models."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from stackc.benchmark import BenchmarkOptions, Result, plan_benchmark, run_benchmark
from stackc.benchmark.agreement import OutputDifference
from stackc.benchmark.job import Engine
from stackc.core.diagnostics import SpecError
from stackc.pipeline import Options as BuildOptions
from stackc.pipeline import build
from stackc.runtime import write_npz

HEAD = '<ir_version: 10, opset_import: ["" : 18]> g '
SPEC = """
stackc: 1
name: tiny
inputs: {x: {shape: [batch, 8]}}
params: {out: 4}
graph: x --> up[linear] --> gelu --> down[linear]
nodes: {up: {out: 32}, down: {out: out}}
"""
QUICK = BenchmarkOptions(seconds=0.1, repetitions=1, dims={"batch": 3})


def silent(stage: str, line: str) -> None:
    pass


@pytest.fixture(scope="module")
def spec(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("spec") / "tiny.yaml"
    path.write_text(SPEC)
    return path


@pytest.fixture(scope="module")
def artifact(spec: Path) -> Path:
    return build(spec, BuildOptions(out=spec.parent, verify=False, seed=3), silent).folder


def run(
    *paths: Path,
    engines: Sequence[Engine] = ("onnx",),
    options: BenchmarkOptions = QUICK,
    threads: tuple[int, ...] = (1,),
) -> Result:
    return run_benchmark(paths, plan_benchmark(paths, engines, ["cpu"], threads), options, silent)


def the_problem(call: Callable[[], object]) -> tuple[str, str]:
    with pytest.raises(SpecError) as raised:
        call()
    (diagnostic,) = raised.value.diagnostics
    return diagnostic.code, diagnostic.message


def model(folder: Path, name: str, body: str) -> Path:
    path = folder / name
    path.write_bytes(onnx.parser.parse_model(HEAD + body).SerializeToString())
    return path


@pytest.mark.slow
def test_a_spec_in_every_engine(spec: Path) -> None:
    """torch.compile takes part if there is a compiler for C++, and all outputs agree."""
    result = run(spec, engines=())
    engines = ["eager", "compile", "onnx", "openvino"]
    if shutil.which(os.environ.get("CXX", "g++")) is None:
        engines.remove("compile")
    assert [entry.candidate.name for entry in result.entries] == engines
    assert [left.name for left in result.left_out] == [] if "compile" in engines else ["compile"]
    assert {entry.weights for entry in result.entries[:-2]} == {"random weights, seed 0"}
    assert (dict(result.sizes), dict(result.inputs), result.batch) == ({"batch": 3}, {"x": "float32[3, 8]"}, 3)
    assert [ratio.baseline for ratio in result.comparison.ratios] == ["eager"] * (len(engines) - 1)

    first, *others = result.entries
    assert (first.difference, first.unequal) == (None, None)
    for entry in others:
        assert isinstance(entry.difference, OutputDifference)
        assert entry.difference.share < 1e-5
        assert entry.load_seconds > 0
    assert result.throughput(first.timing) == 3 / first.timing.median
    json.dumps(result.to_json(), allow_nan=False)


@pytest.mark.slow
def test_each_repetition_has_its_own_processes(artifact: Path) -> None:
    options = BenchmarkOptions(seconds=0, repetitions=3, dims={"batch": 3}, baseline="onnx 2 threads")
    result = run(artifact, options=options, threads=(1, 2))
    assert [entry.candidate.name for entry in result.entries] == ["onnx 1 thread", "onnx 2 threads"]
    assert [len(entry.opened) for entry in result.entries] == [3, 3]
    assert [len(entry.timing.seconds) for entry in result.entries] == [21, 21], "at least 20 rounds, 7 a repetition"
    assert [(r.candidate, r.baseline) for r in result.comparison.ratios] == [("onnx 1 thread", "onnx 2 threads")]


@pytest.mark.slow
def test_the_module_of_an_artifact_has_its_weights(artifact: Path) -> None:
    onnx_, eager = run(artifact, engines=("onnx", "eager")).entries
    assert eager.weights == "random weights, seed 3"
    assert isinstance(eager.difference, OutputDifference)
    assert eager.difference.share < 1e-5
    assert onnx_.difference is None


def weights(folder: Path, down: int) -> Path:
    """Write a file of weights for the spec, whose last layer takes 32 features."""
    shapes = {"up.weight": (32, 8), "up.bias": (32,), "down.weight": (4, down), "down.bias": (4,)}
    random = np.random.default_rng(0)
    write_npz(folder / "weights.npz", {n: random.standard_normal(shape, "float32") for n, shape in shapes.items()})
    return folder / "weights.npz"


@pytest.mark.slow
def test_weights_of_a_file(spec: Path, tmp_path: Path) -> None:
    file = weights(tmp_path, down=32)
    folder = build(spec, BuildOptions(out=tmp_path, verify=False, weights=file), silent).folder
    (alone,) = run(folder, engines=("eager",)).entries
    assert alone.weights == "random weights, seed 0"
    assert alone.unequal == "the artifact has the weights of weights.npz, which --weights does not name"
    options = BenchmarkOptions(seconds=0, repetitions=1, dims={"batch": 3}, weights=file)
    for target in (folder, spec):
        onnx_, eager = run(target, engines=("onnx", "eager"), options=options).entries
        assert eager.weights == "the weights of weights.npz"
        assert isinstance(eager.difference, OutputDifference)
        assert onnx_.difference is None
    weights(tmp_path, down=33)
    assert the_problem(lambda: run(folder, engines=("eager",), options=options))[0] == "W803"


@pytest.mark.slow
def test_artifacts_of_one_model_are_compared_and_others_are_not(artifact: Path, spec: Path, tmp_path: Path) -> None:
    again = build(spec, BuildOptions(out=tmp_path, verify=False, seed=3, opset=18), silent).folder
    other = build(spec, BuildOptions(out=tmp_path / "other", verify=False), silent).folder
    _, same, different = run(artifact, again, other).entries
    assert isinstance(same.difference, OutputDifference)
    assert different.difference is None
    assert different.unequal == f"{other} is another model"


@pytest.mark.slow
def test_a_file_of_the_same_model(artifact: Path) -> None:
    result = run(artifact / "model.onnx", artifact)
    file, built = result.entries
    assert built.difference is None, "the artifact is what a file is compared with"
    assert isinstance(file.difference, OutputDifference)
    assert (file.difference.against, file.difference.share) == ("tiny onnx", 0.0)


@pytest.mark.slow
def test_error_a_file_of_another_model(artifact: Path, tmp_path: Path) -> None:
    body = "(float[batch, 8] x) => (float[batch, 8] y) { y = Neg (x) }"
    other = model(tmp_path, "other.onnx", body)
    assert the_problem(lambda: run(artifact, other)) == (
        "R433",
        "'other.onnx onnx' does not compute the same as 'tiny onnx': the output 'down' has another shape, or NaN or "
        "Inf at other positions; 0.001 is allowed",
    )
    options = BenchmarkOptions(seconds=0, repetitions=1, dims={"batch": 3}, tolerance=float("inf"))
    _, entry = run(artifact, other, options=options).entries
    assert entry.difference is not None
    report: Any = run(artifact, other, options=options).to_json()
    assert report["candidates"][1]["difference"]["share"] is None, "JSON knows no infinity"


@pytest.mark.slow
def test_what_was_not_asked_for_and_fails_is_left_out(tmp_path: Path) -> None:
    """The model has an operator of ONNX Runtime that OpenVINO does not have."""
    body = "(float[n] x) => (float[n,n] y) <int64[1] a = {1}> { z = Unsqueeze (x, a) y = com.microsoft.CDist (z, z) }"
    text = HEAD.replace('"" : 18', '"" : 18, "com.microsoft" : 1')
    path = tmp_path / "own.onnx"
    path.write_bytes(onnx.parser.parse_model(text + body).SerializeToString())
    options = BenchmarkOptions(seconds=0, repetitions=1, dims={"n": 3})
    result = run(path, engines=(), options=options)
    assert [entry.candidate.name for entry in result.entries] == ["onnx"]
    (left,) = result.left_out
    assert left.name == "openvino"
    assert left.reason.startswith("'openvino' fails: ")
    wanted = replace(options, baseline="openvino")
    assert the_problem(lambda: run(path, engines=(), options=wanted))[0] == "R431"
    assert the_problem(lambda: run(path, engines=("openvino",), options=options))[0] == "R431"


@pytest.mark.slow
def test_nothing_is_left_behind(artifact: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    run(artifact)
    other = model(tmp_path, "other.onnx", "(float[n, 8] x) => (float[n, 8] y) { y = Neg (x) }")
    assert the_problem(lambda: run(artifact, other))[0] == "R433"
    assert list(tmp_path.iterdir()) == [other]


OWN = """\
stackc: 1
inputs: {x: {shape: [batch, 8]}}
graph: x --> y[torch]
nodes: {y: {of: scaling_here.Scale, factor: 3}}
"""
LAYERS = """\
from torch import nn


class Scale(nn.Module):
    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x):
        return x * self.factor
"""


@pytest.mark.slow
def test_custom_modules_run_in_the_processes_too(tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text(OWN, encoding="utf-8")
    (tmp_path / "scaling_here.py").write_text(LAYERS, encoding="utf-8")
    options = ["--only", "eager,onnx", "--seconds", "0", "--sittings", "1", "--json", "--trust", "scaling_here"]
    command = [sys.executable, "-m", "stackc", "bench", "own.yaml", *options]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, encoding="utf-8", check=False)
    assert done.returncode == 0, done.stderr
    assert [entry["name"] for entry in json.loads(done.stdout)["candidates"]] == ["eager", "onnx"]
