"""What torch.save writes: a pickle, in a zip archive or bare, of which nothing but tensors is taken."""

from __future__ import annotations

import pickle
import re
import struct
import warnings
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import ml_dtypes
import numpy as np

from stackc.weights.files.base import Array, ReadError, report_broken_file

if TYPE_CHECKING:
    import torch

# What PyTorch's unpicklers raise beside UnpicklingError on bytes that are no pickle.
_NO_PICKLE = (struct.error, LookupError, TypeError, AttributeError, AssertionError)


@dataclass(frozen=True)
class TorchFile:
    """The state_dict that a file holds, mapped into memory where the file allows it."""

    path: Path
    tensors: Mapping[str, torch.Tensor]
    shapes: Mapping[str, tuple[int, ...]]
    dtypes: Mapping[str, str]

    @property
    def paths(self) -> tuple[Path, ...]:
        """The file."""
        return (self.path,)

    @staticmethod
    def open(path: Path) -> TorchFile:
        """Unpickle tensors and nothing else. ReadError where there is something else, or no state_dict."""
        import torch

        archive = zipfile.is_zipfile(path)
        if archive:
            _refuse_bombs(path)
        try:
            with warnings.catch_warnings(action="ignore"):  # PyTorch's are about the code that saved the file
                state = torch.load(path, map_location="cpu", weights_only=True, mmap=archive)
        except pickle.UnpicklingError as error:
            raise _refused(str(error)) from None
        except _NO_PICKLE:
            raise _refused("") from None
        hint = "save the state_dict alone: `torch.save(model.state_dict(), …)`"
        if not isinstance(state, Mapping) or not all(isinstance(name, str) for name in state):
            raise ReadError("it holds something else than a state_dict", hint)
        for name, tensor in state.items():
            if not isinstance(tensor, torch.Tensor):
                raise ReadError(f"'{name}' in it is no tensor", hint)
            if tensor.layout is not torch.strided or tensor.is_meta or tensor.is_quantized:
                raise ReadError(f"'{name}' in it is sparse, quantized or without data", "save plain tensors")
        shapes = {name: tuple(tensor.shape) for name, tensor in state.items()}
        dtypes = {name: str(tensor.dtype).removeprefix("torch.") for name, tensor in state.items()}
        return TorchFile(path, state, shapes, dtypes)

    def read(self, name: str) -> Array:
        """A tensor as a view of the file, or of what was read of it."""
        import torch

        tensor = self.tensors[name].detach()
        with report_broken_file(self.path):
            if tensor.dtype is not torch.bfloat16:
                return np.asarray(tensor.numpy())
            return np.asarray(tensor.view(torch.int16).numpy().view(ml_dtypes.bfloat16))


def _refuse_bombs(path: Path) -> None:
    """A small archive can unpack to gigabytes, which PyTorch would do at once; torch.save packs nothing."""
    with zipfile.ZipFile(path) as archive:
        unpacked = sum(info.file_size for info in archive.infolist())
    if unpacked > path.stat().st_size:
        raise ReadError(f"it unpacks to {unpacked:,} bytes, and torch.save packs nothing", "save it with torch.save")


def _refused(message: str) -> ReadError:
    """Why PyTorch did not unpickle a file as weights alone; its own advice, to run what is in it, is not passed on."""
    if match := re.search(r"GLOBAL (\S+)|Unsupported|_internal|persistent", message):
        what = f" ({match[1]})" if match[1] else ""
        hint = "save the state_dict alone: `torch.save(model.state_dict(), …)`"
        return ReadError(f"it holds Python objects{what}, which stackc does not run", hint)
    return ReadError("it is no file of torch.save")
