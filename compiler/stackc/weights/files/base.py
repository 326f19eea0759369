"""What every kind of tensor file offers, and how what is wrong with one is told."""

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
    """Named tensors that are read one at a time; element types are called as NumPy and PyTorch call them."""

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
        """One tensor, not to be written to: where the kind of file allows it, a view that is read when it is used.

        bfloat16 is the type of that name in ml_dtypes. SpecError W804 where the file is broken there.
        """


class ReadError(Exception):
    """A weight file that cannot be read, in the user's words; `hint` is the mend."""

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint


_BROKEN = (ReadError, OSError, ValueError, EOFError, RuntimeError, MemoryError, zipfile.BadZipFile, zlib.error)


@contextmanager
def report_broken_file(path: Path, span: Span | None = None) -> Iterator[None]:
    """What goes wrong in reading `path`, as W804."""
    try:
        yield
    except _BROKEN as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0].partition(". ")[0]
        hint = error.hint if isinstance(error, ReadError) else None
        message = f"{path} is broken or not what its name says: {reason}"
        hint = hint or "is the file whole? Compare its size with the original"
        raise SpecError(Diagnostic("W804", message, span, hint)) from None
