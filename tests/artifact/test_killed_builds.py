"""Real builds, killed at random moments of their whole run, and two at once: there is always a complete artifact."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from stackc.artifact.folder import load_artifact, verify_files

pytestmark = pytest.mark.slow

KILLS = 12
MOST_KILLS = 60
SPEC = """\
stackc: 1
name: tiny
inputs: {x: {shape: [batch, 64]}}
graph: x --> fc[linear] --> y[tanh]
nodes: {fc: {out: 1024}}
weights: {file: w.safetensors}
"""


@pytest.fixture(scope="module")
def specs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """One spec with two sets of weights; its components are compiled, so that a build imports no PyTorch."""
    folder = tmp_path_factory.mktemp("specs")
    paths = []
    for number in range(2):
        path = folder / str(number) / "tiny.yaml"
        path.parent.mkdir()
        path.write_text(SPEC, encoding="utf-8")
        weights = {"fc.weight": np.full((1024, 64), number, "f4"), "fc.bias": np.zeros(1024, "f4")}
        save_file(weights, path.parent / "w.safetensors")
        assert start(path, folder / "out").wait() == 0
        paths.append(path)
    return paths


def start(spec: Path, out: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "stackc", "build", str(spec), "--no-verify", "-o", str(out)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL)


def whole(artifact: Path) -> dict[str, str]:
    """The hashes of an artifact that holds what its manifest says."""
    opened = load_artifact(artifact)
    verify_files(opened)
    return dict(opened.manifest.files)


def test_killed_at_any_moment_the_earlier_artifact_stands(specs: list[Path], tmp_path: Path) -> None:
    """A dozen kills or more of builds of half a second, until some were writing and some had finished."""
    target, moments = tmp_path / "tiny", random.Random(0)
    artifacts = []
    for spec in specs:
        begun = time.perf_counter()
        assert start(spec, tmp_path).wait() == 0
        seconds = time.perf_counter() - begun
        artifacts.append(whole(target))
    assert artifacts[0] != artifacts[1]

    leftovers = finished = kills = 0
    after = artifacts[1]
    while kills < KILLS or (not (leftovers and finished) and kills < MOST_KILLS):
        build = start(specs[kills % 2], tmp_path)
        time.sleep(moments.uniform(0.1, 1.05) * seconds)
        build.kill()
        build.wait()
        kills += 1
        leftovers += len(list(tmp_path.iterdir())) > 1
        before, after = after, whole(target)
        assert after in artifacts
        finished += after != before
        seconds *= 1.1 if after == before else 0.9  # other tests, too, take the cores: builds slow down and speed up
    assert leftovers, "no build was killed while it was writing"
    assert finished, "no build finished: the moments are too early"

    assert start(specs[0], tmp_path).wait() == 0
    assert whole(target) == artifacts[0]
    assert list(tmp_path.iterdir()) == [target], "the next build cleans what killed ones left"


def test_two_builds_of_one_target_at_once(specs: list[Path], tmp_path: Path) -> None:
    artifacts = []
    for spec in specs:
        assert start(spec, tmp_path).wait() == 0
        artifacts.append(whole(tmp_path / "tiny"))
    for _ in range(2):
        assert [build.wait() for build in [start(spec, tmp_path) for spec in specs]] == [0, 0]
        assert whole(tmp_path / "tiny") in artifacts
        assert [path.name for path in tmp_path.iterdir()] == ["tiny"]
