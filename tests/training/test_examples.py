"""Files of examples: columns, batches, and what is said of a row that does not fit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file
from tests.training.digits import SPEC, TRAIN

from stackc.core.diagnostics import SpecError
from stackc.frontend import check_source
from stackc.spec.source import Source
from stackc.training.data.arrays import open_arrays
from stackc.training.data.buckets import epoch_order
from stackc.training.examples import Examples

TRAINING = check_source(Source("digits.yaml", SPEC + TRAIN)).training
IMAGES = np.linspace(0, 1, 6 * 64, dtype=np.float32).reshape(6, 1, 8, 8)
LABELS = np.arange(6)


def examples(path: Path) -> Examples:
    assert TRAINING is not None
    return Examples.open(path, TRAINING)


def message(path: Path) -> str:
    with pytest.raises(SpecError) as caught:
        list(examples(path).batches(4))
    (diagnostic,) = caught.value.diagnostics
    return f"{diagnostic.code} {diagnostic.message}".replace(f"{path.parent}/", "")


@pytest.mark.parametrize("kind", ["stored", "compressed", "safetensors", "fortran"])
def test_columns_are_those_that_were_saved(tmp_path: Path, kind: str) -> None:
    path = tmp_path / ("data.safetensors" if kind == "safetensors" else "data.npz")
    arrays: dict[str, Any] = {"image": IMAGES, "label": LABELS, "more": np.asfortranarray(IMAGES[:, 0, 0])}
    if kind == "safetensors":
        save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, path)
    elif kind == "compressed":
        np.savez_compressed(path, **arrays)
    else:
        np.savez(path, **arrays)

    columns = open_arrays(path).arrays
    for name, array in arrays.items():
        np.testing.assert_array_equal(columns[name], array)
    assert columns["image"].flags.writeable == (kind == "compressed"), "all others are views of the file"

    batches = list(examples(path).batches(4, np.array([5, 4, 3, 2, 1, 0]), start=1))
    np.testing.assert_array_equal(batches[0].feeds["label"], [1, 0])


def test_whole_numbers_of_other_types_are_converted(tmp_path: Path) -> None:
    np.savez(tmp_path / "data.npz", image=IMAGES.astype(np.float64), label=LABELS.astype(np.uint8))
    batch = next(examples(tmp_path / "data.npz").batches(6))
    assert [str(batch.feeds[name].dtype) for name in ("image", "label")] == ["float32", "int64"]


def test_error_names_the_file_and_the_row(tmp_path: Path) -> None:
    path = tmp_path / "data.npz"
    labels = LABELS.copy()
    labels[4] = 12
    np.savez(path, image=IMAGES, label=labels)
    assert message(path) == "L202 data.npz, row 4: input 'label' holds 12 at [0]"

    np.savez(path, image=IMAGES * 2, label=LABELS)
    assert message(path).startswith("L202 data.npz, row 3: input 'image' holds ")
    np.savez(path, image=IMAGES[:, 0], label=LABELS)
    assert message(path) == "L202 data.npz, row 0: input 'image' takes 4 dims, not 3: (1, 8, 8)"
    np.savez(path, image=IMAGES, label=LABELS / 2)
    assert message(path) == "L202 data.npz, row 0: input 'label' takes int64, not float64"


def test_error_files_that_cannot_be_read(tmp_path: Path) -> None:
    path = tmp_path / "data.npz"
    assert message(path) == "L201 cannot read the examples of data.npz: No such file or directory"
    path.write_bytes(b"PK nothing")
    assert message(path).startswith("L201 cannot read the examples of data.npz: ")
    np.savez(path, image=IMAGES)
    assert message(path) == "L201 data.npz has no column 'label'"
    np.savez(path, image=IMAGES, label=LABELS[:4])
    assert message(path) == "L201 the columns of data.npz differ in length: image 6, label 4"
    np.savez(path, image=IMAGES[:0], label=LABELS[:0])
    assert message(path) == "L201 data.npz has no examples"
    np.savez(path, image=np.array([None] * 6), label=LABELS)
    assert message(path) == "L201 cannot read the examples of data.npz: 'image.npy' holds Python objects"
    assert message(tmp_path / "data.xlsx") == "L201 data.xlsx: unknown kind of examples"


def test_the_order_depends_on_the_seed_and_the_epoch_alone() -> None:
    orders = [epoch_order(50, seed, epoch, shuffle=True).tolist() for seed in (0, 1) for epoch in (0, 1)]
    assert len({tuple(order) for order in orders}) == 4
    assert all(sorted(order) == list(range(50)) for order in orders)
    assert orders[3] == epoch_order(50, 1, 1, shuffle=True).tolist()
    assert epoch_order(5, 0, 3, shuffle=False).tolist() == [0, 1, 2, 3, 4]
