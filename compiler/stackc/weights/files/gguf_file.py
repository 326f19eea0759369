"""GGUF, the format of llama.cpp: read with the package `gguf`, quantized tensors as the float32 that they stand for."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import ml_dtypes
import numpy as np

from stackc.weights.files.base import Array, ReadError, report_broken_file

if TYPE_CHECKING:
    from gguf import ReaderTensor

_NUMPY_TYPES = {"F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16"} | {
    f"I{bits}": f"int{bits}" for bits in (8, 16, 32, 64)
}
_BROKEN = (LookupError, OverflowError, TypeError, AttributeError)


@dataclass(frozen=True)
class GgufFile:
    """The tensors of a GGUF by name, with NumPy's order of axes: the file has it reversed."""

    path: Path
    tensors: Mapping[str, ReaderTensor]
    shapes: Mapping[str, tuple[int, ...]]
    dtypes: Mapping[str, str]

    @property
    def paths(self) -> tuple[Path, ...]:
        """The file."""
        return (self.path,)

    @staticmethod
    def open(path: Path) -> GgufFile:
        """Read the header. Raises ReadError if the package is not installed, or tensors do not lie where it says."""
        try:
            import gguf
        except ImportError:
            raise ReadError("reading a GGUF needs the package gguf", "pip install 'stackc[gguf]'") from None

        try:
            with np.errstate(all="ignore"):
                reader = gguf.GGUFReader(path)
        except _BROKEN:
            raise ReadError("its header is not complete") from None
        except ValueError as error:
            if "reshape" in str(error):
                raise ReadError("a tensor does not lie where the header says") from None
            raise
        _require_apart(reader.tensors, path.stat().st_size)

        tensors = {tensor.name: tensor for tensor in reader.tensors}
        shapes = {name: tuple(map(int, reversed(tensor.shape.tolist()))) for name, tensor in tensors.items()}
        dtypes = {name: _NUMPY_TYPES.get(tensor.tensor_type.name, "float32") for name, tensor in tensors.items()}
        return GgufFile(path, tensors, shapes, dtypes)

    def read(self, name: str) -> Array:
        """Return one tensor: a view of the file, or what a quantized one stands for."""
        from gguf.quants import dequantize

        tensor, shape = self.tensors[name], self.shapes[name]
        stored: Array = np.asarray(tensor.data)
        with report_broken_file(self.path):
            if tensor.tensor_type.name in _NUMPY_TYPES:
                plain = stored.view(ml_dtypes.bfloat16) if tensor.tensor_type.name == "BF16" else stored
                return plain.reshape(shape)
            try:
                return np.asarray(dequantize(stored, tensor.tensor_type).reshape(shape))
            except NotImplementedError:
                message = f"'{name}' is {tensor.tensor_type.name}, which the package gguf does not dequantize"
                raise ReadError(message, "update gguf, or convert the file") from None


def _require_apart(tensors: list[ReaderTensor], size: int) -> None:
    """Raise ReadError if a tensor reaches beyond the file or into another, or has another size than its shape says."""
    import gguf

    end, before = 0, "the header"
    for tensor in sorted(tensors, key=lambda tensor: int(tensor.data_offset)):
        block, block_bytes = gguf.GGML_QUANT_SIZES[tensor.tensor_type]
        count = math.prod(map(int, tensor.shape.tolist()))
        start = int(tensor.data_offset)
        if count // block * block_bytes != int(tensor.n_bytes) or start + int(tensor.n_bytes) > size:
            raise ReadError(f"'{tensor.name}' does not lie where its header says")
        if start < end:
            raise ReadError(f"'{tensor.name}' begins inside of {before}")
        end, before = start + int(tensor.n_bytes), f"'{tensor.name}'"
