"""Open files of tensors by their suffixes, and folders by what is in them."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

from stackc.core.diagnostics import Diagnostic, Span, SpecError
from stackc.weights.files.base import TensorFile, report_broken_file
from stackc.weights.files.gguf_file import GgufFile
from stackc.weights.files.npz_file import NpzFile
from stackc.weights.files.onnx_file import OnnxFile
from stackc.weights.files.safetensors_file import SafetensorsFile
from stackc.weights.files.several import SeveralFiles
from stackc.weights.files.shards import Shards
from stackc.weights.files.torch_file import TorchFile

INDEX = ".index.json"
KINDS = (".safetensors", ".npz", ".pt", ".pth", ".bin", ".onnx", ".gguf", INDEX)

_OPENERS: Mapping[str, Callable[[Path], TensorFile]] = {
    ".safetensors": SafetensorsFile.open, ".npz": NpzFile.open, ".onnx": OnnxFile.open, ".gguf": GgufFile.open,
}  # fmt: skip
_IN_A_FOLDER = ("*.safetensors.index.json", "model.safetensors", "*.safetensors", "*.bin.index.json",
                "pytorch_model.bin", "*.gguf", "*.npz", "*.onnx", "*.pt", "*.pth", "*.bin")  # fmt: skip
_OF_A_TRAINER = {"training_args.bin", "optimizer.pt", "optimizer.bin", "scheduler.pt", "scaler.pt", "rng_state.pth"}


Paths: TypeAlias = Path | tuple[Path, ...]
"""A file or a folder, or several of them that are read as one."""


def describe_paths(paths: Paths) -> str:
    """Return the names of files for messages."""
    return paths.name or str(paths) if isinstance(paths, Path) else " and ".join(path.name for path in paths)


def open_weights(path: Paths, span: Span | None = None) -> TensorFile:
    """Open a file of tensors by its suffix, a folder of them, or several as one.

    Raises SpecError: W804 if one does not exist or is broken, W808 if two have a tensor of the same name.
    """
    if not isinstance(path, Path):
        return SeveralFiles.of([open_weights(each, span) for each in path], span)
    if os.path.isdir(path):
        return SeveralFiles.of([open_weights(each, span) for each in _files_of(path, span)], span)
    if not os.path.isfile(path):
        hint = "name a file with --weights or under `weights: {file: …}`"
        raise SpecError(Diagnostic("W804", f"no weights at {path}", span, hint))
    if not path.name.endswith(KINDS):
        hint = f"stackc reads {', '.join(KINDS)}"
        raise SpecError(Diagnostic("W804", f"{path.name}: unknown kind of weights", span, hint))

    with report_broken_file(path, span):
        if path.name.endswith(INDEX):
            return Shards.open(path, lambda file: open_weights(file, span))
        return _OPENERS.get(path.suffix, TorchFile.open)(path)


def _files_of(folder: Path, span: Span | None) -> Sequence[Path]:
    """Return the files of tensors of a folder: those of its index, all its .safetensors, or its only file.

    Raises SpecError (W804) if there is none, or if there are several that are not parts of one.
    """
    for pattern in _IN_A_FOLDER:
        files = sorted(file for file in folder.glob(pattern) if file.is_file() and file.name not in _OF_A_TRAINER)
        _require_all_parts(folder, files, span)
        if len(files) == 1 or (files and (pattern == "*.safetensors" or _PART.search(files[0].name))):
            return files
        if files:
            message = f"{folder} has several files of weights: {', '.join(file.name for file in files[:8])}"
            raise SpecError(Diagnostic("W804", message, span, "name one of them"))
    message = f"no weights in the folder {folder}"
    raise SpecError(Diagnostic("W804", message, span, f"stackc reads {', '.join(KINDS)}"))


_PART = re.compile(r"-\d{5}-of-(\d{5})\.")


def _require_all_parts(folder: Path, files: Sequence[Path], span: Span | None) -> None:
    """Raise SpecError (W804) if files are numbered as parts of a whole, and some are missing."""
    for file in files:
        if (match := _PART.search(file.name)) and len(files) < int(match[1]):
            message = f"{folder} has {len(files)} of the {int(match[1])} parts that {file.name} is one of"
            raise SpecError(Diagnostic("W804", message, span, "download all of its files"))
