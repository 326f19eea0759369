"""A file under other names than it has: without a prefix, or with PyTorch's names for TensorFlow's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from stackc.core.diagnostics import Diagnostic, SpecError
from stackc.weights.files.base import Array, TensorFile

_TENSORFLOW = {"LayerNorm.gamma": "LayerNorm.weight", "LayerNorm.beta": "LayerNorm.bias"}


@dataclass(frozen=True)
class RenamedFile:
    """Another file under new names; `names` leads back to those of the file."""

    file: TensorFile
    names: Mapping[str, str]
    shapes: Mapping[str, tuple[int, ...]]
    dtypes: Mapping[str, str]

    @property
    def paths(self) -> tuple[Path, ...]:
        """The files that it consists of."""
        return self.file.paths

    @staticmethod
    def of(file: TensorFile, names: Mapping[str, str]) -> RenamedFile:
        """Return the file under new names, each with its name in the file."""
        shapes = {name: file.shapes[original] for name, original in names.items()}
        return RenamedFile(file, names, shapes, {name: file.dtypes[original] for name, original in names.items()})

    def read(self, name: str) -> Array:
        """Return one tensor."""
        return self.file.read(self.names[name])


def without_prefix(file: TensorFile, prefix: str) -> TensorFile:
    """Return the file with the prefix left out where names have it. Raises SpecError (W808) if two names become one."""
    if not prefix or not any(name.startswith(prefix) for name in file.shapes):
        return file
    names: dict[str, str] = {}
    for name in file.shapes:
        if (other := names.setdefault(name.removeprefix(prefix), name)) != name:
            message = f"without the prefix '{prefix}', '{other}' and '{name}' have the same name"
            raise SpecError(Diagnostic("W808", message, hint="write the names in the map instead of a prefix"))
    return RenamedFile.of(file, names)


def with_torch_names(file: TensorFile) -> TensorFile:
    """Return the file with PyTorch's names for layer norms that were converted from TensorFlow.

    Older checkpoints of BERT have `LayerNorm.gamma` and `LayerNorm.beta`, which transformers renames as well.
    """
    names = {_torch_name(name): name for name in file.shapes}
    return (
        RenamedFile.of(file, names) if names.keys() != file.shapes.keys() and len(names) == len(file.shapes) else file
    )


def _torch_name(name: str) -> str:
    ending = ".".join(name.split(".")[-2:])
    return name.removesuffix(ending) + _TENSORFLOW.get(ending, ending)
