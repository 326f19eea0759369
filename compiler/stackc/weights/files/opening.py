"""Open a file of tensors by its suffix."""

from __future__ import annotations

from pathlib import Path

from stackc.core.diagnostics import Diagnostic, Span, SpecError
from stackc.weights.files.base import TensorFile, report_broken_file
from stackc.weights.files.npz_file import NpzFile
from stackc.weights.files.safetensors_file import SafetensorsFile
from stackc.weights.files.shards import Shards
from stackc.weights.files.torch_file import TorchFile

INDEX = ".index.json"
KINDS = (".safetensors", ".npz", ".pt", ".pth", ".bin", INDEX)


def open_weights(path: Path, span: Span | None = None) -> TensorFile:
    """Open a file of tensors by its suffix. Raises SpecError (W804) if it does not exist or is broken."""
    if not path.is_file():
        hint = "name a file with --weights or under `weights: {file: …}`"
        raise SpecError(Diagnostic("W804", f"no weights at {path}", span, hint))
    if not path.name.endswith(KINDS):
        hint = f"stackc reads {', '.join(KINDS)}"
        raise SpecError(Diagnostic("W804", f"{path.name}: unknown kind of weights", span, hint))

    with report_broken_file(path, span):
        if path.name.endswith(INDEX):
            return Shards.open(path, lambda file: open_weights(file, span))
        if path.suffix == ".safetensors":
            return SafetensorsFile.open(path)
        return NpzFile.open(path) if path.suffix == ".npz" else TorchFile.open(path)
