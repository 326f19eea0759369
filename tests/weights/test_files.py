"""Files of weights in every format, whole and broken, and how much of them is read."""

from __future__ import annotations

import json
import os
import pickle
import random
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import onnx
import pytest
import safetensors.numpy
import safetensors.torch
import torch
from tests.weights.examples import HEAD, LINEAR, TENSORS, WEIGHT, refused

from stackc.core.diagnostics import Span, SpecError
from stackc.frontend import check_source
from stackc.spec.source import Source
from stackc.weights.files import open_weights
from stackc.weights.match import match_weights
from stackc.weights.tensor_expressions.parser import parse_expression
from stackc.weights.tensor_expressions.template import CaptureBinding, bind
from stackc.weights.tensor_expressions.tree import value_of

# -- whole and broken files


def saved(path: Path) -> Path:
    """Write a whole file in the format of the suffix."""
    if path.suffix == ".safetensors":
        safetensors.numpy.save_file(dict(TENSORS), path)
    elif path.suffix == ".npz":
        np.savez(path, **TENSORS)
    elif path.suffix == ".onnx":
        initializers = [onnx.numpy_helper.from_array(tensor, name) for name, tensor in TENSORS.items()]
        output = onnx.helper.make_tensor_value_info("y.bias", onnx.TensorProto.FLOAT, [2])
        onnx.save(onnx.helper.make_model(onnx.helper.make_graph([], "w", [], [output], initializers)), path)
    elif path.suffix == ".gguf":
        writer = gguf.GGUFWriter(path, "test")
        for name, tensor in TENSORS.items():
            writer.add_tensor(name, tensor)
        for step in ("header_to_file", "kv_data_to_file", "tensors_to_file"):
            getattr(writer, f"write_{step}")()
        writer.close()
        path.write_bytes(path.read_bytes().rstrip(b"\0"))  # padding at the end, which nobody misses
    else:
        tensors = {name: torch.from_numpy(t) for name, t in TENSORS.items()}
        torch.save(tensors, path, _use_new_zipfile_serialization=path.suffix != ".bin")
    return path


KINDS = ["w.safetensors", "w.npz", "w.pt", "w.bin", "w.onnx", "w.gguf"]


@pytest.mark.parametrize("name", KINDS)
def test_a_whole_file_is_read(name: str, tmp_path: Path) -> None:
    file = open_weights(saved(tmp_path / name))
    assert (file.shapes["y.weight"], file.dtypes["y.weight"]) == ((2, 3), "float32")
    np.testing.assert_array_equal(file.read("y.weight"), WEIGHT)


@pytest.mark.parametrize("share", [0.0, 0.05, 0.5, 0.99])
@pytest.mark.parametrize("name", KINDS)
def test_a_truncated_file_is_refused(name: str, share: float, tmp_path: Path) -> None:
    path = saved(tmp_path / name)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    (problem,) = refused(lambda: open_weights(path))
    assert problem.startswith(f"W804 {path} is broken or not what its name says: ")
    assert "\x1b" not in problem


@pytest.mark.parametrize("name", KINDS)
def test_flipped_bytes_are_read_or_refused(name: str, tmp_path: Path) -> None:
    """Random bytes, in the header or in the data, give a W804 or a tensor, nothing else."""
    path, draw = saved(tmp_path / name), random.Random(name)
    whole, codes = path.read_bytes(), set()
    for _ in range(100):
        data = bytearray(whole)
        for _ in range(draw.choice([1, 2, 8])):
            data[draw.randrange(len(data))] = draw.randrange(256)
        path.write_bytes(data)

        try:
            file = open_weights(path)
            for tensor in file.shapes:
                file.read(tensor)
        except SpecError as error:
            codes |= {diagnostic.code for diagnostic in error.diagnostics}
    assert codes == {"W804"}


class Planted:
    """Runs a command when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.system, (f"touch {self.path}",)


@pytest.mark.parametrize("name", ["w.pt", "w.bin", "plain.pt"])
def test_pickled_code_does_not_run(name: str, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    content = {"y.weight": torch.ones(2, 3), "y.bias": Planted(mark)}
    if name == "plain.pt":
        (tmp_path / name).write_bytes(pickle.dumps(Planted(mark)))
    else:
        torch.save(content, tmp_path / name, _use_new_zipfile_serialization=name != "w.bin")
    (problem,) = refused(lambda: open_weights(tmp_path / name))
    assert "it holds Python objects" in problem
    assert "which stackc does not run" in problem
    assert not mark.exists()


def packed(path: Path) -> None:
    """Write 20 MB of pickle to a file of 20 kB: PyTorch reads all of it before it looks at the first byte."""
    torch.save({"y.weight": torch.ones(2, 3)}, path)
    with zipfile.ZipFile(path) as archive:
        members = {info.filename: archive.read(info) for info in archive.infolist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, b"N0" * 10_000_000 if name.endswith("data.pkl") else content)


def npz_of_objects(path: Path) -> None:
    np.savez(path, a=np.array([{"x": 1}], dtype=object))


def npy(path: Path) -> None:
    with path.open("wb") as file:
        np.save(file, np.ones(3))


def header_that_lies(path: Path) -> None:
    header = json.dumps({"a": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 2400]}}).encode()
    path.write_bytes(struct.pack("<Q", len(header)) + header + bytes(24))


@pytest.mark.parametrize(
    ("name", "write", "message"),
    [
        ("w.npz", npz_of_objects, "'a.npy' holds Python objects"),
        ("w.npz", npy, "File is not a zip file"),
        ("w.safetensors", header_that_lies, "invalid shape, data type, or offset"),
        ("w.pt", lambda path: torch.save([torch.ones(2)], path), "it does not hold a state_dict"),
        ("w.pt", lambda path: torch.save({"epoch": 1, "model": {"a": "text"}}, path), "'epoch' in it is not a tensor"),
        (
            "w.pt",
            lambda path: torch.save({"a": {"w": torch.ones(2)}, "b": {"w": torch.ones(2)}}, path),
            "it holds several state_dicts: a, b",
        ),
        ("w.pt", lambda path: torch.save({"a": torch.ones(2, device="meta")}, path), "'a' in it is sparse, quantized"),
        ("w.pt", lambda path: path.write_text("hello"), "it was not written by torch.save"),
        ("w.pt", packed, "bytes, but torch.save compresses nothing"),
    ],
)
def test_what_is_no_file_of_tensors(name: str, write: Callable[[Path], object], message: str, tmp_path: Path) -> None:
    write(tmp_path / name)
    (problem,) = refused(lambda: open_weights(tmp_path / name))
    assert problem.startswith("W804")
    assert message in problem


def test_no_file_and_no_known_kind(tmp_path: Path) -> None:
    (tmp_path / "w.h5").write_text("x")
    assert refused(lambda: open_weights(tmp_path / "gone.pt"))[0].startswith(f"W804 no weights at {tmp_path}/gone.pt |")
    assert refused(lambda: open_weights(tmp_path)) == [
        f"W804 no weights in the folder {tmp_path}"
        " | stackc reads .safetensors, .npz, .pt, .pth, .bin, .onnx, .gguf, .index.json"
    ]
    assert refused(lambda: open_weights(tmp_path / "w.h5")) == [
        "W804 w.h5: unknown kind of weights"
        " | stackc reads .safetensors, .npz, .pt, .pth, .bin, .onnx, .gguf, .index.json"
    ]


# -- reading no more than necessary


@pytest.mark.parametrize("name", ["w.safetensors", "w.pt"])
def test_a_tensor_is_a_view_of_the_file(name: str, tmp_path: Path) -> None:
    """A third of the matrix is taken without reading or copying the rest of the file."""
    whole = np.arange(12, dtype=np.float32).reshape(2, 6)
    tensors = {"y.weight": np.ascontiguousarray(whole), "y.bias": np.ones(2, np.float32)}
    if name.endswith(".pt"):
        torch.save({key: torch.from_numpy(tensor) for key, tensor in tensors.items()}, tmp_path / name)
    else:
        safetensors.numpy.save_file(tensors, tmp_path / name)
    file = open_weights(tmp_path / name)
    assert not file.read("y.weight").flags.owndata
    at = Span("s.yaml", 1)
    expression = bind(parse_expression("y.weight.T[1/3]", at), CaptureBinding((), {}, {}, "", at))
    third = value_of(expression, file.read, (2, 2))
    assert not third.flags.owndata
    np.testing.assert_array_equal(third, whole.T[2:4])
    spec = check_source(Source("s.yaml", HEAD.replace("3]", "6]") + LINEAR)).program.tensors()
    assert not match_weights(file, spec, None, name)["y.weight"].flags.owndata


def test_scalars_and_empty_tensors_keep_their_shapes(tmp_path: Path) -> None:
    tensors = {"odd": np.ones(3, np.int8), "count": np.array(7), "none": np.ones((0, 3), np.float32), "one": np.ones(1)}
    safetensors.numpy.save_file(tensors, tmp_path / "w.safetensors")
    np.savez(tmp_path / "w.npz", **tensors)  # type: ignore[arg-type]  # its keywords are arrays but for one
    for path in (tmp_path / "w.safetensors", tmp_path / "w.npz"):
        file = open_weights(path)
        for name, tensor in tensors.items():
            assert file.read(name).shape == file.shapes[name] == tensor.shape
            assert file.read(name).flags.aligned
            np.testing.assert_array_equal(file.read(name), tensor)


# -- shards


@pytest.mark.parametrize(
    ("index", "message"),
    [
        ("{", "is broken or not what its name says: Expecting property name"),
        ("[]", "it is not an index of weights"),
        ('{"weight_map": {"a": 1}}', "it is not an index of weights"),
        ('{"weight_map": {"a": "../w.safetensors"}}', "it names the file '../w.safetensors'"),
        ('{"weight_map": {"a": "m.index.json"}}', "it names the file 'm.index.json'"),
        ('{"weight_map": {"a": "gone.safetensors"}}', "it names gone.safetensors, which is not in its folder"),
        ('{"weight_map": {"a": "w.safetensors"}}', "it says that 'a' is in w.safetensors, but it is not"),
        ('{"weight_map": {"y.bias": "torn.safetensors"}}', "torn.safetensors is broken or not what its name says"),
        ('{"weight_map": {"y.bias": "w.h5"}}', "w.h5: unknown kind of weights"),
    ],
)
def test_error_of_an_index(index: str, message: str, tmp_path: Path) -> None:
    saved(tmp_path / "w.safetensors")
    (tmp_path / "torn.safetensors").write_bytes((tmp_path / "w.safetensors").read_bytes()[:50])
    (tmp_path / "w.h5").write_bytes(b"")
    (tmp_path / "m.index.json").write_text(index, encoding="utf-8")
    (problem,) = refused(lambda: open_weights(tmp_path / "m.index.json"))
    assert problem.startswith("W804")
    assert message in problem
