"""What torch.save writes: a pickle, in a zip archive or bare, from which only tensors are read."""

from __future__ import annotations

import pickle
import re
import struct
import warnings
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ml_dtypes
import numpy as np

from stackc.core.archives import zip_bomb_size
from stackc.weights.files.base import Array, ReadError, report_broken_file

if TYPE_CHECKING:
    import torch

# Raised by PyTorch's unpicklers, beside UnpicklingError, on bytes that are not a pickle.
_NO_PICKLE = (struct.error, LookupError, TypeError, AttributeError, AssertionError)
_SAVE_STATE_DICT = "save the state_dict alone: `torch.save(model.state_dict(), …)`"


@dataclass(frozen=True)
class TorchFile:
    """The state_dict that a file holds, mapped into memory if the file allows it."""

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
        """Unpickle tensors and nothing else. Raises ReadError if the file holds anything else, or no state_dict."""
        state = _state_dict(_unpickle(path))
        _require_tensors(state)
        shapes = {name: tuple(tensor.shape) for name, tensor in state.items()}
        dtypes = {name: str(tensor.dtype).removeprefix("torch.") for name, tensor in state.items()}
        return TorchFile(path, state, shapes, dtypes)

    def read(self, name: str) -> Array:
        """Return a tensor as a view of the file, or of what was read from it."""
        import torch

        tensor = self.tensors[name].detach()
        with report_broken_file(self.path):
            if tensor.dtype is not torch.bfloat16:
                return np.asarray(tensor.numpy())
            return np.asarray(tensor.view(torch.int16).numpy().view(ml_dtypes.bfloat16))


def _unpickle(path: Path) -> Any:
    """Unpickle a file in PyTorch's mode for weights, which runs nothing. Raises ReadError if PyTorch refuses it."""
    import torch

    archive = zipfile.is_zipfile(path)
    if archive and (unpacked := zip_bomb_size(path)):  # which PyTorch would unpack at once
        message = f"it unpacks to {unpacked:,} bytes, but torch.save compresses nothing"
        raise ReadError(message, "save it with torch.save")

    try:
        with warnings.catch_warnings(action="ignore"):  # PyTorch's are about the code that saved the file
            return torch.load(path, map_location="cpu", weights_only=True, mmap=archive)
    except pickle.UnpicklingError as error:
        raise _unpickling_error(str(error)) from None
    except _NO_PICKLE:
        raise _unpickling_error("") from None


_NAMES_OF_STATE = ("state_dict", "model_state_dict", "model", "module", "net", "network", "params", "weights")


def _state_dict(content: Any) -> Any:
    """Return the state_dict in what a training script saved: under its usual name, or the only one there is."""
    if not isinstance(content, Mapping) or any(_is_tensor(value) for value in content.values()):
        return content
    states = {
        name: value
        for name, value in content.items()
        if isinstance(value, Mapping) and value and all(isinstance(key, str) for key in value)
        and any(_is_tensor(tensor) for tensor in value.values())
    }  # fmt: skip

    for name in _NAMES_OF_STATE:
        if name in states:
            return states[name]
    if len(states) > 1:
        names = ", ".join(map(str, states))
        raise ReadError(f"it holds several state_dicts: {names}", "save one of them: `torch.save(content[NAME], …)`")
    return next(iter(states.values()), content)


def _is_tensor(value: object) -> bool:
    import torch

    return isinstance(value, torch.Tensor)


def _require_tensors(state: Any) -> None:
    """Raise ReadError unless the object is a mapping of names to plain tensors."""
    import torch

    if not isinstance(state, Mapping) or not all(isinstance(name, str) for name in state):
        raise ReadError("it does not hold a state_dict", _SAVE_STATE_DICT)
    for name, tensor in state.items():
        if not isinstance(tensor, torch.Tensor):
            raise ReadError(f"'{name}' in it is not a tensor", _SAVE_STATE_DICT)
        if tensor.layout is not torch.strided or tensor.is_meta or tensor.is_quantized:
            raise ReadError(f"'{name}' in it is sparse, quantized or without data", "save plain tensors")


def _unpickling_error(message: str) -> ReadError:
    """Say why PyTorch refused a file, without PyTorch's own advice, which is to run the code in it."""
    if match := re.search(r"GLOBAL (\S+)|Unsupported|_internal|persistent", message):
        what = f" ({match[1]})" if match[1] else ""
        return ReadError(f"it holds Python objects{what}, which stackc does not run", _SAVE_STATE_DICT)
    return ReadError("it was not written by torch.save")
