"""Files of examples, in batches that are held to the inputs of the spec."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from stackc.artifact.packaging import value_infos
from stackc.core.diagnostics import Diagnostic, SpecError
from stackc.core.types import FLOATS, Dim, DimContract
from stackc.ir.training import DataSource, Training
from stackc.runtime import Array, ValueInfo, check_feeds
from stackc.training.data.buckets import bucketed_order, epoch_order
from stackc.training.data.column_store import RowError
from stackc.training.data.input_reader import InputReader
from stackc.training.data.open_store import open_store
from stackc.training.data.prefetch import prefetched


@dataclass(frozen=True)
class Batch:
    """Some examples: arrays by the names of the inputs, and the rows of the file that they are."""

    feeds: Mapping[str, Array]
    rows: Array


@dataclass(frozen=True)
class Examples:
    """A file of examples, or a folder, or a Dataset. Columns that are no input are left alone."""

    path: Path
    reader: InputReader
    inputs: tuple[ValueInfo, ...]
    contract: DimContract
    settings: DataSource

    @staticmethod
    def open(path: Path, training: Training) -> Examples:
        """Open a file for the inputs of a spec.

        Raises SpecError L201 if it cannot be read, also for an input without a column; N316 for code that is not
        trusted.
        """
        reader = InputReader.open(open_store(path, training), path, training)
        inputs = value_infos(training.program.inputs, training.ranges)
        return Examples(path, reader, inputs, training.program.contract, training.settings.data)

    def __len__(self) -> int:
        return len(self.reader.store)

    @property
    def kinds(self) -> Mapping[str, str]:
        """What the columns are: a run is resumed with examples of the same kinds."""
        return self.reader.store.kinds

    def order(self, seed: int, epoch: int) -> Array:
        """Return the order of the rows in an epoch, the same for a seed and an epoch; see `buckets`."""
        order = epoch_order(len(self), seed, epoch, shuffle=self.settings.shuffle)
        if self.settings.buckets is None:
            return order
        lengths = self.reader.row_lengths()
        return bucketed_order(order, lengths, self.settings.batch, self.settings.buckets, (seed, epoch))

    def batches(self, size: int, order: Array | None = None, *, start: int = 0) -> Iterator[Batch]:
        """Yield batches of `size` examples, the last one smaller, in this order of rows; from number `start` on."""
        rows = np.arange(len(self)) if order is None else order
        yield from self.batches_of(rows[begin : begin + size] for begin in range(start * size, len(rows), size))

    def batches_of(self, parts: Iterable[Array]) -> Iterator[Batch]:
        """Yield a batch for each of these arrays of rows, read ahead by the workers."""
        yield from prefetched(self.batch, parts, 0 if self.reader.store.is_random else self.settings.workers)

    def drawn_batches(self, draws: Iterable[Array], batch: Dim) -> Iterator[Batch]:
        """Yield a batch for each draw of rows, however many the contract allows for the dim of the batch."""
        free = batch.symbols()
        anything = replace(self, contract={name: own for name, own in self.contract.items() if name not in free})

        def read(rows: Array) -> Batch:
            return anything.batch(rows) if len(rows) else Batch({}, rows)

        yield from prefetched(read, draws, 0 if self.reader.store.is_random else self.settings.workers)

    def batch(self, rows: Array) -> Batch:
        """Return these rows as a batch. Raises SpecError L202, with the file and the row, if one does not fit."""
        try:
            feeds = self._feeds(rows)
            check_feeds(self.inputs, feeds, self.contract)
        except RowError as error:
            raise _misfit(f"{self.path}, row {rows[error.index]}", str(error), error.hint) from None
        except SpecError as error:
            raise self._blamed(error, rows) from None
        return Batch(feeds, rows)

    def _feeds(self, rows: Array) -> dict[str, Array]:
        """Return the inputs, with their element types. Raises RowError."""
        feeds, is_typed = self.reader.read(rows), self.reader.store.is_typed
        return {value.name: _converted(value, feeds[value.name], is_typed=is_typed) for value in self.inputs}

    def _blamed(self, error: SpecError, rows: Array) -> SpecError:
        """Return what is wrong with a batch as L202 at the first row that is wrong by itself, or at all of them."""
        counting = {value.shape[0] for value in self.inputs if value.shape}
        contract = {name: limits for name, limits in self.contract.items() if name not in counting}
        for row in rows:
            try:
                check_feeds(self.inputs, self._feeds(np.array([row])), contract)
            except SpecError as alone:
                return self._with_place(alone, f"{self.path}, row {row}")
        place = f"{self.path}, rows {rows.min()} to {rows.max()}" if len(rows) > 1 else f"{self.path}, row {rows[0]}"
        return self._with_place(error, place)

    def _with_place(self, error: SpecError, place: str) -> SpecError:
        """Return errors of feeds as L202; that of a size that is too large says how it is cut."""
        padded = [name for name, source in self.settings.columns.items() if source.pad is not None]
        diagnostics = []
        for each in error.diagnostics:
            hint = each.hint
            if each.code == "R417" and "at most" in each.message and padded:
                hint = f"`columns: {{{padded[0]}: {{truncate: true}}}}` cuts longer rows; {hint}"
            diagnostics.append(Diagnostic("L202", f"{place}: {each.message}", hint=hint))
        return SpecError(*diagnostics)


def _converted(value: ValueInfo, column: Array, *, is_typed: bool) -> Array:
    """Return a column with the element type of its input, if that loses nothing but digits of floats.

    Whole numbers are floats only where a column has no element type of its own, as that of a .csv.
    """
    is_float = value.dtype in FLOATS
    if column.dtype == value.dtype or column.dtype.kind not in ("f" if is_float and is_typed else "buif"):
        return column
    if not is_float and is_typed and column.dtype.kind == "f":
        return column
    with np.errstate(invalid="ignore", over="ignore"):
        converted = column.astype(value.dtype)
    return converted if (is_float and column.dtype.kind == "f") or np.array_equal(converted, column) else column


def _misfit(place: str, message: str, hint: str | None) -> SpecError:
    return SpecError(Diagnostic("L202", f"{place}: {message}", hint=hint))
