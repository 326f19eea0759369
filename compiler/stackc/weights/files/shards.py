"""Weights in several files: an index, as Hugging Face writes it, says which tensor is in which of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from stackc.weights.files.base import Array, ReadError, TensorFile

_HINT = "the index has {weight_map: {TENSOR: FILE}}, and the files lie beside it"


@dataclass(frozen=True)
class Shards:
    """The tensors of an index, each with the file that holds it."""

    index: Path
    homes: Mapping[str, TensorFile]
    shapes: Mapping[str, tuple[int, ...]]
    dtypes: Mapping[str, str]

    @property
    def paths(self) -> tuple[Path, ...]:
        """The index and the files that it names."""
        return (self.index, *dict.fromkeys(path for home in self.homes.values() for path in home.paths))

    @staticmethod
    def open(index: Path, open_file: Callable[[Path], TensorFile]) -> Shards:
        """Read the index and open its files. ReadError where it is no index or names what is not there."""
        names = _weight_map(index)
        files = {file: open_file(index.parent / file) for file in dict.fromkeys(names.values())}
        for name, file in names.items():
            if name not in files[file].shapes:
                raise ReadError(f"it says that '{name}' is in {file}, and it is not", "download index and files anew")
        homes = {name: files[file] for name, file in names.items()}
        shapes = {name: home.shapes[name] for name, home in homes.items()}
        return Shards(index, homes, shapes, {name: home.dtypes[name] for name, home in homes.items()})

    def read(self, name: str) -> Array:
        """One tensor out of its file."""
        return self.homes[name].read(name)


def _weight_map(index: Path) -> dict[str, str]:
    tree = json.loads(index.read_text(encoding="utf-8"))
    names = tree.get("weight_map") if isinstance(tree, dict) else None
    if not isinstance(names, dict) or not all(isinstance(file, str) for file in names.values()):
        raise ReadError("it is no index of weights", _HINT)
    for file in dict.fromkeys(names.values()):
        if Path(file).name != file or file.endswith(".json"):
            raise ReadError(f"it names the file '{file}'", _HINT)
        if not (index.parent / file).is_file():
            raise ReadError(f"{file}, which it names, is not beside it", "download all of its files")
    return names
