"""A file whose names begin with a prefix that the spec leaves out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from stackc.core.diagnostics import Diagnostic, SpecError
from stackc.weights.files.base import Array, TensorFile


@dataclass(frozen=True)
class FileWithoutPrefix:
    """Another file, under names without the prefix; `names` leads back to those of the file."""

    file: TensorFile
    names: Mapping[str, str]
    shapes: Mapping[str, tuple[int, ...]]
    dtypes: Mapping[str, str]

    @property
    def paths(self) -> tuple[Path, ...]:
        """The files that it consists of."""
        return self.file.paths

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

    shapes = {name: file.shapes[original] for name, original in names.items()}
    return FileWithoutPrefix(file, names, shapes, {name: file.dtypes[original] for name, original in names.items()})
