"""`stackc deploy --to triton`: the configuration as tritonclient's own protobuf reads it.

The onnxruntime backend is in no wheel, so no server has run these files in a test.
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import onnx
import pytest
from click.testing import CliRunner
from google.protobuf import text_format  # type: ignore[import-untyped]  # its stubs are a package that changes what onnx has

from stackc.artifact.folder import load_artifact
from stackc.artifact.manifest import Manifest
from stackc.cli import cli
from stackc.core.diagnostics import SpecError
from stackc.core.types import DimRange
from stackc.deployment.batching import RequestBatching, request_batching
from stackc.deployment.plain_names import server_name
from stackc.deployment.triton_config import DATATYPES, TritonSettings, batch_limit, write_config
from stackc.runtime import ValueInfo

pytestmark = pytest.mark.slow
proto = pytest.importorskip("tritonclient.grpc.model_config_pb2")


def deploy(artifact: Path, folder: Path, *options: str) -> tuple[Any, str]:
    """The configuration of a deployment, and what the command said of batches."""
    done = CliRunner().invoke(cli, ["deploy", str(artifact), "--to", "triton", "-o", str(folder), *options, "--json"])
    assert done.exit_code == 0, done.output
    (config,) = folder.glob("*/config.pbtxt")
    return parse(config.read_text(encoding="utf-8")), json.loads(done.output)["batching"]


def parse(text: str) -> Any:
    return text_format.Parse(text, proto.ModelConfig())


def tensors(values: Any) -> dict[str, tuple[str, list[int]]]:
    return {value.name: (proto.DataType.Name(value.data_type), [*value.dims]) for value in values}


def test_a_model_whose_requests_can_be_joined(small: Path, tmp_path: Path) -> None:
    config, batching = deploy(small, tmp_path / "models", "--threads", "2", "--instances", "3")
    assert batching == "max_batch_size: 16 (the contract allows 'batch' to be at most 16)"
    assert (config.name, config.backend, config.max_batch_size) == ("small", "onnxruntime", 16)
    assert config.HasField("dynamic_batching")
    assert tensors(config.input) == {"ids": ("TYPE_INT64", [-1]), "scale": ("TYPE_FP32", [1])}
    assert tensors(config.output) == {"logits": ("TYPE_FP32", [3]), "factor": ("TYPE_FP32", [1])}
    assert [value.name for value in (*config.input, *config.output) if value.HasField("reshape")] == ["scale", "factor"]
    assert [(group.count, group.kind) for group in config.instance_group] == [(3, proto.ModelInstanceGroup.KIND_CPU)]
    assert {key: value.string_value for key, value in config.parameters.items()} == {
        "intra_op_thread_count": "2",
        "inter_op_thread_count": "1",
        "execution_mode": "0",
    }
    # the model beside it is that of the artifact
    assert (tmp_path / "models/small/1/model.onnx").read_bytes() == (small / "model.onnx").read_bytes()


def test_the_configuration_agrees_with_the_file(small: Path, tmp_path: Path) -> None:
    """Types and ranks as onnx itself reads them from the model."""
    config, _ = deploy(small, tmp_path / "models", "--name", "other", "--gpu", "--max-batch", "4")
    assert (config.name, config.max_batch_size) == ("other", 4)
    assert config.instance_group[0].kind == proto.ModelInstanceGroup.KIND_GPU
    graph = onnx.load(tmp_path / "models/other/1/model.onnx").graph
    for values, described in ((graph.input, config.input), (graph.output, config.output)):
        assert [value.name for value in values] == [value.name for value in described]
        for value, of_config in zip(values, described, strict=True):
            dims = [] if of_config.HasField("reshape") else [*of_config.dims]
            assert len(dims) == len(value.type.tensor_type.shape.dim) - 1


def test_a_component_that_mixes_the_entries_of_a_batch(artifacts: Path, tmp_path: Path) -> None:
    config, batching = deploy(artifacts / "mixed", tmp_path / "models")
    assert config.max_batch_size == 0
    assert not config.HasField("dynamic_batching")
    assert tensors(config.input) == {"x": ("TYPE_FP32", [-1, 4])}
    assert batching.startswith("max_batch_size: 0 ('all' (softmax) ")
    assert "(mixed.yaml:7)" in batching


def test_inputs_that_share_no_dim(artifacts: Path, tmp_path: Path) -> None:
    config, batching = deploy(artifacts / "apart", tmp_path / "models")
    assert config.max_batch_size == 0
    assert "the inputs share no dim (x float32[rows, 4], w float32[columns, 4])" in batching


def test_every_type_is_one_of_tritons() -> None:
    assert {f"TYPE_{name}" for name in DATATYPES.values()} == set(proto.DataType.keys()) - {
        *("TYPE_INVALID", "TYPE_STRING")
    }


def manifest_of(small: Path, **changes: Any) -> Manifest:
    return dataclasses.replace(load_artifact(small).manifest, **changes)


def test_fixed_sizes_scalars_and_strange_names(small: Path) -> None:
    values = (ValueInfo('a"\\b', "uint8", ("batch", 3, "fixed", "2*seq")), ValueInfo("s", "bool", ()))
    manifest = manifest_of(small, inputs=values, outputs=values[:1], dims={"fixed": DimRange(7, 7)})
    refused = RequestBatching(None, {}, {}, None, "two\nlines")
    config = parse(write_config("m", manifest, refused, TritonSettings()))
    assert tensors(config.input) == {'a"\\b': ("TYPE_UINT8", [-1, 3, 7, -1]), "s": ("TYPE_BOOL", [1])}
    assert [*config.input[1].reshape.shape] == []


@pytest.mark.parametrize(
    ("batching", "wanted", "limit"),
    [
        (RequestBatching("b", {"x": 0}, {"y": 0}, None), None, 64),
        (RequestBatching("b", {"x": 0}, {"y": 0}, None), 500, 500),
        (RequestBatching("b", {"x": 0}, {"y": 0}, 8), 500, 8),
        (RequestBatching("b", {"x": 0}, {"y": 0}, 8), 3, 3),
        (RequestBatching("b", {"x": 1}, {"y": 0}, 8), None, 0),
        (RequestBatching("b", {"x": 0}, {"y": 2}, 8), 4, 0),
    ],
)
def test_the_largest_batch(batching: RequestBatching, wanted: int | None, limit: int) -> None:
    assert batch_limit(batching, wanted)[0] == limit


def test_an_artifact_whose_spec_cannot_be_checked_here(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from stackc.core.diagnostics import Diagnostic
    from stackc.deployment import batching

    def refuse(path: Path) -> None:
        raise SpecError(Diagnostic("N316", "the code of 'own' is not trusted"))

    monkeypatch.setattr(batching, "check_spec", refuse)
    refusal = request_batching(load_artifact(small)).refusal
    assert refusal == "the spec of the artifact cannot be checked here: the code of 'own' is not trusted"


@pytest.mark.parametrize("name", ["a/b", "..", "ü", "", "a b"])
def test_a_name_that_no_model_can_have(name: str) -> None:
    with pytest.raises(SpecError) as refused:
        server_name(name)
    assert refused.value.diagnostics[0].code == "D802"
