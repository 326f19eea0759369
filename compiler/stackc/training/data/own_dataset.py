"""`data: {train: MODULE:CLASS}`: a Dataset of the user's own, whose code runs only if `--trust` names its module."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from stackc.components.custom.foreign_errors import RAISED, describe
from stackc.components.custom.module import Unfit
from stackc.components.custom.trusted_imports import TrustedImports, missing_trust
from stackc.core.diagnostics import Diagnostic, SpecError, did_you_mean
from stackc.ir.training import Training
from stackc.resolve.custom import import_trusted, is_trusted, require_not_shadowed
from stackc.runtime import Array
from stackc.training.data.column_store import RowError, Taken


@dataclass(frozen=True)
class OwnDataset:
    """A map-style Dataset: `dataset[index]` is a mapping of tensors, arrays, numbers or texts by the names of columns.

    Rows are read once for all columns of a batch, in their order and by one thread, so that a random number drawn from
    torch is the same in a run that is resumed.
    """

    name: str
    dataset: Any
    length: int
    first: Mapping[str, Any]
    imports: TrustedImports
    batch: dict[str, Any]
    is_typed = True
    is_random = True

    @property
    def kinds(self) -> Mapping[str, str]:
        """The type of each column in the first row."""
        return {name: type(value).__name__ for name, value in self.first.items()}

    def __len__(self) -> int:
        return self.length

    def take(self, name: str, rows: Array) -> Taken:
        """Return some rows of a column. Raises RowError for one that cannot be read, or lacks the column."""
        key = rows.tobytes()
        if self.batch.get("key") != key or name in self.batch["taken"]:
            self.batch.update(key=key, rows=[self._row(index, int(row)) for index, row in enumerate(rows)], taken=set())
        self.batch["taken"].add(name)

        values = []
        for index, row in enumerate(self.batch["rows"]):
            if name not in row:
                raise RowError(index, f"it has no '{name}'", f"it has {', '.join(map(str, row))}")
            values.append(_plain(row[name]))
        return values

    def lengths(self, name: str) -> Array:
        """Return the length of each row, all of which are read for that."""
        rows = (self._row(0, row)[name] for row in range(len(self)))
        return np.array([len(value) if hasattr(value, "__len__") else 0 for value in rows], np.int64)

    def _row(self, index: int, row: int) -> Mapping[str, Any]:
        try:
            with self.imports:
                values = self.dataset[row]
        except RAISED as error:
            raise RowError(index, f"{self.name} fails: {describe(error)}") from None
        if not isinstance(values, Mapping):
            hint = 'return a mapping of columns: `{"x": …, "label": …}`'
            raise RowError(index, f"{self.name} returns a {type(values).__name__}", hint)
        return values


def open_own(name: str, training: Training) -> OwnDataset:
    """Make the Dataset of MODULE:CLASS, without arguments.

    Raises SpecError N316 if its module is not trusted, L201 if it cannot be made, or is no map-style Dataset.
    """
    module, _, attribute = name.partition(":")
    if not is_trusted(module, training.trust):
        message = f"'{name}' is code that is not trusted to run, so there are no examples"
        raise SpecError(Diagnostic("N316", message, hint=f"`--trust {module}` lets it run"))

    folder = training.folder.resolve()
    imports = TrustedImports(training.trust, (str(folder), str(Path.cwd())))
    with imports, _reported(name):
        loaded, _ = import_trusted(f"{module}.{attribute}", training.trust)
        require_not_shadowed(loaded, folder)
        if not hasattr(loaded, attribute):
            raise Unfit(f"{module} has no '{attribute}'", did_you_mean(attribute, vars(loaded)))
        dataset = getattr(loaded, attribute)()
        length = len(dataset)
        first = dataset[0] if length else {}
    if not length:
        raise SpecError(Diagnostic("L201", f"{name} has no examples"))
    if not isinstance(first, Mapping):
        hint = 'return a mapping of columns: `{"x": …, "label": …}`'
        raise SpecError(Diagnostic("L201", f"{name} returns a {type(first).__name__}, not a mapping", hint=hint))
    return OwnDataset(name, dataset, length, first, imports, {})


@contextmanager
def _reported(name: str) -> Iterator[None]:
    """Raise whatever the user's code raises as SpecError L201, and N316 for lack of trust."""
    try:
        yield
    except Unfit as error:
        code = "N316" if error.code == "N316" else "L201"
        raise SpecError(Diagnostic(code, f"{name}: {error}", hint=error.hint)) from None
    except RAISED as error:
        if problem := missing_trust(error):
            raise SpecError(Diagnostic("N316", f"{name}: {problem[0]}", hint=problem[1])) from None
        raise SpecError(Diagnostic("L201", f"{name} cannot be made: {describe(error)}")) from None


def _plain(value: Any) -> Any:
    """Return a value as an array, or as it is if it is text, bytes or a path."""
    if isinstance(value, (str, bytes, Path)):
        return value
    return value.detach().cpu().numpy() if isinstance(value, torch.Tensor) else np.asarray(value)
