"""Tables: .csv, .tsv, .jsonl and .parquet, through Arrow.

A table is converted once into an Arrow file in the user's cache, a piece at a time, and read from there where it lies:
any row at once, so that it can be shuffled, while memory does not grow with the table.
"""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from stackc.cache import UNUSED_SECONDS, user_cache
from stackc.core.diagnostics import Diagnostic, SpecError
from stackc.runtime import Array
from stackc.training.data.arrays import unreadable
from stackc.training.data.column_store import RowError, Taken, needed_package

PIECE_BYTES = 16 << 20
"""The size of the pieces that a table is converted in."""

_FORMAT = "1"
_SUFFIX = ".arrow"


@dataclass(frozen=True)
class Table:
    """A table in an Arrow file that is mapped into memory; `starts` are the first rows of its pieces, then the end."""

    path: Path
    reader: Any
    starts: Array
    views: dict[str, list[Array] | None]
    is_typed = False
    is_random = False

    @property
    def kinds(self) -> Mapping[str, str]:
        """The Arrow type of each column."""
        return {field.name: str(field.type) for field in self.reader.schema}

    def __len__(self) -> int:
        return int(self.starts[-1])

    def take(self, name: str, rows: Array) -> Taken:
        """Return some rows of a column: numbers, texts, bytes, or lists of numbers. Raises RowError."""
        arrow = needed_package("pyarrow", "a table")
        column = self.reader.schema.get_field_index(name)
        pieces = np.searchsorted(self.starts, rows, side="right") - 1
        order = np.argsort(pieces, kind="stable")
        if (views := self._views_of(name, column)) is not None:
            return np.stack([views[piece][row - self.starts[piece]] for piece, row in zip(pieces, rows, strict=True)])

        parts = []
        for piece in np.unique(pieces):
            inside = rows[order[pieces[order] == piece]] - self.starts[piece]
            parts.append(self.reader.get_batch(int(piece)).column(column).take(arrow.array(inside)))
        joined = arrow.concat_arrays(parts) if len(parts) > 1 else parts[0]
        back = np.empty_like(order)
        back[order] = np.arange(len(order))
        return _values(joined.take(arrow.array(back)), name)

    def _views_of(self, name: str, column: int) -> list[Array] | None:
        """Return each piece of a column of numbers, or of lists of a fixed size, as it lies in the file; else None."""
        if name not in self.views:
            pieces = [self.reader.get_batch(piece).column(column) for piece in range(len(self.starts) - 1)]
            views = [_view(piece) for piece in pieces]
            self.views[name] = None if any(view is None for view in views) else [v for v in views if v is not None]
        return self.views[name]

    def lengths(self, name: str) -> Array:
        """Return the length of each row: of a list or of a text; 0 for a number."""
        arrow, compute = needed_package("pyarrow", "a table"), needed_package("pyarrow.compute", "a table")
        column, lengths = self.reader.schema.get_field_index(name), np.zeros(len(self), np.int64)
        is_text = arrow.types.is_string(self.reader.schema.field(column).type)
        measure = compute.binary_length if is_text else compute.list_value_length
        if not is_text and not _is_list(self.reader.schema.field(column).type):
            return lengths

        for piece, (start, end) in enumerate(zip(self.starts[:-1], self.starts[1:], strict=True)):
            measured = measure(self.reader.get_batch(piece).column(column)).fill_null(0)
            lengths[start:end] = measured.to_numpy(zero_copy_only=False)
        return lengths


def open_table(path: Path) -> Table:
    """Open a table, converting it if it is not in the cache. Raises SpecError L201 if it cannot be read or is empty."""
    arrow = needed_package("pyarrow", f"reading {path.suffix}")
    try:
        stat = path.stat()
        identity = repr((_FORMAT, arrow.__version__, str(path.resolve()), stat.st_size, stat.st_mtime_ns))
        reader = _cached(path, hashlib.sha256(identity.encode()).hexdigest())
    except (arrow.ArrowException, OSError, ValueError) as error:
        raise unreadable(path, error) from error

    sizes = [reader.get_batch(piece).num_rows for piece in range(reader.num_record_batches)]
    if not sum(sizes):
        raise SpecError(Diagnostic("L201", f"{path} has no examples"))
    return Table(path, reader, np.cumsum([0, *sizes]), {})


def _cached(path: Path, key: str) -> Any:
    """Return a reader of the converted table, which is mapped into memory."""
    arrow = needed_package("pyarrow", "a table")
    cache = user_cache()
    folder = cache.folder / "tables" if cache else Path(tempfile.mkdtemp(prefix="stackc-"))
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    kept = folder / f"{key}{_SUFFIX}"
    if not kept.exists():
        _drop_unused(folder)
        _convert(path, kept)

    os.utime(kept)
    reader = arrow.ipc.open_file(arrow.memory_map(str(kept)))
    if cache is None:
        kept.unlink()
        folder.rmdir()
    return reader


def _drop_unused(folder: Path) -> None:
    """Remove tables that no run has read for a month, and what killed runs left."""
    for file in folder.iterdir():
        if time.time() - file.stat().st_mtime > UNUSED_SECONDS:
            file.unlink(missing_ok=True)


def _convert(path: Path, target: Path) -> None:
    """Write a table as an Arrow file, whole or not at all, in pieces of a bounded size."""
    arrow = needed_package("pyarrow", "a table")
    descriptor, beside = tempfile.mkstemp(dir=target.parent)
    os.close(descriptor)
    try:
        pieces = _PIECES[path.suffix](path)
        first = next(pieces, None)
        if first is None:
            raise ValueError("it has no rows")
        with arrow.ipc.new_file(beside, first.schema) as writer:
            for table in _of_size(first, pieces):
                writer.write_table(table.combine_chunks(), max_chunksize=max(1, table.num_rows))
        os.replace(beside, target)
    finally:
        Path(beside).unlink(missing_ok=True)


def _of_size(first: Any, pieces: Iterator[Any]) -> Iterator[Any]:
    """Yield tables of about PIECE_BYTES, of smaller ones."""
    arrow = needed_package("pyarrow", "a table")
    waiting, size = [first], first.nbytes
    for piece in pieces:
        if size >= PIECE_BYTES:
            yield arrow.concat_tables(waiting)
            waiting, size = [], 0
        waiting.append(piece)
        size += piece.nbytes
    yield arrow.concat_tables(waiting)


# -- kinds of tables, in pieces


def _csv(path: Path) -> Iterator[Any]:
    """Yield the pieces of a .csv or .tsv. A type that does not hold further down becomes the next wider one."""
    csv, arrow = needed_package("pyarrow.csv", "a table"), needed_package("pyarrow", "a table")
    parse = csv.ParseOptions(delimiter="\t" if path.suffix == ".tsv" else ",", newlines_in_values=True)
    types: dict[str, Any] = {}
    while True:
        with csv.open_csv(path, parse_options=parse, convert_options=csv.ConvertOptions(column_types=types)) as reader:
            types = {field.name: field.type for field in reader.schema}
            names = list(types)
            try:
                for _ in reader:
                    pass
                break
            except arrow.ArrowInvalid as error:
                found = re.search(r"column #(\d+):(?: Row #\d+:)? CSV conversion error to (\w+)", str(error))
                if found is None or types[names[int(found[1])]] == arrow.string():
                    raise
                wider = {"null": arrow.int64(), "int64": arrow.float64()}
                types[names[int(found[1])]] = wider.get(found[2], arrow.string())
    yield from _flat(csv.open_csv(path, parse_options=parse, convert_options=csv.ConvertOptions(column_types=types)))


def _jsonl(path: Path) -> Iterator[Any]:
    json, arrow = needed_package("pyarrow.json", "a table"), needed_package("pyarrow", "a table")
    schema = None
    try:
        with json.open_json(path) as reader:
            schema = reader.schema
            for _ in reader:
                pass
    except arrow.ArrowInvalid:
        if schema is None:
            raise
        schema = arrow.schema([field.with_type(_with_floats(field.type)) for field in schema])
    options = json.ParseOptions(explicit_schema=schema, unexpected_field_behavior="ignore")
    yield from _flat(json.open_json(path, parse_options=options))


def _with_floats(type_: Any) -> Any:
    """Return a type with floats in place of whole numbers: of some numbers of a file, the first ones may be whole."""
    arrow = needed_package("pyarrow", "a table")
    if arrow.types.is_list(type_):
        return arrow.list_(_with_floats(type_.value_type))
    return arrow.float64() if arrow.types.is_integer(type_) else type_


def _parquet(path: Path) -> Iterator[Any]:
    parquet = needed_package("pyarrow.parquet", "a table")
    with parquet.ParquetFile(path, memory_map=True, pre_buffer=False) as file:
        groups = [file.metadata.row_group(group) for group in range(file.num_row_groups)]
        row = max((group.total_byte_size / max(1, group.num_rows) for group in groups), default=1)
        yield from _flat(file.iter_batches(batch_size=max(1, min(65_536, int(PIECE_BYTES / max(row, 1))))))


def _flat(batches: Any) -> Iterator[Any]:
    """Yield record batches as tables, in which a member of a structure is a column `name.member`."""
    arrow = needed_package("pyarrow", "a table")
    for batch in batches:
        table = arrow.Table.from_batches([batch])
        while any(arrow.types.is_struct(field.type) for field in table.schema):
            table = table.flatten()
        yield table


_PIECES: Mapping[str, Callable[[Path], Iterator[Any]]] = {
    ".csv": _csv, ".tsv": _csv, ".jsonl": _jsonl, ".parquet": _parquet,
}  # fmt: skip

# -- values of Arrow


def _view(array: Any) -> Array | None:
    """Return an Arrow array as NumPy sees it in place; None if it is empty somewhere, or of another kind."""
    types = needed_package("pyarrow", "a table").types
    shape = [len(array)]
    while types.is_fixed_size_list(array.type) and not array.null_count:
        shape.append(array.type.list_size)
        array = array.flatten()
    if array.null_count or not (types.is_integer(array.type) or types.is_floating(array.type)):
        return None
    view: Array = array.to_numpy(zero_copy_only=True).reshape(shape)
    return view


def _values(array: Any, name: str) -> Taken:
    """Return the rows of an Arrow array. Raises RowError for one that is empty, or of another kind."""
    types = needed_package("pyarrow", "a table").types
    if types.is_dictionary(array.type):
        array = array.dictionary_decode()
    if array.null_count:
        index = int(np.flatnonzero(array.is_null().to_numpy(zero_copy_only=False))[0])
        raise RowError(index, f"column '{name}' is empty", "fill it in, or remove the row")

    if types.is_string(array.type) or types.is_large_string(array.type):
        return list(array.to_pylist())
    if types.is_binary(array.type) or types.is_large_binary(array.type):
        return list(array.to_pylist())
    if _is_list(array.type):
        return _lists(array, name)
    if types.is_integer(array.type) or types.is_floating(array.type) or types.is_boolean(array.type):
        numbers: Array = array.to_numpy(zero_copy_only=False)
        return numbers
    raise RowError(0, f"column '{name}' has the type {array.type}, which is no number, text or list of numbers")


def _is_list(type_: Any) -> bool:
    types = needed_package("pyarrow", "a table").types
    return bool(types.is_list(type_) or types.is_large_list(type_) or types.is_fixed_size_list(type_))


def _lists(array: Any, name: str) -> Taken:
    """Return lists as one array if they are equally long, else as an array for each."""
    compute = needed_package("pyarrow.compute", "a table")
    lengths: Array = compute.list_value_length(array).to_numpy(zero_copy_only=False)
    ends = np.cumsum(lengths)
    try:
        entries = _values(array.flatten(), name)
    except RowError as error:
        row = int(np.searchsorted(ends, error.index, side="right"))
        raise RowError(row, f"column '{name}' has an entry that is empty or of another kind", error.hint) from None

    if isinstance(entries, np.ndarray) and len(set(lengths.tolist())) == 1:
        return entries.reshape(len(lengths), int(lengths[0]), *entries.shape[1:])
    return [
        _row(entries[end - length : end], index, name)
        for index, (end, length) in enumerate(zip(ends, lengths, strict=True))
    ]


def _row(entries: Sequence[Any] | Array, index: int, name: str) -> Any:
    """Return one list as an array; its own lists have to be equally long."""
    if isinstance(entries, np.ndarray) or (entries and not isinstance(entries[0], np.ndarray)):
        return entries
    if len({entry.shape for entry in entries}) > 1:
        raise RowError(index, f"column '{name}' has lists of different lengths inside of one row")
    return np.stack(entries) if entries else np.zeros(0)
