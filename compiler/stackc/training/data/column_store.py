"""What a file of examples is: columns by name, whose rows are taken by their numbers. One of several kinds."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from types import ModuleType
from typing import Any, Protocol, TypeAlias

from stackc.core.diagnostics import Diagnostic, SpecError
from stackc.runtime import Array

Taken: TypeAlias = Array | list[Any]
"""Rows of a column: an array of them, or a list of arrays of different shapes, of texts, of bytes, of paths."""


class ColumnStore(Protocol):
    """Columns with one row for an example.

    `kinds` says what each column is. With `is_typed` it has the element type of the input already; otherwise whole
    numbers are as good as floats. `is_random` means that rows may differ each time, so that one thread reads them.
    """

    @property
    def is_typed(self) -> bool: ...  # noqa: D102
    @property
    def is_random(self) -> bool: ...  # noqa: D102
    @property
    def kinds(self) -> Mapping[str, str]: ...  # noqa: D102

    def __len__(self) -> int: ...

    def take(self, name: str, rows: Array) -> Taken:
        """Return some rows of a column. Raises RowError for one that cannot be read."""
        ...

    def lengths(self, name: str) -> Array:
        """Return a number for each row that grows with its length."""
        ...


class RowError(Exception):
    """A row that cannot be an input: its place among those that are read, what is wrong, and what to do."""

    def __init__(self, index: int, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.index = index
        self.hint = hint


def needed_package(name: str, what: str) -> ModuleType:
    """Import an optional package. Raises SpecError L201 with what to install if it is missing."""
    try:
        return importlib.import_module(name)
    except ImportError:
        package = {"PIL": "pillow"}.get(name.partition(".")[0], name.partition(".")[0])
        message = f"{what} needs the package {package}"
        raise SpecError(Diagnostic("L201", message, hint="pip install 'stackc[train]'")) from None
