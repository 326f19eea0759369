"""ONNX: the initializers of a model, in the file or in data files beside it."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from stackc.weights.files.base import Array, ReadError, report_broken_file

if TYPE_CHECKING:
    import onnx


@dataclass(frozen=True)
class OnnxFile:
    """The initializers of a model by name."""

    path: Path
    tensors: Mapping[str, onnx.TensorProto]
    shapes: Mapping[str, tuple[int, ...]]
    dtypes: Mapping[str, str]

    @property
    def paths(self) -> tuple[Path, ...]:
        """The model, and the files beside it that hold its tensors."""
        places = (_location(self.path, tensor) for tensor in self.tensors.values())
        return (self.path, *dict.fromkeys(place[0] for place in places if place))

    @staticmethod
    def open(path: Path, *, of_artifact: bool = False) -> OnnxFile:
        """Read the model, but no tensors from other files. Raises ReadError if it is no model or not complete.

        A model of stackc is read only as a part `of_artifact`, which says how its parameters are stored.
        """
        import onnx
        from google.protobuf.message import DecodeError  # type: ignore[import-untyped]  # protobuf ships no types

        model = onnx.ModelProto()
        try:
            model.ParseFromString(path.read_bytes())
        except DecodeError:
            raise ReadError("it is not an ONNX model") from None
        if not model.HasField("graph"):
            raise ReadError("it is not an ONNX model")

        if model.producer_name == "stackc" and not of_artifact:
            message = "it is a model of stackc, which stores parameters as its operators need them"
            raise ReadError(message, "name the folder of its artifact, or the file of weights that it was built from")

        tensors = {tensor.name: tensor for tensor in model.graph.initializer}
        if not tensors:
            raise ReadError("it has no initializers", "export the model with its weights in it")
        shapes = {name: tuple(tensor.dims) for name, tensor in tensors.items()}
        dtypes = {name: _dtype(tensor) for name, tensor in tensors.items()}
        for name, tensor in tensors.items():
            _require_whole(path, tensor, dtypes[name])
        return OnnxFile(path, tensors, shapes, dtypes)

    def read(self, name: str) -> Array:
        """Return one tensor: a view of the data file if it lies there."""
        from onnx import numpy_helper

        tensor = self.tensors[name]
        with report_broken_file(self.path):
            place = _location(self.path, tensor)
            if place is None:
                return np.asarray(numpy_helper.to_array(tensor))
            file, offset, _ = place
            shape = self.shapes[name]
            if 0 in shape:
                return np.empty(shape, _numpy_type(self.dtypes[name]))
            view: Array = np.memmap(file, _numpy_type(self.dtypes[name]), "r", offset, shape).view(np.ndarray)
            return view if view.flags.aligned else view.copy()


def _dtype(tensor: onnx.TensorProto) -> str:
    """Return the element type with NumPy's name. Raises ReadError for one that is none."""
    import onnx

    try:
        return str(onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type).name)
    except (KeyError, ValueError, TypeError):
        raise ReadError(f"'{tensor.name}' has no known element type") from None


def _numpy_type(dtype: str) -> np.dtype[np.generic]:
    import ml_dtypes

    return np.dtype(ml_dtypes.bfloat16 if dtype == "bfloat16" else dtype).newbyteorder("<")


def _location(path: Path, tensor: onnx.TensorProto) -> tuple[Path, int, int] | None:
    """Return file, offset and length of a tensor that lies in another file. Raises ReadError if that is not beside."""
    import onnx

    if tensor.data_location != onnx.TensorProto.EXTERNAL:
        return None
    entries = {entry.key: entry.value for entry in tensor.external_data}
    name = entries.get("location", "")
    file = path.parent / name
    if (
        not name
        or Path(name).is_absolute()
        or ".." in Path(name).parts
        or os.path.islink(file)
        or not os.path.isfile(file)
    ):
        raise ReadError(f"'{tensor.name}' lies in '{name}', which is not in its folder", "download all of its files")
    offset, length = int(entries.get("offset", 0)), entries.get("length")
    return file, offset, int(length) if length else file.stat().st_size - offset


def _require_whole(path: Path, tensor: onnx.TensorProto, dtype: str) -> None:
    """Raise ReadError if a tensor has fewer or more bytes than its shape says."""
    if any(size < 0 for size in tensor.dims):
        raise ReadError(f"'{tensor.name}' has a size below 0")
    size = math.prod(tensor.dims) * _numpy_type(dtype).itemsize
    place = _location(path, tensor)
    if place is not None:
        file, offset, length = place
        if length != size or not 0 <= offset <= file.stat().st_size - length:
            raise ReadError(f"'{tensor.name}' does not lie where it says in {file.name}", "download its files again")
    elif tensor.HasField("raw_data") and len(tensor.raw_data) != size:
        raise ReadError(f"'{tensor.name}' does not have the size that its shape says")
