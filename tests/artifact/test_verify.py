"""Artifacts verified: a valid one, and every way in which one can be invalid."""

from __future__ import annotations

import dataclasses
import json
import random
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from click.testing import CliRunner

from stackc.artifact.folder import load_artifact, run_artifact, seal, verify_files
from stackc.artifact.manifest import Manifest, parse_manifest
from stackc.artifact.verify import verify
from stackc.cli import cli
from stackc.core.diagnostics import SpecError
from stackc.core.value_range import ValueRange
from stackc.pipeline import Options, build
from stackc.runtime import read_npz, write_npz

pytestmark = pytest.mark.slow

SPECS = Path(__file__).parents[2] / "specs"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    options = Options(out=tmp_path_factory.mktemp("built"), measure=False)
    return build(SPECS / "two_tower.yaml", options, lambda stage, summary: None).folder


@pytest.fixture
def artifact(built: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(built, tmp_path / built.name))


def reseal(artifact: Path) -> None:
    """Write a new manifest, as one would to cover up a changed file."""
    seal(artifact, load_artifact(artifact).manifest)


def problem(artifact: Path) -> tuple[str, str]:
    with pytest.raises(SpecError) as raised:
        verify(artifact, "cpu")
    first = raised.value.diagnostics[0]
    return first.code, first.message


def test_a_sound_artifact_without_pytorch(artifact: Path) -> None:
    command = [sys.executable, "-X", "importtime", "-m", "stackc", "verify", str(artifact), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    report = json.loads(done.stdout)
    assert report["bytes"] == sum(p.stat().st_size for p in artifact.iterdir() if p.name != "manifest.json")
    assert {row["output"] for row in report["outputs"]} == {o.name for o in load_artifact(artifact).manifest.outputs}
    assert all(row["found"] <= row["allowed"] < 1e-3 for row in report["outputs"])
    assert not [line for line in done.stderr.splitlines() if line.rpartition("|")[2].strip() == "torch"]


def test_random_weights_are_said_to_be_random(artifact: Path) -> None:
    said = CliRunner().invoke(cli, ["verify", str(artifact)]).output
    assert "valid ONNX, opset 23, float32, with random weights" in said
    assert json.loads(CliRunner().invoke(cli, ["verify", str(artifact), "--json"]).output)["random_weights"] is True

    manifest = load_artifact(artifact).manifest
    seal(artifact, dataclasses.replace(manifest, weights={"a.safetensors": "0" * 64}))
    assert "random" not in CliRunner().invoke(cli, ["verify", str(artifact)]).output


def test_a_flipped_bit_anywhere_is_found(artifact: Path) -> None:
    moments = random.Random(0)
    for path in sorted(artifact.iterdir()):
        sound = path.read_bytes()
        places = {0, len(sound) - 1, *(moments.randrange(len(sound)) for _ in range(40))}
        for place in places:
            torn = bytearray(sound)
            torn[place] ^= 1 << moments.randrange(8)
            path.write_bytes(torn)
            with pytest.raises(SpecError):
                verify_files(load_artifact(artifact))
        path.write_bytes(sound)
    verify_files(load_artifact(artifact))


def test_error_a_weight_that_differs_behind_a_new_seal(artifact: Path) -> None:
    model = onnx.load(artifact / "model.onnx")
    weight = max(model.graph.initializer, key=lambda tensor: len(tensor.raw_data))
    values = onnx.numpy_helper.to_array(weight) * np.float32(1.01)
    weight.CopyFrom(onnx.numpy_helper.from_array(values, weight.name))
    onnx.save(model, artifact / "model.onnx")
    reseal(artifact)
    code, message = problem(artifact)
    assert code == "A612"
    assert message.endswith("is allowed")


def test_error_a_model_that_the_checker_refuses(artifact: Path) -> None:
    model = onnx.load(artifact / "model.onnx")
    model.graph.node[0].op_type = "NoSuchOperator"
    onnx.save(model, artifact / "model.onnx")
    reseal(artifact)
    code, message = problem(artifact)
    assert code == "A611"
    assert "NoSuchOperator" in message


def test_what_an_input_may_hold_is_in_the_artifact(artifact: Path) -> None:
    inputs = {value.name: value.allowed for value in load_artifact(artifact).manifest.inputs}
    assert inputs["genre"] == ValueRange.ids(32)
    assert inputs["mask"] == ValueRange(0, 1, (0, 1))
    arrays = read_npz(artifact / "testvectors.npz")
    feeds = {name.removeprefix("input."): array for name, array in arrays.items() if name.startswith("input.")}
    feeds["genre"] = feeds["genre"] + 32
    with pytest.raises(SpecError, match=r"R418.*input 'genre' holds \d+ at \[0\]"):
        run_artifact(artifact, feeds, "cpu")


def edit_vectors(artifact: Path, edit: Callable[[dict[str, np.ndarray]], object]) -> None:
    arrays = read_npz(artifact / "testvectors.npz")
    edit(arrays)
    write_npz(artifact / "testvectors.npz", arrays)
    reseal(artifact)


def test_masks_are_recorded_full_and_empty_too(artifact: Path) -> None:
    arrays = read_npz(artifact / "testvectors.npz")
    masks = {draw: set(np.unique(arrays[f"{draw}input.mask"])) for draw in ("", "full.", "empty.")}
    assert masks == {"": {0, 1}, "full.": {1}, "empty.": {0}}
    assert {arrays[f"{draw}input.mask"].shape for draw in ("", "full.", "empty.")} == {(3, 13)}


@pytest.mark.parametrize("draw", ["full.", "empty."])
def test_error_an_output_that_differs_with_another_mask(artifact: Path, draw: str) -> None:
    def edit(arrays: dict[str, np.ndarray]) -> None:
        arrays[f"{draw}output.scores"].flat[0] += 1

    edit_vectors(artifact, edit)
    assert problem(artifact)[0] == "A612"


def test_error_recorded_inputs_beyond_their_range(artifact: Path) -> None:
    def edit(arrays: dict[str, np.ndarray]) -> None:
        arrays["full.input.genre"].flat[0] = 32

    edit_vectors(artifact, edit)
    code, message = problem(artifact)
    assert code == "A613"
    assert message.endswith("does not fit the manifest: input 'genre' holds 32 at [0]")


def test_error_recorded_arrays_of_another_model(artifact: Path) -> None:
    edit_vectors(artifact, lambda arrays: arrays.pop(next(name for name in arrays if name.startswith("input."))))
    code, message = problem(artifact)
    assert (code, message) == (
        "A613",
        f"{artifact / 'testvectors.npz'} does not have the inputs that the manifest lists",
    )


def test_error_recorded_arrays_that_unpack_to_gigabytes(artifact: Path) -> None:
    with zipfile.ZipFile(artifact / "testvectors.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("input.x.npy", bytes(20_000_000))
    reseal(artifact)
    code, message = problem(artifact)
    assert code == "A613"
    assert message.endswith("unpacks to 20,000,000 bytes, but a build never compresses it")


def test_error_an_archive_whose_directory_is_damaged(artifact: Path) -> None:
    whole = (artifact / "testvectors.npz").read_bytes()
    (artifact / "testvectors.npz").write_bytes(whole.replace(b"PK\1\2", b"PK\1\3"))
    reseal(artifact)
    assert problem(artifact)[0] == "R422"


def test_error_a_model_with_texts_that_are_no_utf_8(artifact: Path) -> None:
    """Protobuf lets them through; the checker fails at one in its own message."""
    model = onnx.load(artifact / "model.onnx")
    model.graph.node[0].op_type = "NoSuchOperator"
    (artifact / "model.onnx").write_bytes(
        model.SerializeToString().replace(b"NoSuchOperator", b"NoSuch\xff\xfe\xfdrator")
    )
    reseal(artifact)
    assert problem(artifact)[0] == "A611"


@pytest.mark.parametrize("place", [b"../else\xff", b"inside\xff"])
def test_error_data_at_a_place_that_is_no_utf_8(artifact: Path, place: bytes) -> None:
    manifest, model = load_artifact(artifact).manifest, onnx.load(artifact / "model.onnx")
    model.graph.initializer.add(name="far", dims=[1], data_type=onnx.TensorProto.FLOAT, data_location=1)
    model.graph.initializer[-1].external_data.add(key="location", value="#" * len(place))
    (artifact / "model.onnx").write_bytes(model.SerializeToString().replace(b"#" * len(place), place))
    seal(artifact, manifest)
    assert problem(artifact)[0] == ("A605" if place.startswith(b"..") else "A611")


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e9])
def test_error_a_number_that_was_not_recorded(artifact: Path, value: float) -> None:
    def edit(arrays: dict[str, np.ndarray]) -> None:
        name = next(name for name in arrays if name.startswith("output."))
        arrays[name].flat[0] = value

    edit_vectors(artifact, edit)
    assert problem(artifact)[0] == "A612"


def test_an_artifact_without_a_proof_is_opened_only(artifact: Path) -> None:
    manifest = load_artifact(artifact).manifest
    (artifact / "testvectors.npz").unlink()
    assert problem(artifact)[0] == "A604"
    seal(artifact, dataclasses.replace(manifest, parity=None, tolerances={}))
    assert verify(artifact, "cpu").distances == ()


def test_a_run_without_denormals_is_held_to_the_recorded_outputs(artifact: Path, tmp_path: Path) -> None:
    """In a process of its own: the first session of a process decides for all."""
    recorded = read_npz(artifact / "testvectors.npz")
    inputs = {name.removeprefix("input."): a for name, a in recorded.items() if name.startswith("input.")}
    write_npz(tmp_path / "in.npz", inputs)
    flushed = [sys.executable, "-m", "stackc", "run", str(artifact), "--provider", "cpu", "--flush-denormals"]
    flushed += ["-i", str(tmp_path / "in.npz"), "-o", str(tmp_path / "out.npz")]
    subprocess.run(flushed, check=True, capture_output=True)
    manifest = load_artifact(artifact).manifest
    for name, array in read_npz(tmp_path / "out.npz").items():
        assert np.abs(array - recorded[f"output.{name}"]).max() <= manifest.tolerances[name]

    wrong = {name: array + np.float32(1) for name, array in recorded.items() if "output." in name}
    write_npz(artifact / "testvectors.npz", recorded | wrong)
    reseal(artifact)
    refused = subprocess.run(flushed, check=False, capture_output=True, text=True)
    assert (refused.returncode, "error[A612]" in refused.stderr) == (1, True)

    (artifact / "testvectors.npz").unlink()
    seal(artifact, dataclasses.replace(load_manifest(artifact), files={}))
    refused = subprocess.run(flushed, check=False, capture_output=True, text=True)
    assert (refused.returncode, "error[R452]" in refused.stderr) == (1, True)


def load_manifest(artifact: Path) -> Manifest:
    return parse_manifest((artifact / "manifest.json").read_text(encoding="utf-8"))
