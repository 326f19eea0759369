"""The inputs of a model from rows of columns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from stackc.core.diagnostics import Diagnostic, SpecError, did_you_mean
from stackc.core.types import Bounds, DimContract, TensorType
from stackc.ir.training import InputSource, Training
from stackc.resolve.train_columns import joined_axis
from stackc.runtime import Array
from stackc.training.data.collating import (
    joined,
    mask_of,
    members_of_joined,
    padded,
    padded_length,
    require_same_lengths,
    shortened_rows,
    stacked,
    with_offsets,
)
from stackc.training.data.column_store import ColumnStore, RowError, Taken
from stackc.training.data.decoding import AudioDecoder, ImageDecoder, TextEncoder, class_numbers
from stackc.training.data.image_folder import ImageFolder

Lengths = Mapping[str, Sequence[int]]
"""The number of entries of each row, by input."""


@dataclass(frozen=True)
class InputReader:
    """Reads some rows as inputs. `folder` is where relative paths in columns begin."""

    store: ColumnStore
    sources: Mapping[str, InputSource]
    types: Mapping[str, TensorType]
    contract: DimContract
    encoders: Mapping[str, TextEncoder]
    folder: Path

    @staticmethod
    def open(store: ColumnStore, path: Path, training: Training) -> InputReader:
        """Return the reader of all inputs of a spec. Raises SpecError L201 for an input that nothing makes."""
        types, contract = training.program.inputs, training.program.contract
        sources = _all_sources(store, path, training)
        encoders = {}
        for name, source in sources.items():
            if source.tokenizer:
                longest = Bounds(contract).largest(types[name].shape[1]) if source.truncate else None
                beside = [folder / source.tokenizer for folder in (training.folder, path.parent)]
                tokenizer = next((file for file in beside if file.is_file()), beside[0])
                encoders[name] = TextEncoder.open(tokenizer, longest)
        folder = path if path.is_dir() else path.parent
        return InputReader(store, sources, types, contract, encoders, folder)

    def read(self, rows: Array) -> dict[str, Array]:
        """Return the inputs by name, with the element types of the columns. Raises RowError."""
        values, token_types = dict[str, Taken](), dict[str, list[Array]]()
        for name, source in self.sources.items():
            values[name], token_types[name] = self._rows_of(name, source, rows)
            if source.truncate:
                values[name] = shortened_rows(list(values[name]), self.types[name], self.contract)
                token_types[name] = shortened_rows(token_types[name], self.types[name], self.contract)

        feeds = dict[str, Array]()
        counts = self._add_joined(values, feeds)
        lengths = self._common_lengths(values)
        for name, source in self.sources.items():
            if source.pad is not None:
                self._add_padded(name, values[name], lengths, token_types[name], feeds)
            elif not source.join:
                taken = values[name]
                feeds[name] = taken if isinstance(taken, np.ndarray) else stacked(taken, name)
            if source.lengths:
                feeds[source.lengths] = np.array(counts[name] if source.join else [len(row) for row in values[name]])
        return feeds

    def row_lengths(self) -> Array:
        """Return a number for each row of the file that grows with the length of what is filled up in it."""
        ragged = [source for source in self.sources.values() if source.pad is not None or source.join]
        columns = dict.fromkeys(name for source in ragged for name in source.columns)
        return sum((self.store.lengths(name) for name in columns), np.zeros(len(self.store), np.int64))

    # -- values of an input

    def _rows_of(self, name: str, source: InputSource, rows: Array) -> tuple[Taken, list[Array]]:
        """Return the rows of one input, decoded, and the types of their tokens, if they are tokens."""
        columns = [self.store.take(column, rows) for column in source.columns]
        if source.tokenizer:
            return self.encoders[name](columns)
        if source.decode == "image" or (isinstance(self.store, ImageFolder) and source.columns == ("image",)):
            return ImageDecoder(self.types[name], source.resize, self.folder)(columns[0]), []
        if source.decode == "audio":
            return AudioDecoder(source.sample_rate, self.folder)(columns[0]), []

        columns = [class_numbers(column, source) for column in columns] if source.classes else columns
        for column, values in zip(source.columns, columns, strict=True):
            _require_numbers(column, name, values)
        return columns[0] if len(columns) == 1 else _side_by_side(source.columns, columns, name), []

    # -- rows of different lengths

    def _common_lengths(self, values: Mapping[str, Taken]) -> dict[str, int]:
        """Return what the rows of each input are filled up to: as long as the longest of those that share a dim."""
        dims: dict[str, dict[str, list[int]]] = {}
        for name, source in self.sources.items():
            if source.pad is not None:
                lengths = [_length(row, index, name) for index, row in enumerate(values[name])]
                dims.setdefault(str(self.types[name].shape[1]), {})[name] = lengths

        common = {}
        for dim, by_input in dims.items():
            require_same_lengths(by_input, dim)
            for name, lengths in by_input.items():
                common[name] = padded_length(lengths, self.types[name], self.contract)
        return common

    def _add_padded(
        self, name: str, rows: Taken, lengths: Mapping[str, int], token_types: list[Array], feeds: dict[str, Array]
    ) -> None:
        """Add an input that is filled up, its mask and the types of its tokens."""
        source, length = self.sources[name], lengths[name]
        assert source.pad is not None
        feeds[name] = padded(rows, length, source.pad, name)
        if source.mask:
            feeds[source.mask] = mask_of([len(row) for row in rows], length, self.types[source.mask].dtype)
        if source.types:
            feeds[source.types] = padded(token_types, length, 0, source.types)

    def _add_joined(self, values: Mapping[str, Taken], feeds: dict[str, Array]) -> Lengths:
        """Add the inputs whose rows follow each other; return how many entries each example has."""
        counts: dict[str, list[int]] = {}
        sources = {name: source for name, source in self.sources.items() if source.join}
        for name in sources:
            feeds[name], counts[name] = joined(values[name], self.types[name], name)

        for dim, names in _by_joined_dim(sources, self.types):
            require_same_lengths({name: counts[name] for name in names}, dim)
        for name, source in sources.items():
            if source.offset:
                before = counts[source.offset]
                feeds[name] = with_offsets(feeds[name], counts[name], self.types[name], before, name)
            if source.members:
                feeds[source.members] = members_of_joined(counts[name])
        return counts


def _all_sources(store: ColumnStore, path: Path, training: Training) -> dict[str, InputSource]:
    """Return what each input is made from: by default the column of its name. Raises SpecError L201."""
    written, known = training.settings.data.columns, store.kinds
    made = {name for source in written.values() for name in source.made}
    sources = {name: written.get(name, InputSource((name,))) for name in training.program.inputs if name not in made}
    for name, source in sources.items():
        for column in source.columns:
            if column not in known:
                hint = did_you_mean(column, known) or f"it has {', '.join(known)}"
                if column == name:
                    hint += f"; `columns: {{{name}: COLUMN}}` reads another one"
                raise SpecError(Diagnostic("L201", f"{path} has no column '{column}'", hint=hint))
    return sources


def _require_numbers(column: str, name: str, values: Taken) -> None:
    """Raise RowError if a column that is read as it is holds texts, or anything but numbers."""
    for index, value in enumerate(() if isinstance(values, np.ndarray) else values):
        if isinstance(value, str | bytes | Path) or (isinstance(value, list) and value and isinstance(value[0], str)):
            hint = f"`columns: {{{name}: …}}` with `tokenizer`, `classes` or `decode` makes numbers of it"
            raise RowError(index, f"column '{column}' holds texts, not numbers", hint)


def _side_by_side(names: Sequence[str], columns: Sequence[Taken], name: str) -> Array:
    """Return columns stacked along the last axis. Raises RowError if one has other axes."""
    arrays = [np.asarray(column) if isinstance(column, np.ndarray) else stacked(column, name) for column in columns]
    for column, array in zip(names, arrays, strict=True):
        if array.shape != arrays[0].shape:
            raise RowError(0, f"column '{column}' is {array.shape[1:]}, but '{names[0]}' is {arrays[0].shape[1:]}")
    return np.stack(arrays, -1)


def _length(row: Any, index: int, name: str) -> int:
    if np.ndim(row) == 0:
        raise RowError(index, f"'{name}' is one number, which cannot be filled up", "leave out `pad`")
    return len(row)


def _by_joined_dim(
    sources: Mapping[str, InputSource], types: Mapping[str, TensorType]
) -> Iterator[tuple[str, list[str]]]:
    """Yield each dim along which inputs are joined, with their names."""
    dims: dict[str, list[str]] = {}
    for name in sources:
        axis = joined_axis(types[name])
        assert axis is not None, "held to that when the spec is checked"
        dims.setdefault(str(types[name].shape[axis]), []).append(name)
    yield from dims.items()
