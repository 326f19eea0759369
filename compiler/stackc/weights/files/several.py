"""Several files of tensors read as one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from stackc.core.diagnostics import Diagnostic, Span, SpecError
from stackc.weights.files.base import Array, TensorFile


@dataclass(frozen=True)
class SeveralFiles:
    """The tensors of several files, each with the file that holds it."""

    parts: tuple[TensorFile, ...]
    files: Mapping[str, TensorFile]
    shapes: Mapping[str, tuple[int, ...]]
    dtypes: Mapping[str, str]

    @property
    def paths(self) -> tuple[Path, ...]:
        """All of the files."""
        return tuple(dict.fromkeys(path for part in self.parts for path in part.paths))

    @staticmethod
    def of(parts: Sequence[TensorFile], span: Span | None = None) -> TensorFile:
        """Return the files as one. Raises SpecError (W808) if two of them have a tensor of the same name."""
        if len(parts) == 1:
            return parts[0]
        files: dict[str, TensorFile] = {}
        for part in parts:
            for name in part.shapes:
                if (other := files.setdefault(name, part)) is not part:
                    where = f"{other.paths[0]} and in {part.paths[0]}"
                    hint = "name one of the files alone, or rename the tensor"
                    raise SpecError(Diagnostic("W808", f"'{name}' is in {where}", span, hint))

        shapes = {name: file.shapes[name] for name, file in files.items()}
        return SeveralFiles(tuple(parts), files, shapes, {name: file.dtypes[name] for name, file in files.items()})

    def read(self, name: str) -> Array:
        """Read one tensor from its file."""
        return self.files[name].read(name)
