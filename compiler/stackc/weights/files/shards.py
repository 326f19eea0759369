"""Weights in several files, with an index, as Hugging Face writes it, of the file that holds each tensor."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from stackc.weights.files.base import Array, ReadError, TensorFile

_HINT = "an index has {weight_map: {TENSOR: FILE}}, with all files in its folder"


@dataclass(frozen=True)
class Shards:
    """The tensors of an index, each with the file that holds it."""

    index: Path
    files: Mapping[str, TensorFile]
    shapes: Mapping[str, tuple[int, ...]]
    dtypes: Mapping[str, str]

    @property
    def paths(self) -> tuple[Path, ...]:
        """The index and the files that it names."""
        return (self.index, *dict.fromkeys(path for file in self.files.values() for path in file.paths))

    @staticmethod
    def open(index: Path, open_file: Callable[[Path], TensorFile]) -> Shards:
        """Read the index and open its files. Raises ReadError if it is not an index or names what does not exist."""
        names = _weight_map(index)
        opened = {file: open_file(index.parent / file) for file in dict.fromkeys(names.values())}
        for name, file in names.items():
            if name not in opened[file].shapes:
                message = f"it says that '{name}' is in {file}, but it is not"
                raise ReadError(message, "download the index and its files again")

        files = {name: opened[file] for name, file in names.items()}
        shapes = {name: file.shapes[name] for name, file in files.items()}
        dtypes = {name: file.dtypes[name] for name, file in files.items()}
        return Shards(index, files, shapes, dtypes)

    def read(self, name: str) -> Array:
        """Read one tensor from its file."""
        return self.files[name].read(name)


def _weight_map(index: Path) -> dict[str, str]:
    """Read the file of each tensor. Raises ReadError if the index names a file outside its folder or a missing one."""
    tree = json.loads(index.read_text(encoding="utf-8"))
    names = tree.get("weight_map") if isinstance(tree, dict) else None
    if not isinstance(names, dict) or not all(isinstance(file, str) for file in names.values()):
        raise ReadError("it is not an index of weights", _HINT)

    for file in dict.fromkeys(names.values()):
        if Path(file).name != file or file.endswith(".json"):
            raise ReadError(f"it names the file '{file}'", _HINT)
        if not os.path.isfile(index.parent / file):
            raise ReadError(f"it names {file}, which is not in its folder", "download all of its files")
    return names
