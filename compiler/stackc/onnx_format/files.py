"""The names of a built model's files; reading an ONNX file of any origin: without its data, and not at all if the data
lies outside the file's folder."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stackc.core.diagnostics import Collector, Diagnostic, SpecError
from stackc.core.special_files import special_kind
from stackc.runtime import ValueInfo

if TYPE_CHECKING:
    from onnx import ModelProto

MODEL, DATA = "model.onnx", "model.onnx.data"
"""A model that stackc writes, and its external data, if it has any, beside it."""
STEP = "step.onnx"
"""The decoding step of a model, whose weights are the external data of the model."""


def file_sizes(files: Iterable[Path]) -> str:
    """Return names and sizes: `model.onnx 1.2 MB, model.onnx.data 438.0 MB`."""
    return ", ".join(f"{file.name} {file.stat().st_size / 1e6:,.1f} MB" for file in files)


def read_model(path: Path, hint: str | None = None) -> ModelProto:
    """Return the model without its external data.

    Raises SpecError A610, with `hint`, if the file cannot be read, and A605 if its data lies outside its folder or is
    no file: ONNX Runtime must not open that.
    """
    import onnx
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]  # protobuf ships no types

    if kind := special_kind(path):
        raise SpecError(Diagnostic("A610", f"{path} cannot be read: it is {kind}", hint=hint))
    try:
        model = onnx.load(path, load_external_data=False)
    except (DecodeError, OSError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or error
        raise SpecError(Diagnostic("A610", f"{path} cannot be read: {reason}", hint=hint)) from error

    diagnostics = Collector()
    for tensor in _tensors(model):
        for entry in tensor.external_data:
            if entry.key != "location":
                continue
            if leads_out(path.parent, entry.value):
                diagnostics.error("A605", f"{path}: the data of '{tensor.name}' lies outside, at {entry.value}")
            elif kind := special_kind(path.parent / os.fsdecode(entry.value)):
                diagnostics.error("A605", f"{path}: the data of '{tensor.name}' is {kind}, at {entry.value}")
    diagnostics.raise_if_any()
    return model


def data_locations(model: ModelProto) -> tuple[str, ...]:
    """Return the files of external data that a model names, each once, relative to its folder."""
    entries = (entry for tensor in _tensors(model) for entry in tensor.external_data if entry.key == "location")
    return tuple(dict.fromkeys(os.fsdecode(entry.value) for entry in entries))


def save_beside_data(model: ModelProto, path: Path, source: Path) -> None:
    """Write a model whose external data lies in the folder `source`: beside links to it, or else beside copies."""
    import onnx

    for location in data_locations(model):
        (path.parent / location).parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(source / location, path.parent / location)
        except OSError:  # another file system, or one without links
            shutil.copyfile(source / location, path.parent / location)
    onnx.save(model, path)


def leads_out(folder: Path, name: str | bytes) -> bool:
    """Return whether a name leads out of the folder: by `..`, as an absolute path or through a symbolic link.

    Protobuf returns bytes for text that is not UTF-8.
    """
    try:
        return not (folder / os.fsdecode(name)).resolve().is_relative_to(folder.resolve())
    except ValueError:  # a NUL character: such a path leads nowhere
        return True


def _tensors(message: Any) -> Iterator[Any]:
    """Yield every TensorProto below a protobuf message: in graphs, subgraphs, functions and attributes."""
    for descriptor, value in message.ListFields():
        if descriptor.message_type is None:
            continue

        parts = [value] if hasattr(value, "ListFields") else value
        for part in parts:
            if descriptor.message_type.name == "TensorProto":
                yield part
            else:
                yield from _tensors(part)


def declared_inputs(model: ModelProto) -> tuple[ValueInfo, ...]:
    """Return the inputs that must be fed: those without an initializer."""
    from stackc.onnx_format.values import read_value

    initialized = {tensor.name for tensor in model.graph.initializer}
    initialized |= {tensor.values.name for tensor in model.graph.sparse_initializer}
    return tuple(read_value(value) for value in model.graph.input if value.name not in initialized)
