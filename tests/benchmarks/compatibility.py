"""Which releases of ONNX Runtime run what stackc builds: the measurement behind stackc/runtime/compatibility.py.

Artifacts of every opset and target are built; each release is installed into a folder of its own, and runs all of them
on the same inputs. An output counts where it is within 1e-4 of the largest number that the installed release gives.
A row is reached where all releases that the manifest of a model promises do run it.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from stackc.artifact.folder import load_artifact
from stackc.frontend import Overrides, check_spec
from stackc.pipeline import Options, build
from stackc.proof.points import draw_feeds, points_of
from stackc.runtime import open_session, write_npz

SPECS = Path(__file__).parents[2] / "specs"
MODELS = {"seed.mmd": {}, "bert_base.yaml": {"layers": "2", "vocab": "500"}, "gpt2.yaml": {"layers": "2"}}
OPSETS, TARGETS = (18, 19, 20, 21, 22, 23), ("portable", "ort")
RELEASES = ("1.17.3", "1.18.1", "1.19.2", "1.20.1", "1.21.1", "1.22.1", "1.23.2", "1.24.4")
TOLERANCE = 1e-4
OLD_NUMPY = (1, 19)  # releases before it want numpy 1

CHILD = """
import json, sys
import numpy as np
import onnxruntime as ort
ort.set_default_logger_severity(4)
said = {}
for folder in sys.argv[1:]:
    try:
        session = ort.InferenceSession(folder + "/model.onnx", providers=["CPUExecutionProvider"])
        with np.load(folder + "/vectors.npz") as file:
            feeds = {value.name: file["input." + value.name] for value in session.get_inputs()}
            expected = [file["output." + value.name] for value in session.get_outputs()]
        pairs = zip(session.run(None, feeds), expected)
        said[folder] = max(float(np.abs(a - b).max() / np.abs(b).max()) for a, b in pairs)
    except Exception as error:
        said[folder] = str(error)
print(json.dumps(said))
"""


def main() -> None:
    """Print a row for each model; exit status 1 where one does not run on what its manifest promises."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--releases", nargs="+", default=RELEASES, help="(default: %(default)s)")
    parser.add_argument("--opsets", nargs="+", type=int, default=OPSETS, help="(default: %(default)s)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        artifacts = list(_built(Path(folder), options.opsets))
        said = {release: _tried(release, artifacts, Path(folder)) for release in options.releases}
        sys.exit(not all([_agrees(artifact, said) for artifact in artifacts]))


def _built(folder: Path, opsets: list[int]) -> Iterator[Path]:
    """An artifact for every model, opset and target, with inputs and what the installed release makes of them."""
    for opset in opsets:
        for target in TARGETS:
            for spec, params in MODELS.items():
                overrides = Overrides(params)
                out = folder / f"{opset}-{target}"
                options = Options(overrides, out=out, opset=opset, target=target, verify=False, measure=False)
                artifact = build(SPECS / spec, options, lambda stage, found: None).folder
                checked = check_spec(SPECS / spec, overrides)
                feeds = draw_feeds(checked.program, checked.ranges, points_of(checked.program)[1])
                outputs = open_session(artifact / "model.onnx", "cpu").run(feeds)
                vectors = {f"input.{k}": v for k, v in feeds.items()} | {f"output.{k}": v for k, v in outputs.items()}
                write_npz(artifact / "vectors.npz", vectors)
                yield artifact


def _tried(release: str, artifacts: list[Path], folder: Path) -> dict[str, float | str]:
    """By artifact: how far a release is off, or what it says where it does not run."""
    packages = [f"onnxruntime=={release}", *(["numpy<2"] if _number(release) < OLD_NUMPY else [])]
    place = folder / release
    subprocess.run([sys.executable, "-m", "pip", "install", "-q", "--target", place, *packages], check=True)
    environment = {**os.environ, "PYTHONPATH": str(place)}
    command = [sys.executable, "-c", CHILD, *map(str, artifacts)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    said: dict[str, float | str] = json.loads(done.stdout.splitlines()[-1])
    return said


def _number(release: str) -> tuple[int, int]:
    major, minor, *_ = map(int, release.split("."))
    return major, minor


def _agrees(artifact: Path, said: dict[str, dict[str, float | str]]) -> bool:
    promised = load_artifact(artifact).manifest.runs_on.rpartition(" ")[2]
    runs = {release: _sound(found[str(artifact)]) for release, found in said.items()}
    reached = all(sound or _number(release) < _number(promised) for release, sound in runs.items())
    first = next((release for release, sound in runs.items() if sound), "none")
    name = "/".join(artifact.parts[-2:])
    print(f"{name:22} promised {promised:6} runs from {first:7} {'' if reached else 'NOT REACHED'}", flush=True)
    for release, found in said.items():
        if not runs[release] and not reached:
            print(f"    {release}: {str(found[str(artifact)])[:200]}")
    return reached


def _sound(found: float | str) -> bool:
    return not isinstance(found, str) and bool(np.isfinite(found)) and found <= TOLERANCE


if __name__ == "__main__":
    main()
