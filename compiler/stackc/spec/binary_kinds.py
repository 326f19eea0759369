"""Files that are given in place of a spec: models, weights and pictures, told by how they begin."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class BinaryKind:
    """A kind of file: what it is, with its article, and the command that takes it."""

    what: str
    hint: str


_WEIGHTS = "give it beside its spec: `--weights FILE`; `stackc weights SPEC FILE` shows what matches"
_PICTURE = "a spec is text, YAML or Mermaid; the drawing that this shows may be in one"
_BEGINNINGS = (
    (b"GGUF", BinaryKind("a GGUF model", "`stackc import FILE.gguf -o my` writes its spec")),
    (b"\x89PNG", BinaryKind("a PNG picture", _PICTURE)),
    (b"\xff\xd8\xff", BinaryKind("a JPEG picture", _PICTURE)),
    (b"%PDF", BinaryKind("a PDF document", _PICTURE)),
    (
        b"\x93NUMPY",
        BinaryKind("a NumPy array", "arrays by name, in an .npz file, are inputs of `stackc run`, or weights"),
    ),
    (b"\x89HDF", BinaryKind("an HDF5 file", "save the weights as .safetensors, and give them beside a spec")),
)
_ONNX = BinaryKind("an ONNX model", "`stackc show MODEL.onnx` shows what is in it, `stackc bench MODEL.onnx` times it")
_SAFETENSORS = BinaryKind("a file of weights (safetensors)", _WEIGHTS)
_PICKLE = BinaryKind("a pickle, as PyTorch writes", _WEIGHTS)
_ARCHIVES = {
    ".npz": BinaryKind("an archive of NumPy arrays", "`stackc run ARTIFACT -i FILE.npz` runs a model on them"),
    ".keras": BinaryKind(
        "a Keras model", "stackc does not read it: draw the model, and save its weights as .safetensors"
    ),
}
_ARCHIVE = BinaryKind("an archive, as PyTorch writes for weights", _WEIGHTS)


def is_model_file(path: Path) -> bool:
    """Return whether a path is that of an ONNX file, by its suffix, and so neither a spec nor an artifact."""
    return path.suffix.lower() == ".onnx"


def binary_kind(suffix: str, data: bytes) -> BinaryKind | None:
    """Return what a file is that cannot be a spec, by its suffix and its first bytes; None if it may be text."""
    for beginning, kind in _BEGINNINGS:
        if data.startswith(beginning):
            return kind
    if data.startswith(b"PK\x03\x04"):
        return _ARCHIVES.get(suffix, _ARCHIVE)
    if re.match(rb'.{6}\x00\x00\{\s*"', data, re.DOTALL):  # the length of a header of JSON, in 8 bytes
        return _SAFETENSORS
    if re.match(rb"\x80[\x02-\x05]", data):
        return _PICKLE
    # ONNX is a protobuf without a mark of its own: the first field is the version of its format, a small number
    is_model = suffix == ".onnx" or re.match(rb"\x08[\x03-\x1f][\x12:]", data)
    return _ONNX if is_model and not _is_text(data) else None


def _is_text(data: bytes) -> bool:
    try:
        text = data[:4096].decode("utf-8", errors="strict" if len(data) < 4096 else "ignore")
    except UnicodeDecodeError:
        return False
    return not re.search(r"[\x00-\x08\x0e-\x1f]", text)
