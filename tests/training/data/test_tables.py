"""Tables and ragged columns: against Arrow, torch.nn.utils.rnn.pad_sequence and the batching of graphs by hand."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pytest
import torch
from pyarrow import csv, parquet
from tests.training.data.reading import complaint, only_batch, opened
from torch.nn.utils.rnn import pad_sequence

from stackc.core.diagnostics import SpecError
from stackc.training.data import tables
from stackc.training.data.buckets import bucketed_order

NUMBERS = "{x: {shape: [batch, 2]}, label: {dtype: int64, shape: [batch], below: 3}}"
STACKED = "{batch: 4, columns: {x: [age, income], label: {from: kind, classes: [a, b, c]}}}"
RAGGED = (
    "{x: {dtype: float32, shape: [batch, seq]}, m: {dtype: bool, shape: [batch, seq]}, "
    "n: {dtype: int64, shape: [batch]}}"
)
ROWS: list[dict[str, Any]] = [
    {"age": index, "income": index / 4, "kind": "abc"[index % 3], "x": [float(index)] * (1 + index % 5)}
    for index in range(11)
]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STACKC_CACHE", str(tmp_path / "cache"))


def write_rows(path: Path, rows: list[dict[str, Any]]) -> Path:
    table = pyarrow.Table.from_pylist(rows)
    if path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    elif path.suffix == ".parquet":
        parquet.write_table(table, path, row_group_size=4)
    else:
        delimiter = "\t" if path.suffix == ".tsv" else ","
        csv.write_csv(table.drop_columns(["x"]), path, csv.WriteOptions(delimiter=delimiter))
    return path


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".jsonl", ".parquet"])
def test_rows_of_tables_are_those_that_were_written(
    tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "PIECE_BYTES", 40)
    examples = opened(write_rows(tmp_path / f"rows{suffix}", ROWS), NUMBERS, STACKED)
    order = np.array([7, 0, 10, 3, 3])
    batch = next(examples.batches(5, order))
    np.testing.assert_array_equal(batch.feeds["x"], [[row, row / 4] for row in order])
    np.testing.assert_array_equal(batch.feeds["label"], order % 3)
    assert [str(array.dtype) for array in batch.feeds.values()] == ["float32", "int64"]
    assert len(examples) == 11


def test_no_more_than_a_piece_is_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Arrow's own count of bytes while a file of many pieces is converted, and while it is read in a random order."""
    path = tmp_path / "rows.parquet"
    images = pyarrow.FixedSizeListArray.from_arrays(pyarrow.array(np.arange(3_200_000, dtype=np.float32)), 64)
    parquet.write_table(pyarrow.table({"x": images}), path, row_group_size=2_000, compression="NONE")
    monkeypatch.setattr(tables, "PIECE_BYTES", 512_000)
    before, most = pyarrow.total_allocated_bytes(), 0
    write = tables._of_size

    def watched(first: Any, pieces: Any) -> Any:
        nonlocal most
        for table in write(first, pieces):
            most = max(most, pyarrow.total_allocated_bytes() - before)
            yield table

    monkeypatch.setattr(tables, "_of_size", watched)
    examples = opened(path, "{x: {shape: [batch, 64]}}", "{batch: 50}")
    for batch in examples.batches(50, np.random.default_rng(0).permutation(len(examples))[:500]):
        np.testing.assert_array_equal(batch.feeds["x"][:, 0], batch.rows * 64)
        most = max(most, pyarrow.total_allocated_bytes() - before)
    assert path.stat().st_size > 12_800_000
    assert 0 < most < 4_000_000


def test_a_table_is_converted_once_and_again_when_it_has_changed(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "rows.csv", ROWS)
    for _ in range(2):
        assert len(opened(path, NUMBERS, STACKED)) == 11
        assert len(list((tmp_path / "cache" / "tables").iterdir())) == 1
    write_rows(path, ROWS[:5])
    assert len(opened(path, NUMBERS, STACKED)) == 5


def test_whole_numbers_that_become_fractions_further_down(tmp_path: Path) -> None:
    count = 300_000
    path = tmp_path / "rows.csv"
    path.write_text("x\n" + "1234567\n" * count + "0.5\n", encoding="utf-8")
    batch = next(opened(path, "{x: {shape: [batch]}}", "{batch: 4}").batches(2, np.array([0, count])))
    np.testing.assert_array_equal(batch.feeds["x"], np.array([1234567, 0.5], np.float32))

    path = tmp_path / "rows.jsonl"
    path.write_text('{"x": 1234567}\n' * count + '{"x": 0.5}\n', encoding="utf-8")
    batch = next(opened(path, "{x: {shape: [batch]}}", "{batch: 4}").batches(2, np.array([0, count])))
    np.testing.assert_array_equal(batch.feeds["x"], np.array([1234567, 0.5], np.float32))


@pytest.mark.parametrize("suffix", [".jsonl", ".parquet"])
def test_lists_are_filled_up_as_by_pad_sequence(tmp_path: Path, suffix: str) -> None:
    data = "{batch: 4, columns: {x: {pad: -1, mask: m, lengths: n}}}"
    examples = opened(write_rows(tmp_path / f"rows{suffix}", ROWS), RAGGED, data)
    batch = only_batch(examples)
    expected = pad_sequence([torch.tensor(row["x"]) for row in ROWS], batch_first=True, padding_value=-1)
    np.testing.assert_array_equal(batch.feeds["x"], expected.numpy())
    np.testing.assert_array_equal(batch.feeds["m"], (expected != -1).numpy())
    np.testing.assert_array_equal(batch.feeds["n"], [len(row["x"]) for row in ROWS])


def test_rows_that_are_too_long_are_refused_or_cut(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "rows.jsonl", [{"x": [1.0] * length} for length in (2, 3, 9, 4)])
    inputs = "{x: {dtype: float32, shape: [batch, seq]}}"
    message, hint = complaint(opened(path, inputs, "{batch: 4, columns: {x: {pad: 0}}}"))
    assert message == "L202 rows.jsonl, row 2: dim 'seq' must be at most 6, but is 9 at axis 1 of input 'x'"
    assert hint is not None
    assert hint.startswith("`columns: {x: {truncate: true}}`")
    cut = only_batch(opened(path, inputs, "{batch: 4, columns: {x: {pad: 0, truncate: true}}}"))
    assert cut.feeds["x"].shape == (4, 6)
    message, hint = complaint(opened(path, inputs, "{batch: 4}"))
    assert message == "L202 rows.jsonl, row 1: 'x' is (3,), but (2,) in the row before it in the batch"
    assert "pad: 0" in (hint or "")


def test_rows_of_inputs_that_share_a_dim_are_equally_long(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "rows.jsonl", [{"x": [1.0, 2.0], "t": [1, 2]}, {"x": [1.0], "t": [1, 2]}])
    inputs = "{x: {dtype: float32, shape: [batch, seq]}, t: {dtype: int64, shape: [batch, seq]}}"
    message, _ = complaint(opened(path, inputs, "{batch: 4, columns: {x: {pad: 0}, t: {pad: -100}}}"))
    assert message == "L202 rows.jsonl, row 1: 't' has 2 entries along 'seq', but 'x' has 1"


def test_graphs_are_parts_of_one(tmp_path: Path) -> None:
    """As torch_geometric batches: ends of edges plus the nodes before, and a vector of graphs."""
    random = np.random.default_rng(0)
    graphs = [
        (random.normal(size=(nodes, 3)), random.integers(0, nodes, (2, edges)))
        for nodes, edges in ((4, 5), (1, 0), (3, 7))
    ]
    rows = [{"atoms": x.tolist(), "bonds": edges.tolist(), "target": float(len(x))} for x, edges in graphs]
    inputs = (
        "{x: {shape: [nodes, 3]}, e: {dtype: int64, shape: [2, edges], below: nodes}, "
        "g: {dtype: int64, shape: [nodes], below: graphs}, "
        "target: {shape: [graphs]}, k: {dtype: int64, shape: [graphs]}}"
    )
    atoms, bonds = "{from: atoms, join: true, members: g, lengths: k}", "{from: bonds, join: true, offset: x}"
    data = f"{{batch: 3, columns: {{x: {atoms}, e: {bonds}}}}}"
    batch = only_batch(opened(write_rows(tmp_path / "rows.jsonl", rows), inputs, data))

    nodes, edges, members = list[Any](), list[Any](), list[int]()
    for number, (x, ends) in enumerate(graphs):
        edges.append(ends + sum(len(before) for before in nodes))
        nodes.append(x)
        members += [number] * len(x)
    np.testing.assert_array_equal(batch.feeds["x"], np.concatenate(nodes).astype(np.float32))
    np.testing.assert_array_equal(batch.feeds["e"], np.concatenate(edges, 1))
    np.testing.assert_array_equal(batch.feeds["g"], members)
    np.testing.assert_array_equal(batch.feeds["k"], [4, 1, 3])
    np.testing.assert_array_equal(batch.feeds["target"], [4, 1, 3])

    rows[2]["bonds"][0][0] = 3
    message, _ = complaint(opened(write_rows(tmp_path / "wrong.jsonl", rows), inputs, data))
    assert message == "L202 wrong.jsonl, row 2: 'e' holds 3, but the example has 3 entries"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("age,income,kind\n1,2,a\n3,,b\n", "L202 rows.csv, row 1: column 'income' is empty"),
        ("age,income,kind\n1,2,a\n3,x,b\n", "L202 rows.csv, row 0: column 'income' holds texts, not numbers"),
        ("age,income,kind\n1,2,a\n3,4,d\n", "L202 rows.csv, row 1: 'd' is no class"),
    ],
)
def test_error_a_wrong_row_is_named(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "rows.csv"
    path.write_text(text, encoding="utf-8")
    assert complaint(opened(path, NUMBERS, STACKED))[0] == message


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("rows.csv", "age,income,kind\n", "it has no rows"),
        ("rows.csv", "", "cannot read the examples of"),
        ("rows.csv", "age,kind\n1,a\n", "has no column 'income'"),
        ("rows.jsonl", '{"age": 1}\n{"age": \n', "cannot read the examples of"),
        ("rows.parquet", "PAR1", "cannot read the examples of"),
    ],
)
def test_error_tables_that_cannot_be_read(tmp_path: Path, name: str, content: str, message: str) -> None:
    (tmp_path / name).write_text(content, encoding="utf-8")
    with pytest.raises(SpecError, match="L201") as caught:
        opened(tmp_path / name, NUMBERS, STACKED)
    assert message in caught.value.diagnostics[0].message
    with pytest.raises(SpecError, match="No such file"):
        opened(tmp_path / "none.csv", NUMBERS, STACKED)


def test_without_the_package_one_line_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(SpecError) as caught:
        opened(tmp_path / "rows.csv", NUMBERS, STACKED)
    assert caught.value.diagnostics[0].hint == "pip install 'stackc[train]'"


def test_with_workers_the_batches_are_those_without(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "rows.parquet", ROWS)
    order = np.random.default_rng(3).permutation(11)
    plain = list(opened(path, NUMBERS, STACKED).batches(2, order, start=1))
    threads = list(
        opened(path, NUMBERS, STACKED.replace("batch: 4", "batch: 4, workers: 3")).batches(2, order, start=1)
    )
    assert [batch.rows.tolist() for batch in threads] == [batch.rows.tolist() for batch in plain]
    for ours, theirs in zip(threads, plain, strict=True):
        np.testing.assert_array_equal(ours.feeds["x"], theirs.feeds["x"])


def test_buckets_put_rows_of_similar_length_together(tmp_path: Path) -> None:
    lengths = np.random.default_rng(1).integers(1, 100, 103)
    order = np.random.default_rng(2).permutation(103)
    found = bucketed_order(order, lengths, 10, 4, (0, 0))
    assert sorted(found) == list(range(103))
    for start in range(0, 103, 40):
        assert set(found[start : start + 40]) == set(order[start : start + 40])
        parts = np.split(found[start : start + 40], range(10, min(40, 103 - start), 10))
        ranges = sorted((lengths[part].min(), lengths[part].max()) for part in parts)
        assert all(first[1] <= second[0] for first, second in pairwise(ranges))
    np.testing.assert_array_equal(bucketed_order(order, lengths, 10, 4, (0, 0)), found)
    assert not np.array_equal(bucketed_order(order, lengths, 10, 4, (0, 1)), found)

    path = write_rows(tmp_path / "rows.jsonl", ROWS)
    data = "{batch: 2, buckets: 9, columns: {x: {pad: 0}}}"
    examples = opened(path, "{x: {dtype: float32, shape: [batch, seq]}}", data)
    np.testing.assert_array_equal(examples.reader.row_lengths(), [len(row["x"]) for row in ROWS])
    assert sorted(examples.order(0, 0)) == list(range(11))
