"""Write a .safetensors file, one tensor in memory at a time."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from stackc.core.types import TensorType
from stackc.weights.files.base import Array
from stackc.weights.files.safetensors_file import OWN_NAMES, SAFETENSORS_TYPES


def write_safetensors(
    path: Path, tensors: Mapping[str, Array], types: Mapping[str, TensorType], *, own_names: bool = False
) -> None:
    """Write tensors of these types; each is asked for once, when it is written.

    With `own_names` the file says that its names are those of the spec, so that no map applies.

    The file appears whole or not at all. Raises OSError if it cannot be written.
    """
    codes = {dtype: code for code, dtype in SAFETENSORS_TYPES.items()}
    header: dict[str, object] = {"__metadata__": {"format": "pt"} | dict([OWN_NAMES] * own_names)}
    end = 0
    for name, type_ in types.items():
        shape = [dim.evaluate({}) for dim in type_.shape]
        start, end = end, end + int(np.prod(shape, dtype=np.int64)) * np.dtype(type_.dtype).itemsize
        header[name] = {"dtype": codes[type_.dtype], "shape": shape, "data_offsets": [start, end]}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)

    # a file of mkstemp could be read by its owner alone
    beside = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    with beside.open("xb") as file:
        try:
            file.write(len(text).to_bytes(8, "little") + text)
            for name in types:
                file.write(np.ascontiguousarray(tensors[name]).reshape(-1).view(np.uint8).data)
            file.close()
            os.replace(beside, path)
        except BaseException:
            file.close()
            beside.unlink()
            raise
