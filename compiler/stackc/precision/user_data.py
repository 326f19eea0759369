"""The user's own inputs, in batches that the dims contract allows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from stackc.core.diagnostics import Diagnostic, SpecError
from stackc.core.types import DimContract, DimRange
from stackc.ir.program import Program
from stackc.proof.components import Draw
from stackc.proof.points import Point
from stackc.runtime import Array, Feeds, ValueInfo, check_feeds, read_npz

MOST_AT_ONCE = 32
"""Examples of one pass."""


def read_user_data(path: Path, inputs: Sequence[ValueInfo], contract: DimContract) -> tuple[Feeds, ...]:
    """Read an .npz file of inputs by name; the first axis is cut into batches if it is the same dim in every input.

    Arrays of other names, such as labels, are left out. Raises SpecError: R421 and R422 if the file cannot be read,
    R411 to R418 if it does not fit the model.
    """
    arrays = read_npz(path)
    names = {value.name for value in inputs}
    feeds = {name: array for name, array in arrays.items() if name in names}
    batches = [feeds] if missing(feeds, inputs) else batches_of(feeds, inputs, contract)
    for batch in batches:
        try:
            check_feeds(inputs, batch, contract)
        except SpecError as error:
            raise SpecError(*(_in_file(path, diagnostic) for diagnostic in error.diagnostics)) from error
    return tuple(batches)


def missing(feeds: Feeds, inputs: Sequence[ValueInfo]) -> bool:
    """Return whether an input has no array, or one without axes."""
    return any(value.name not in feeds or feeds[value.name].ndim == 0 for value in inputs)


def batches_of(arrays: Feeds, inputs: Sequence[ValueInfo], contract: DimContract) -> list[dict[str, Array]]:
    """Cut arrays along their first axis; one batch if the inputs do not share that dim; a fixed size is a batch."""
    firsts = {value.shape[0] if value.shape else None for value in inputs}
    sizes = {len(arrays[value.name]) for value in inputs}
    (first, *others), (total, *differing) = firsts or {None}, sizes or {0}
    if others or differing or total == 0 or first is None or (isinstance(first, str) and first not in contract):
        return [dict(arrays)]

    limits = DimRange(first, first) if isinstance(first, int) else contract[first]
    most = min(MOST_AT_ONCE, limits.maximum or MOST_AT_ONCE)
    step = max(limits.multiple_of, most // limits.multiple_of * limits.multiple_of, limits.minimum)
    return [{name: x[start : start + step] for name, x in arrays.items()} for start in range(0, total, step)]


def user_draws(path: Path, batches: Sequence[Feeds], program: Program) -> list[Draw]:
    """Return the batches as draws of a proof, with the sizes of the dims that they have."""
    return [
        (Point(f"data {number}", _sizes(program, feeds), f"{path.name}, batch {number}"), feeds)
        for number, feeds in enumerate(batches, 1)
    ]


def _sizes(program: Program, feeds: Feeds) -> Mapping[str, int]:
    sizes: dict[str, int] = {}
    for name, type_ in program.inputs.items():
        for dim, size in zip(type_.shape, feeds[name].shape, strict=True):
            if str(dim) in program.contract:
                sizes.setdefault(str(dim), size)
    return sizes


def _in_file(path: Path, diagnostic: Diagnostic) -> Diagnostic:
    return Diagnostic(diagnostic.code, f"{path}: {diagnostic.message}", diagnostic.span, diagnostic.hint)
