"""The interface of all formats of tensor files, and how read errors become diagnostics."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from stackc.core.diagnostics import Diagnostic, Span, SpecError

Array = npt.NDArray[np.generic]


class TensorFile(Protocol):
    """Named tensors that are read one at a time; element types have the names of NumPy and PyTorch."""

    @property
    def paths(self) -> tuple[Path, ...]:
        """The files that it consists of."""

    @property
    def shapes(self) -> Mapping[str, tuple[int, ...]]:
        """The shape of every tensor by name."""

    @property
    def dtypes(self) -> Mapping[str, str]:
        """The element type of every tensor by name."""

    def read(self, name: str) -> Array:
        """Return one tensor, read-only: a view of the file if the format allows it, read when it is used.

        bfloat16 is the type of that name in ml_dtypes. Raises SpecError (W804) if the file is broken there.
        """


class ReadError(Exception):
    """A file of weights that cannot be read; the message is for the user, `hint` says how to fix it."""

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint


_BROKEN = (ReadError, OSError, ValueError, EOFError, RuntimeError, MemoryError, zipfile.BadZipFile, zlib.error)


@contextmanager
def report_broken_file(path: Path, span: Span | None = None) -> Iterator[None]:
    """Report errors in reading `path` as SpecError (W804)."""
    try:
        yield
    except _BROKEN as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0].partition(". ")[0]
        hint = error.hint if isinstance(error, ReadError) else None
        message = f"{path} is broken or not what its name says: {reason}"
        hint = hint or "is the file whole? Compare its size with the original"
        raise SpecError(Diagnostic("W804", message, span, hint)) from None
