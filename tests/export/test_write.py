"""The written files: large weights beside the model, one tensor at a time, the same bytes every time."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest

from stackc.components.families.embedding import Embedding
from stackc.components.families.linear import Linear
from stackc.export import ExportedModel, link_program, write_model
from stackc.export import write as writing
from stackc.export.compile import compile_units
from stackc.export.link import LinkedGraph, link
from stackc.export.pipeline import spans_of, weight_bytes
from stackc.export.units import units_of
from stackc.ir.program import Program
from stackc.onnx_format.checker import require_valid

pytestmark = pytest.mark.slow

Array = np.ndarray[Any, Any]
FEEDS = {"ids": np.array([[1, 2, 0]])}


@pytest.fixture
def program(written: Any, draft: Any, typed: Any) -> Program:
    drafts = {
        "embed": draft(Embedding(vocab=600, dim=512), ("ids",)),
        "up": draft(Linear(out=300), ("embed",)),
        "down": draft(Linear(out=3), ("up",)),
    }
    program: Program = written({"ids": typed("batch", "seq", dtype="int64")}, drafts, {"y": "down"})
    return program


@pytest.fixture
def linked(program: Program) -> LinkedGraph:
    units = units_of(program, 23)
    return link(program, units, compile_units(spans_of(program, units)), opset=23)


@pytest.fixture
def weights(program: Program, random_weights: Any) -> dict[str, Array]:
    drawn: dict[str, Array] = random_weights(program)
    return drawn


def run(path: Path) -> Array:
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    (y,) = session.run(None, FEEDS)
    return np.asarray(y)


def test_weights_inside_and_beside_are_the_same_model(linked: LinkedGraph, weights: Any, tmp_path: Path) -> None:
    folders = [tmp_path / "inside", tmp_path / "beside"]
    for folder in folders:
        folder.mkdir()
    (inside,) = writing.write(linked, weights, folders[0], inline=True)
    beside, data = writing.write(linked, weights, folders[1], inline=False)
    assert [path.name for path in (inside, beside, data)] == ["model.onnx", "model.onnx", "model.onnx.data"]
    np.testing.assert_array_equal(run(inside), run(beside))
    assert beside.stat().st_size < 10_000
    data.unlink()
    graph = onnx.load(str(beside), load_external_data=False).graph
    assert {t.name for t in graph.initializer if t.external_data} == weights.keys()


def test_data_is_aligned_and_does_not_overlap(linked: LinkedGraph, weights: Any, tmp_path: Path) -> None:
    beside, data = writing.write(linked, weights, tmp_path, inline=False)
    end = 0
    for tensor in onnx.load(str(beside), load_external_data=False).graph.initializer:
        location = {entry.key: entry.value for entry in tensor.external_data}
        offset, length = int(location["offset"]), int(location["length"])
        assert location["location"] == "model.onnx.data"
        assert offset >= end
        assert offset % (65536 if length >= 1 << 20 else 64) == 0
        end = offset + length
    assert end == data.stat().st_size


def test_checker_needs_no_weights(linked: LinkedGraph, weights: Any, tmp_path: Path) -> None:
    beside, data = writing.write(linked, weights, tmp_path, inline=False)
    data.write_bytes(b"")
    require_valid(beside, onnx.load(beside, load_external_data=False))


def test_what_is_written_is_checked(linked: LinkedGraph, weights: Any, tmp_path: Path) -> None:
    """Operators and attributes, and the types that are inferred from them against those that are declared."""
    node = linked.model.graph.node[0]
    node.op_type = "NoSuchOperator"
    with pytest.raises(onnx.checker.ValidationError, match="No Op registered for NoSuchOperator"):
        writing.write(linked, weights, tmp_path, inline=True)
    node.op_type = "Gather"
    linked.model.graph.output[0].type.tensor_type.elem_type = onnx.TensorProto.INT64
    with pytest.raises(onnx.shape_inference.InferenceError, match="Inferred elem type differs"):
        writing.write(linked, weights, tmp_path, inline=True)


class Watched(Mapping[str, Array]):
    """Weights that are copied when they are read; counts how many copies are alive."""

    def __init__(self, weights: Mapping[str, Array]) -> None:
        self.weights, self.alive, self.most = weights, [], 0  # type: ignore[var-annotated]  # weak references below

    def __getitem__(self, name: str) -> Array:
        import weakref

        array = self.weights[name].copy()
        self.alive = [ref for ref in self.alive if ref() is not None] + [weakref.ref(array)]
        self.most = max(self.most, len(self.alive))
        return array

    def __iter__(self) -> Iterator[str]:
        return iter(self.weights)

    def __len__(self) -> int:
        return len(self.weights)


def test_weights_stream(linked: LinkedGraph, weights: Any, tmp_path: Path) -> None:
    watched = Watched(weights)
    writing.write(linked, watched, tmp_path, inline=False)
    assert watched.most <= 2, "the one being written, and the one before it until its name is taken"


@pytest.mark.parametrize("inline", [True, False])
def test_same_input_same_bytes(program: Program, weights: Any, tmp_path: Path, inline: bool) -> None:
    contents = []
    for number in range(2):
        units = units_of(program, 23)
        folder = tmp_path / str(number)
        folder.mkdir()
        linked = link(program, units, compile_units(spans_of(program, units)), opset=23)
        contents.append([path.read_bytes() for path in writing.write(linked, weights, folder, inline=inline)])
    assert contents[0] == contents[1]


def test_large_weights_go_beside_the_model(
    program: Program, weights: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert weight_bytes(program) == sum(array.nbytes for array in weights.values())
    from stackc.export import pipeline

    def written(limit: int) -> ExportedModel:
        monkeypatch.setattr(pipeline, "INLINE_LIMIT", limit)
        return write_model(link_program(program), weights, tmp_path)

    assert len(written(weight_bytes(program)).paths) == 1
    exported = written(weight_bytes(program) - 1)
    assert len(exported.paths) == 2
    assert (exported.linked_program.units, exported.linked_program.opset) == (3, 23)
    assert list(exported.seconds) == ["units", "compile", "link", "write"]


@pytest.mark.parametrize("large", [writing.LARGE, 2], ids=["hashed at once", "hashed in the background"])
@pytest.mark.parametrize("dtype", ["float16", "float64", "int64", "bool"])
def test_bytes_of_every_element_type(tmp_path: Path, dtype: str, large: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "LARGE", large)
    array = np.arange(6).reshape(2, 3).astype(dtype)
    with (tmp_path / "model.onnx.data").open("wb") as file, ThreadPoolExecutor(1) as background:
        data = writing._HashedFile(file, background)
        tensors = list(writing._write_external(data, [("a", array), ("b", array[0, 0].reshape(()))]))
    assert data.digest.hexdigest() == hashlib.sha256((tmp_path / "model.onnx.data").read_bytes()).hexdigest()
    loaded = [onnx.numpy_helper.to_array(tensor, str(tmp_path)) for tensor in tensors]
    np.testing.assert_array_equal(loaded[0], array)
    assert loaded[1].shape == ()
    assert [a.dtype for a in loaded] == [array.dtype, array.dtype]
