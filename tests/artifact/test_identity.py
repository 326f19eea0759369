"""Files of built models, alone: what they say about themselves, and whether they are what was built."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from pathlib import Path

import onnx
import pytest
from click.testing import CliRunner, Result

from stackc.artifact.folder import load_artifact
from stackc.artifact.identity import read_identity
from stackc.cli import cli
from stackc.core.diagnostics import SpecError
from stackc.pipeline import Options, build

SPEC = """
stackc: 1
name: scores
dims: {batch: {max: 8}, seq: {max: 16, multiple_of: 4}}
inputs: {x: {shape: [batch, seq, 4]}, mask: {dtype: int64, shape: [batch, seq], values: [0, 1]}}
graph: |
  x --> y[linear] --> pool[mean_pool]
  mask -->|mask| pool
nodes: {y: {out: 3}}
"""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("identity")
    (folder / "scores.yaml").write_text(SPEC, encoding="utf-8")
    return build(folder / "scores.yaml", Options(out=folder, verify=False, measure=False)).folder


@pytest.fixture
def alone(built: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(built / "model.onnx", tmp_path / "found.onnx"))


def check(*arguments: object) -> Result:
    return CliRunner().invoke(cli, ["check", *map(str, arguments)])


def code_of(path: Path) -> str:
    with pytest.raises(SpecError) as refused:
        read_identity(path)
    return refused.value.diagnostics[0].code


def save(model: onnx.ModelProto, path: Path, data: bytes | None = None) -> None:
    """Write a model with the digest that its bytes and its data have, computed here."""
    entry = next(entry for entry in model.metadata_props if entry.key == "stackc.digest")
    entry.value = "0" * 64
    hashed = hashlib.sha256(data).hexdigest().encode() if data is not None else b""
    entry.value = hashlib.sha256(model.SerializeToString(deterministic=True) + hashed).hexdigest()
    path.write_bytes(model.SerializeToString(deterministic=True))


def test_a_file_alone_tells_its_spec_its_version_and_its_contract(built: Path, alone: Path) -> None:
    manifest = load_artifact(built).manifest
    identity = read_identity(alone)
    assert identity is not None
    assert (identity.name, identity.version) == ("scores", manifest.versions["stackc"])
    assert (identity.dims, identity.inputs, identity.outputs) == (manifest.dims, manifest.inputs, manifest.outputs)


def test_check_prints_it(alone: Path) -> None:
    told = check(alone)
    assert told.exit_code == 0
    assert "from the spec 'scores', unchanged since" in told.output
    assert "  in   mask: int64[batch, seq]" in told.output
    assert "  dim  seq: 1 to 16, a multiple of 4" in told.output

    facts = json.loads(check(alone, "--json").output)
    assert (facts["name"], facts["inputs"][1]["values"]) == ("scores", [0, 1])


def test_the_digest_is_that_of_the_bytes(alone: Path) -> None:
    content = alone.read_bytes()
    stated = re.findall(rb"stackc\.digest\x12@([0-9a-f]{64})", content)[-1]
    assert hashlib.sha256(content.replace(stated, b"0" * 64)).hexdigest().encode() == stated


def test_onnx_runtime_returns_the_metadata(alone: Path) -> None:
    import onnxruntime

    session = onnxruntime.InferenceSession(alone, providers=["CPUExecutionProvider"])
    metadata = session.get_modelmeta().custom_metadata_map
    assert metadata["stackc.name"] == "scores"
    assert json.loads(metadata["stackc.contract"])["dims"]["batch"] == {"min": 1, "max": 8, "multiple_of": 1}


def test_the_same_spec_gives_the_same_bytes(built: Path, tmp_path: Path) -> None:
    again = build(built.parent / "scores.yaml", Options(out=tmp_path, verify=False, measure=False)).folder
    assert (again / "model.onnx").read_bytes() == (built / "model.onnx").read_bytes()


@pytest.mark.parametrize("place", [0.2, 0.5, 0.8, 0.999])
def test_a_changed_byte_is_told(alone: Path, place: float) -> None:
    """Of the weights, the graph or the metadata: whatever still is a model."""
    content = bytearray(alone.read_bytes())
    content[int(len(content) * place)] ^= 1
    alone.write_bytes(content)
    assert code_of(alone) in ("A621", "A610")


def test_an_edited_model_is_told(alone: Path) -> None:
    model = onnx.load(alone)
    model.graph.node[0].name = "other"
    onnx.save(model, alone)
    assert code_of(alone) == "A621"
    refused = check(alone)
    assert (refused.exit_code, "has changed since stackc wrote it" in str(refused.exception)) == (1, True)


def test_data_beside_the_model_is_part_of_it(alone: Path) -> None:
    model = onnx.load(alone)
    onnx.external_data_helper.convert_model_to_external_data(model, location="w.data", size_threshold=0)
    onnx.save(model, alone)
    data = alone.parent / "w.data"
    save(onnx.load(alone, load_external_data=False), alone, data.read_bytes())
    assert read_identity(alone) is not None

    data.write_bytes(data.read_bytes()[::-1])
    assert code_of(alone) == "A621"
    data.unlink()
    assert code_of(alone) == "A622"


@pytest.mark.parametrize(
    "contract",
    ["", "[", "[]", "{}", '{"dims": {"a": {"min": 1, "max": null, "multiple_of": 0}}, "inputs": [], "outputs": []}'],
)
def test_broken_metadata_is_told(alone: Path, contract: str) -> None:
    model = onnx.load(alone)
    next(entry for entry in model.metadata_props if entry.key == "stackc.contract").value = contract
    save(model, alone)
    assert code_of(alone) == "A623"


def test_a_model_of_others_is_no_spec(alone: Path) -> None:
    model = onnx.load(alone)
    del model.metadata_props[:]
    onnx.save(model, alone)
    assert read_identity(alone) is None
    refused = check(alone)
    assert (refused.exit_code, "S009" in str(refused.exception)) == (1, True)


def test_a_file_that_is_not_there_or_no_model(tmp_path: Path) -> None:
    assert code_of(tmp_path / "none.onnx") == "A610"
    (tmp_path / "text.onnx").write_text("stackc: 1", encoding="utf-8")
    assert code_of(tmp_path / "text.onnx") == "A610"
