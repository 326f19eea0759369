"""Where weights come from: folders, several files, nested state_dicts, ONNX and GGUF, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import onnx
import pytest
import torch
from safetensors.numpy import load_file, save_file

from stackc.core.diagnostics import SpecError
from stackc.core.types import Dim, TensorType
from stackc.frontend import check_source
from stackc.spec.source import Source
from stackc.weights.files import open_weights
from stackc.weights.files.writing import write_safetensors
from stackc.weights.match import weights_path

W, B = np.arange(6, dtype=np.float32).reshape(2, 3), np.ones(2, np.float32)


def refused(run: Callable[[], object]) -> str:
    with pytest.raises(SpecError) as caught:
        run()
    (problem,) = caught.value.diagnostics
    return f"{problem.code} {problem.message} | {problem.hint}"


def tensors_of(path: Path | tuple[Path, ...]) -> dict[str, Any]:
    file = open_weights(path)
    return {name: file.read(name) for name in file.shapes}


# -- folders and several files


@pytest.mark.parametrize(
    "files",
    [
        {"model.safetensors": {"w": W, "b": B}, "model.fp16.safetensors": {"w": W}},
        {"model-00001-of-00002.safetensors": {"w": W}, "model-00002-of-00002.safetensors": {"b": B}},
        {"one.safetensors": {"w": W}, "two.safetensors": {"b": B}},
        {"pytorch_model.bin": {"w": W, "b": B}, "training_args.bin": {}, "optimizer.pt": {}},
        {"only.npz": {"w": W, "b": B}},
    ],
)
def test_the_files_of_a_folder_are_read_as_one(files: dict[str, dict[str, Any]], tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}", encoding="utf-8")
    for name, tensors in files.items():
        if name.endswith(".safetensors"):
            save_file(tensors, tmp_path / name)
        elif name.endswith(".npz"):
            np.savez(tmp_path / name, **tensors)
        else:
            torch.save({key: torch.from_numpy(array) for key, array in tensors.items()}, tmp_path / name)
    read = tensors_of(tmp_path)
    assert sorted(read) == ["b", "w"]
    np.testing.assert_array_equal(read["w"], W)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (
            ["model-00001-of-00003.safetensors", "model-00002-of-00003.safetensors"],
            "W804 {folder} has 2 of the 3 parts",
        ),
        (["a.bin", "b.bin"], "W804 {folder} has several files of weights: a.bin, b.bin | name one of them"),
        (["a.safetensors", "b.safetensors"], "W808 'w' is in {folder}/a.safetensors and in {folder}/b.safetensors"),
        ([], "W804 no weights in the folder {folder}"),
    ],
)
def test_error_of_a_folder(files: list[str], message: str, tmp_path: Path) -> None:
    for name in files:
        save_file({"w": W} if "-of-" not in name else {name: W}, tmp_path / name)
    assert refused(lambda: open_weights(tmp_path)).startswith(message.format(folder=tmp_path))


def test_a_spec_may_name_several_files(tmp_path: Path) -> None:
    save_file({"y.weight": W}, tmp_path / "a.safetensors")
    np.savez(tmp_path / "b.npz", **{"y.bias": B})  # type: ignore[arg-type]  # names are no options
    spec = "stackc: 1\ninputs: {x: {shape: [batch, 3]}}\ngraph: x --> y[linear]\nnodes: {y: {out: 2}}\n"
    document = check_source(
        Source(str(tmp_path / "s.yaml"), f"{spec}weights: {{file: [a.safetensors, b.npz]}}\n")
    ).document
    paths, span = weights_path(document, None)
    assert paths == (tmp_path / "a.safetensors", tmp_path / "b.npz")
    assert span is not None
    assert sorted(tensors_of(paths)) == ["y.bias", "y.weight"]
    assert open_weights(paths).paths == paths


# -- what a training script saves


@pytest.mark.parametrize("name", ["state_dict", "model_state_dict", "model", "generator"])
def test_a_nested_state_dict_is_found(name: str, tmp_path: Path) -> None:
    state = {"w": torch.from_numpy(W)}
    optimizer = {"state": {0: {"exp_avg": torch.ones(2)}}, "param_groups": [{"lr": 0.1}]}
    torch.save({"epoch": 3, name: state, "optimizer": optimizer, "args": {"lr": 0.1}}, tmp_path / "w.pt")
    np.testing.assert_array_equal(tensors_of(tmp_path / "w.pt")["w"], W)


# -- ONNX


def onnx_model(path: Path, *, external: bool) -> None:
    initializers = [onnx.numpy_helper.from_array(array, name) for name, array in (("w", W), ("b", B))]
    output = onnx.helper.make_tensor_value_info("b", onnx.TensorProto.FLOAT, [2])
    model = onnx.helper.make_model(onnx.helper.make_graph([], "w", [], [output], initializers))
    onnx.save(model, path, save_as_external_data=external, location="w.data", size_threshold=0)


@pytest.mark.parametrize("external", [False, True])
def test_initializers_of_an_onnx_model(external: bool, tmp_path: Path) -> None:
    onnx_model(tmp_path / "w.onnx", external=external)
    file = open_weights(tmp_path / "w.onnx")
    np.testing.assert_array_equal(file.read("w"), W)
    assert file.paths == ((tmp_path / "w.onnx", tmp_path / "w.data") if external else (tmp_path / "w.onnx",))


def moved(name: str, **changes: str) -> Callable[[onnx.ModelProto], None]:
    def change(model: onnx.ModelProto) -> None:
        (tensor,) = (tensor for tensor in model.graph.initializer if tensor.name == name)
        for entry in tensor.external_data:
            entry.value = changes.get(entry.key, entry.value)

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (moved("w", location="../w.data"), "'w' lies in '../w.data', which is not in its folder"),
        (moved("w", location="/etc/passwd"), "'w' lies in '/etc/passwd', which is not in its folder"),
        (moved("w", location="gone.data"), "'w' lies in 'gone.data', which is not in its folder"),
        (moved("w", offset="1000000"), "'w' does not lie where it says in w.data"),
        (moved("w", offset="-4"), "'w' does not lie where it says in w.data"),
        (moved("w", length="8"), "'w' does not lie where it says in w.data"),
        (moved("w", offset="x"), "invalid literal for int"),
        (lambda model: model.graph.ClearField("initializer"), "it has no initializers"),
    ],
)
def test_external_data_that_lies(change: Callable[[onnx.ModelProto], None], message: str, tmp_path: Path) -> None:
    onnx_model(tmp_path / "w.onnx", external=True)
    model = onnx.load(tmp_path / "w.onnx", load_external_data=False)
    change(model)
    (tmp_path / "w.onnx").write_bytes(model.SerializeToString())
    assert message in refused(lambda: open_weights(tmp_path / "w.onnx"))


# -- GGUF


def gguf_file(path: Path) -> bytes:
    writer = gguf.GGUFWriter(path, "test")
    writer.add_tensor("w", np.arange(64, dtype=np.float32))
    writer.add_tensor("v", np.ones(64, np.float32))
    for step in ("header_to_file", "kv_data_to_file", "tensors_to_file"):
        getattr(writer, f"write_{step}")()
    writer.close()
    return path.read_bytes()


@pytest.mark.parametrize(
    ("offset", "message"),
    [
        (128, "'v' begins inside of 'w'"),
        (1 << 20, "a tensor does not lie where the header says"),
        (1 << 63, "is broken or not what its name says"),
        (320, "a tensor does not lie where the header says"),
    ],
)
def test_offsets_that_lie(offset: int, message: str, tmp_path: Path) -> None:
    data = gguf_file(tmp_path / "w.gguf")
    entry = b"\x01\x00\x00\x00\x00\x00\x00\x00v" + (1).to_bytes(4, "little") + (64).to_bytes(8, "little") + bytes(4)
    at = data.index(entry) + len(entry)
    assert data[at : at + 8] == (256).to_bytes(8, "little")
    (tmp_path / "w.gguf").write_bytes(data[:at] + offset.to_bytes(8, "little") + data[at + 8 :])
    problem = refused(lambda: open_weights(tmp_path / "w.gguf"))
    assert problem.startswith("W804")
    assert message in problem


def test_a_gguf_without_the_package_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gguf_file(tmp_path / "w.gguf")
    monkeypatch.setitem(__import__("sys").modules, "gguf", None)
    assert refused(lambda: open_weights(tmp_path / "w.gguf")).endswith(
        "reading a GGUF needs the package gguf | pip install 'stackc[gguf]'"
    )


# -- writing


def test_what_is_written_is_what_safetensors_reads(tmp_path: Path) -> None:
    types = {
        "w": TensorType("float32", (Dim.of(2), Dim.of(3))),
        "n": TensorType("int64", ()),
        "none": TensorType("float32", (Dim.of(0), Dim.of(3))),
    }
    tensors = {"w": W, "n": np.array(7), "none": np.ones((0, 3), np.float32)}
    write_safetensors(tmp_path / "own.safetensors", tensors, types)
    read = load_file(tmp_path / "own.safetensors")
    assert {name: array.dtype.name for name, array in read.items()} == {"w": "float32", "n": "int64", "none": "float32"}
    for name, array in tensors.items():
        np.testing.assert_array_equal(read[name], array)


def test_a_file_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    class Broken(dict[str, Any]):
        def __getitem__(self, name: str) -> Any:
            raise OSError("the disk is full")

    with pytest.raises(OSError, match="the disk is full"):
        write_safetensors(tmp_path / "own.safetensors", Broken(), {"w": TensorType("float32", (Dim.of(2),))})
    assert list(tmp_path.iterdir()) == []
