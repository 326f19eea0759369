"""Files of several parts of a model as one: each tensor under the label of its part, `encoder:layer.0.weight`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from stackc.weights.files.base import Array, TensorFile


def labelled(label: str, name: str) -> str:
    """Return the name of a tensor of a part."""
    return f"{label}:{name}"


@dataclass(frozen=True)
class LabelledFiles:
    """The files of parts by their labels."""

    files: Mapping[str, TensorFile]

    @property
    def paths(self) -> tuple[Path, ...]:
        """All of the files, each once."""
        return tuple(dict.fromkeys(path for file in self.files.values() for path in file.paths))

    @cached_property
    def shapes(self) -> Mapping[str, tuple[int, ...]]:
        """The shape of every tensor by name."""
        return {labelled(label, n): shape for label, file in self.files.items() for n, shape in file.shapes.items()}

    @cached_property
    def dtypes(self) -> Mapping[str, str]:
        """The element type of every tensor by name."""
        return {labelled(label, n): dtype for label, file in self.files.items() for n, dtype in file.dtypes.items()}

    def read(self, name: str) -> Array:
        """Read one tensor from the file of its part."""
        label, _, rest = name.partition(":")
        return self.files[label].read(rest)
