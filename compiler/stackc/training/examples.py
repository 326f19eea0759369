"""Files of examples, in batches that are held to the inputs of the spec."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from stackc.artifact.packaging import value_infos
from stackc.core.diagnostics import Diagnostic, SpecError, did_you_mean
from stackc.core.types import DimContract
from stackc.core.value_range import ValueRange
from stackc.ir.program import Program
from stackc.runtime import Array, ValueInfo, check_feeds
from stackc.training.columns import Columns, open_columns


@dataclass(frozen=True)
class Batch:
    """Some examples: arrays by the names of the inputs, and the rows of the file that they are."""

    feeds: Mapping[str, Array]
    rows: Array


@dataclass(frozen=True)
class Examples:
    """A file of examples. Its columns are mapped to inputs by name; others are left alone."""

    path: Path
    columns: Columns
    inputs: tuple[ValueInfo, ...]
    contract: DimContract

    @staticmethod
    def open(path: Path, program: Program, ranges: Mapping[str, ValueRange]) -> Examples:
        """Open a file for the inputs of a program. Raises SpecError L201, also for an input without a column."""
        columns = open_columns(path)
        inputs = value_infos(program.inputs, ranges)
        for value in inputs:
            if value.name not in columns:
                hint = did_you_mean(value.name, columns) or f"it has {', '.join(columns)}"
                raise SpecError(Diagnostic("L201", f"{path} has no column '{value.name}'", hint=hint))
        return Examples(path, columns, inputs, program.contract)

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))

    def batches(self, size: int, order: Array | None = None, *, start: int = 0) -> Iterator[Batch]:
        """Yield batches of `size` examples, the last one smaller, in this order of rows; from number `start` on."""
        rows = np.arange(len(self)) if order is None else order
        for begin in range(start * size, len(rows), size):
            yield self.batch(rows[begin : begin + size])

    def batch(self, rows: Array) -> Batch:
        """Return these rows as a batch. Raises SpecError L202, with the file and the row, if one does not fit."""
        feeds = {value.name: self._converted(value, self.columns[value.name][rows]) for value in self.inputs}
        try:
            check_feeds(self.inputs, feeds, self.contract)
        except SpecError as error:
            raise self._blamed(error, feeds, rows) from None
        return Batch(feeds, rows)

    def _converted(self, value: ValueInfo, column: Array) -> Array:
        """Return a column with the element type of its input, if that loses nothing."""
        is_whole = value.dtype.startswith("int")
        if column.dtype.kind not in ("bui" if is_whole else "f") or column.dtype == value.dtype:
            return column
        converted = column.astype(value.dtype)
        return converted if not is_whole or np.array_equal(converted, column) else column

    def _blamed(self, error: SpecError, feeds: Mapping[str, Array], rows: Array) -> SpecError:
        """Return what is wrong with a batch as L202 at the first row that is wrong by itself, or at all of them."""
        for index, row in enumerate(rows):
            try:
                check_feeds(self.inputs, {name: column[index : index + 1] for name, column in feeds.items()})
            except SpecError as alone:
                return _with_place(alone, f"{self.path}, row {row}")
        return _with_place(error, f"{self.path}, rows {rows[0]} to {rows[-1]}" if len(rows) > 1 else str(self.path))


def epoch_order(count: int, seed: int, epoch: int, *, shuffle: bool) -> Array:
    """Return the order of the examples in an epoch: random, but always the same for a seed and an epoch."""
    return np.random.default_rng([seed, epoch]).permutation(count) if shuffle else np.arange(count)


def _with_place(error: SpecError, place: str) -> SpecError:
    return SpecError(*(Diagnostic("L202", f"{place}: {each.message}", hint=each.hint) for each in error.diagnostics))
