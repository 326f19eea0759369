"""Rows of different lengths in one array: filled up to the longest, or one after the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from stackc.core.types import Bounds, DimContract, TensorType
from stackc.resolve.train_columns import joined_axis
from stackc.runtime import Array
from stackc.training.data.column_store import RowError, Taken


def stacked(rows: Sequence[Array], name: str) -> Array:
    """Return rows of one shape as an array. Raises RowError at the first of another shape."""
    shape = np.shape(rows[0])
    for index, row in enumerate(rows):
        if np.shape(row) != shape:
            message = f"'{name}' is {np.shape(row)}, but {shape} in the row before it in the batch"
            hint = (
                f"`columns: {{{name}: {{pad: 0}}}}` fills up shorter rows, `join: true` puts them one after the other"
            )
            raise RowError(index, message, hint)
    return np.stack([np.asarray(row) for row in rows])


def shortened_rows(rows: Sequence[Array], type_: TensorType, contract: DimContract) -> list[Array]:
    """Return rows cut to the largest size that the contract allows."""
    longest = Bounds(contract).largest(type_.shape[1])
    return [row[:longest] for row in rows]


def padded_length(lengths: Sequence[int], type_: TensorType, contract: DimContract) -> int:
    """Return the length that rows are filled up to: the longest, or what the contract asks for above it."""
    size = type_.shape[1]
    if size.constant is not None:
        return max(size.constant, *lengths)
    limits = contract.get(str(size))
    if limits is None:
        return max(lengths)
    least = max(limits.least, *lengths)
    return -(-least // limits.multiple_of) * limits.multiple_of


def padded(rows: Taken, length: int, value: float, name: str) -> Array:
    """Return [batch, length, …], rows filled up with a value at their ends.

    Raises RowError if rows differ in other axes than the first, or cannot hold the value.
    """
    shape = np.shape(rows[0])[1:]
    dtype = np.result_type(*{np.asarray(row).dtype for row in rows})
    filler = np.asarray(value).astype(dtype)
    if float(filler) != value:
        raise RowError(0, f"'{name}' is filled up with {value}, which is no {dtype}")

    array = np.full((len(rows), length, *shape), filler)
    for index, row in enumerate(rows):
        if np.ndim(row) == 0 or np.shape(row)[1:] != shape:
            raise RowError(
                index, f"'{name}' is {np.shape(row)}, where [length{''.join(f', {n}' for n in shape)}] is due"
            )
        array[index, : len(row)] = row
    return array


def mask_of(lengths: Sequence[int], length: int, dtype: str) -> Array:
    """Return [batch, length]: 1 below the length of each row, 0 from there on."""
    return (np.arange(length) < np.asarray(lengths)[:, None]).astype(dtype)


def joined(rows: Taken, type_: TensorType, name: str) -> tuple[Array, list[int]]:
    """Return rows one after the other, and how many entries each has. Raises RowError if they differ otherwise."""
    axis = joined_axis(type_)
    assert axis is not None, "held to that when the spec is checked"
    fixed = [size.constant for size in type_.shape]
    arrays = list[Array]()
    for index, row in enumerate(rows):
        array = np.asarray(row)
        if array.size == 0 and array.ndim < len(fixed):  # an empty list has lost its other axes
            array = array.reshape([size if place != axis else 0 for place, size in enumerate(fixed)])  # type: ignore[misc]
        shape = [size for place, size in enumerate(array.shape) if place != axis]
        first = [size for place, size in enumerate(np.shape(arrays[0])) if place != axis] if arrays else shape
        if array.ndim != len(fixed) or shape != first:
            raise RowError(index, f"'{name}' is {array.shape}, which cannot follow others along axis {axis}")
        arrays.append(array)
    return np.concatenate(arrays, axis), [array.shape[axis] for array in arrays]


def with_offsets(array: Array, counts: Sequence[int], type_: TensorType, before: Sequence[int], name: str) -> Array:
    """Return joined whole numbers that count entries of one example as those that count entries of the batch.

    `counts` are the numbers of each example, `before` the entries of the other input in each example. Raises RowError
    for a number that is beyond them.
    """
    axis = joined_axis(type_)
    assert axis is not None, "held to that when the spec is checked"
    example = np.repeat(np.arange(len(counts)), counts)
    along = example.reshape([-1 if place == axis else 1 for place in range(array.ndim)])
    beyond = (array < 0) | (array >= np.asarray(before)[along])
    if beyond.any():
        index = int(np.broadcast_to(along, array.shape)[beyond][0])
        raise RowError(index, f"'{name}' holds {array[beyond][0]}, but the example has {before[index]} entries")
    starts = np.cumsum([0, *before[:-1]])
    moved: Array = array.astype(np.int64) + starts[along]
    return moved


def members_of_joined(counts: Sequence[int]) -> Array:
    """Return the number of the example of each joined entry."""
    return np.repeat(np.arange(len(counts), dtype=np.int64), counts)


def require_same_lengths(lengths: Mapping[str, Sequence[int]], dim: str) -> None:
    """Raise RowError for a row in which inputs that share a dim differ in length."""
    (first, reference), *others = lengths.items()
    for name, found in others:
        for index, (one, other) in enumerate(zip(reference, found, strict=True)):
            if one != other:
                message = f"'{name}' has {other} entries along '{dim}', but '{first}' has {one}"
                raise RowError(index, message, "a dim has the same size in all inputs")
