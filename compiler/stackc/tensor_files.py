"""Files of named tensors, read one tensor at a time: safetensors, NumPy's .npz, and what PyTorch saves.

Nothing here imports torch but for files that PyTorch wrote, and nothing in a file is ever run.
"""

from __future__ import annotations

import math
import pickle
import re
import struct
import tokenize
import warnings
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from stackc.diagnostics import Diagnostic, Span, SpecError

if TYPE_CHECKING:
    import torch

Array = npt.NDArray[np.generic]
SUFFIXES = (".safetensors", ".npz", ".pt", ".pth", ".bin")


class TensorFile(Protocol):
    """Named tensors that are read one at a time; element types are called as NumPy and PyTorch call them."""

    @property
    def shapes(self) -> Mapping[str, tuple[int, ...]]:
        """The shape of every tensor by name."""

    @property
    def dtypes(self) -> Mapping[str, str]:
        """The element type of every tensor by name."""

    def read(self, name: str) -> Array:
        """One tensor, of float32 where it is bfloat16. SpecError W804 where the file is broken there."""


def open_weights(path: Path, span: Span | None = None) -> TensorFile:
    """A file of tensors by its suffix. SpecError W804 where there is none or it is broken."""
    if not path.is_file():
        hint = "a file, by --weights or under `weights: {file: …}`"
        raise SpecError(Diagnostic("W804", f"no weights at {path}", span, hint))
    if path.suffix not in SUFFIXES:
        hint = f"stackc reads {', '.join(SUFFIXES)}"
        raise SpecError(Diagnostic("W804", f"{path.name}: weights of an unknown kind", span, hint))
    with _broken_is_said(path, span):
        if path.suffix == ".safetensors":
            return _SafetensorsFile.open(path)
        return _NpzFile.open(path) if path.suffix == ".npz" else _TorchFile.open(path)


class _Unreadable(Exception):
    """A weight file that cannot be read, in the user's words; `hint` is the mend."""

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint


_BROKEN = (_Unreadable, OSError, ValueError, EOFError, RuntimeError, MemoryError, zipfile.BadZipFile, zlib.error)
# What PyTorch's unpicklers raise beside these on bytes that are no pickle.
_NO_PICKLE = (struct.error, LookupError, TypeError, AttributeError, AssertionError)


@contextmanager
def _broken_is_said(path: Path, span: Span | None = None) -> Iterator[None]:
    """What goes wrong in reading `path`, as W804."""
    try:
        yield
    except _BROKEN as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0].partition(". ")[0]
        hint = error.hint if isinstance(error, _Unreadable) else None
        message = f"{path} is broken or not what its name says: {reason}"
        hint = hint or "is the file whole? Compare its size with the original"
        raise SpecError(Diagnostic("W804", message, span, hint)) from None


_SAFETENSORS_TYPES = {
    "F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16", "I64": "int64", "I32": "int32",
    "I16": "int16", "I8": "int8", "U64": "uint64", "U32": "uint32", "U16": "uint16", "U8": "uint8", "BOOL": "bool",
}  # fmt: skip


@dataclass(frozen=True)
class _SafetensorsFile:
    path: Path
    shapes: Mapping[str, tuple[int, ...]]
    dtypes: Mapping[str, str]

    @staticmethod
    def open(path: Path) -> _SafetensorsFile:
        with _safetensors(path) as file:
            slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118  it is no mapping
            shapes = {name: tuple(piece.get_shape()) for name, piece in slices.items()}
            types = {name: piece.get_dtype() for name, piece in slices.items()}
        return _SafetensorsFile(path, shapes, {name: _SAFETENSORS_TYPES.get(t, t) for name, t in types.items()})

    def read(self, name: str) -> Array:
        import ml_dtypes  # noqa: F401  gives NumPy the type bfloat16

        with _broken_is_said(self.path), _safetensors(self.path) as file:
            tensor: Array = file.get_tensor(name)
            return tensor.astype(np.float32) if self.dtypes[name] == "bfloat16" else tensor


@contextmanager
def _safetensors(path: Path) -> Iterator[Any]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            yield file
    except SafetensorError as error:
        raise _Unreadable(str(error)) from None


@dataclass(frozen=True)
class _NpzFile:
    path: Path
    shapes: Mapping[str, tuple[int, ...]]
    dtypes: Mapping[str, str]

    @staticmethod
    def open(path: Path) -> _NpzFile:
        with zipfile.ZipFile(path) as archive:
            headers = {info.filename.removesuffix(".npy"): _npy_header(archive, info) for info in archive.infolist()}
        shapes = {name: shape for name, (shape, _) in headers.items()}
        return _NpzFile(path, shapes, {name: dtype.name for name, (_, dtype) in headers.items()})

    def read(self, name: str) -> Array:
        with _broken_is_said(self.path), np.load(self.path, allow_pickle=False) as file:
            tensor: Array = file[name]
            return tensor


def _npy_header(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> tuple[tuple[int, ...], np.dtype[np.generic]]:
    """Shape and type of one array of an .npz; _Unreadable where its bytes cannot be that many."""
    with archive.open(info) as member:
        version = np.lib.format.read_magic(member)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        try:
            shape, _, dtype = read(member)
        except (tokenize.TokenError, SyntaxError):
            raise _Unreadable(f"'{info.filename}' has no header of an array") from None
        if dtype.hasobject:
            raise _Unreadable(f"'{info.filename}' holds Python objects", "save arrays of numbers alone")
        if member.tell() + math.prod(shape) * dtype.itemsize != info.file_size:
            raise _Unreadable(f"'{info.filename}' has another size than it says")
    return shape, dtype


@dataclass(frozen=True)
class _TorchFile:
    path: Path
    tensors: Mapping[str, torch.Tensor]

    @property
    def shapes(self) -> Mapping[str, tuple[int, ...]]:
        """The shape of every tensor by name."""
        return {name: tuple(tensor.shape) for name, tensor in self.tensors.items()}

    @property
    def dtypes(self) -> Mapping[str, str]:
        """The element type of every tensor by name."""
        return {name: str(tensor.dtype).removeprefix("torch.") for name, tensor in self.tensors.items()}

    @staticmethod
    def open(path: Path) -> _TorchFile:
        import torch

        try:
            with warnings.catch_warnings(action="ignore"):  # PyTorch's are about the code that saved the file
                state = torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
        except pickle.UnpicklingError as error:
            raise _refused(str(error)) from None
        except _NO_PICKLE:
            raise _refused("") from None
        hint = "save the state_dict alone: `torch.save(model.state_dict(), …)`"
        if not isinstance(state, Mapping) or not all(isinstance(name, str) for name in state):
            raise _Unreadable("it holds something else than a state_dict", hint)
        for name, tensor in state.items():
            if not isinstance(tensor, torch.Tensor):
                raise _Unreadable(f"'{name}' in it is no tensor", hint)
            if tensor.layout is not torch.strided or tensor.is_meta or tensor.is_quantized:
                raise _Unreadable(f"'{name}' in it is sparse, quantized or without data", "save plain tensors")
        return _TorchFile(path, state)

    def read(self, name: str) -> Array:
        tensor = self.tensors[name].detach()
        with _broken_is_said(self.path):
            array: Array = (tensor.float() if self.dtypes[name] == "bfloat16" else tensor).numpy()
            return array


def _refused(message: str) -> _Unreadable:
    """Why PyTorch did not unpickle a file as weights alone; its own advice, to run what is in it, is not passed on."""
    if match := re.search(r"GLOBAL (\S+)|Unsupported|_internal|persistent", message):
        what = f" ({match[1]})" if match[1] else ""
        hint = "save the state_dict alone: `torch.save(model.state_dict(), …)`"
        return _Unreadable(f"it holds Python objects{what}, which stackc does not run", hint)
    return _Unreadable("it is no file of torch.save")
