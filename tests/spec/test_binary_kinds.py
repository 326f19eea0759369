"""Files that people give in place of a spec: each is told by what wrote it, not by stackc."""

from __future__ import annotations

import json
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from safetensors.numpy import save_file

from stackc.core.diagnostics import SpecError
from stackc.spec.source import load_source


def save_model(path: Path) -> None:
    x, y = (onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1]) for name in "xy")
    graph = onnx.helper.make_graph([onnx.helper.make_node("Identity", ["x"], ["y"])], "g", [x], [y])
    onnx.save(onnx.helper.make_model(graph), path)


def save_torch(path: Path, **options: bool) -> None:
    import torch

    torch.save({"w": torch.zeros(3)}, path, **options)


def save_gguf(path: Path) -> None:
    import gguf

    writer = gguf.GGUFWriter(path, "llama")
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()


def save_picture(path: Path) -> None:
    from PIL import Image

    Image.new("RGB", (2, 2)).save(path)


WRITERS: dict[str, tuple[Callable[[Path], object], str]] = {
    "model.onnx": (save_model, "an ONNX model"),
    "model": (save_model, "an ONNX model"),
    "w.safetensors": (lambda path: save_file({"w": np.zeros(3, "f4")}, path), "a file of weights (safetensors)"),
    "x.npz": (lambda path: np.savez(path, x=np.zeros(3)), "an archive of NumPy arrays"),
    "x.npy": (lambda path: np.save(path, np.zeros(3)), "a NumPy array"),
    "w.pt": (save_torch, "an archive, as PyTorch writes for weights"),
    "old.pt": (lambda path: save_torch(path, _use_new_zipfile_serialization=False), "a pickle, as PyTorch writes"),
    "p.pkl": (lambda path: path.write_bytes(pickle.dumps({"w": 1})), "a pickle, as PyTorch writes"),
    "m.keras": (lambda path: zipfile.ZipFile(path, "w").writestr("config.json", "{}"), "a Keras model"),
    "m.gguf": (save_gguf, "a GGUF model"),
    "drawing.png": (save_picture, "a PNG picture"),
    "drawing.jpg": (save_picture, "a JPEG picture"),
}


@pytest.mark.parametrize("name", WRITERS)
def test_a_file_that_is_no_spec_is_named(name: str, tmp_path: Path) -> None:
    write, what = WRITERS[name]
    write(tmp_path / name)
    with pytest.raises(SpecError) as caught:
        load_source(tmp_path / name)
    (diagnostic,) = caught.value.diagnostics
    assert (diagnostic.code, diagnostic.message) == ("S009", f"{tmp_path / name} is {what}, not a spec")
    assert diagnostic.hint


@pytest.mark.parametrize(
    "text", ["stackc: 1\n", "%PD", "", "{}", json.dumps({"stackc": 1}), "\x08 not text, but no model"]
)
def test_a_text_is_read(text: str, tmp_path: Path) -> None:
    path = tmp_path / "spec.yaml"
    path.write_text(text, encoding="utf-8")
    assert load_source(path).text == text
