"""The inputs of a comparison: drawn once, at sizes of the dims, and the same arrays for every target."""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from stackc.benchmark.targets import Target
from stackc.core.diagnostics import Collector, Diagnostic, SpecError, did_you_mean
from stackc.pipeline import MEASURED_FLOPS
from stackc.proof.points import Point, draw_feeds, points_of
from stackc.runtime import Array, Feeds, ValueInfo, check_feeds

Sizes = Mapping[str, int]

_WHOLE = tuple(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64))
_DRAWN = ("bool", "float16", "float32", "float64", *_WHOLE)
_BELOW = 2  # whole numbers of which nothing is known: 0 and 1 are ids, masks and types alike


def lead_of(targets: Sequence[Target]) -> Target:
    """The target that inputs are drawn for: the first that has a contract, which says what they may hold."""
    return next((target for target in targets if target.module is not None), targets[0])


def sizes_of(targets: Sequence[Target], given: Sizes) -> dict[str, int]:
    """The size of every dim of the lead: what is given, or else, of a spec, what a build measures.

    Raises SpecError: R435 a given dim that no target has, R436 one of an ONNX file that is not given, R417 a size that
    the contract does not allow.
    """
    diagnostics, lead = Collector(), lead_of(targets)
    known = [name for target in targets for name in (target.dims or _dims(target.inputs))]
    for name in given:
        if name not in known:
            diagnostics.error(
                "R435", f"no input has a dim '{name}'", hint=did_you_mean(name, known) or "all sizes are fixed"
            )
    sizes = _default(lead) | {name: size for name, size in given.items() if name in known}
    for name in _dims(lead.inputs) if lead.module is None else ():
        if name not in sizes:
            message = f"{lead.label} leaves the size of '{name}' open"
            diagnostics.error("R436", message, hint=f"say which one to time: `--dims {name}=1`")
    for name, limits in lead.dims.items():
        if not limits.allows(sizes[name]):
            diagnostics.error(
                "R417", f"dim '{name}' has to be {limits}; it is {sizes[name]}", hint="the spec says so under `dims:`"
            )
    diagnostics.raise_if_any()
    return sizes


def _default(lead: Target) -> dict[str, int]:
    """The sizes at which a build measures, so that figures compare; none for an ONNX file."""
    if lead.module is None:
        return {}
    return dict(points_of(lead.module.checked.program, budget=MEASURED_FLOPS)[-1].sizes)


def _dims(inputs: Sequence[ValueInfo]) -> dict[str, None]:
    """The names of the open sizes of an ONNX file; one that it does not name is called INPUT.AXIS."""
    return dict.fromkeys(
        _name(value, axis) for value in inputs for axis, size in enumerate(value.shape) if not isinstance(size, int)
    )


def _name(value: ValueInfo, axis: int) -> str:
    size = value.shape[axis]
    return f"{value.name}.{axis}" if size is None else str(size)


def draw_inputs(targets: Sequence[Target], sizes: Sizes, seed: int) -> dict[str, Array]:
    """Inputs of these sizes for all targets, the same for the same seed.

    Raises SpecError: R437 an input that cannot be drawn, R434 a target that does not take them.
    """
    lead = lead_of(targets)
    _require_room(lead, sizes)
    if lead.module is not None:
        checked = lead.module.checked
        feeds = draw_feeds(checked.program, checked.ranges, Point("bench", sizes), seed=seed)
    else:
        feeds = {value.name: _drawn(value, _shape(value, sizes), seed) for value in lead.inputs}
    for target in targets:
        if target is not lead:
            _require_fit(target, lead, feeds)
    return feeds


def _shape(value: ValueInfo, sizes: Sizes) -> tuple[int, ...]:
    return tuple(size if isinstance(size, int) else sizes[_name(value, axis)] for axis, size in enumerate(value.shape))


def _shapes(lead: Target, sizes: Sizes) -> Iterator[tuple[ValueInfo, tuple[int, ...]]]:
    """Each input of the lead with its shape at these sizes."""
    if lead.module is None:
        yield from ((value, _shape(value, sizes)) for value in lead.inputs)
        return
    types = lead.module.checked.program.inputs
    for value in lead.inputs:
        yield value, tuple(dim.evaluate(sizes) for dim in types[value.name].shape)


def _require_room(lead: Target, sizes: Sizes) -> None:
    """Refuse what cannot be drawn, and what would take more than half of the memory of this machine."""
    total = 0
    for value, shape in _shapes(lead, sizes):
        if value.dtype not in _DRAWN:
            message = f"{lead.label} takes '{value.name}' of type {value.dtype}"
            raise SpecError(Diagnostic("R437", message, hint=f"these are drawn: {', '.join(_DRAWN)}"))
        total += math.prod(shape) * np.dtype(value.dtype).itemsize
    if total > _memory() // 2:
        told = ", ".join(f"{name}={size}" for name, size in sizes.items())
        message = f"at {told} the inputs of {lead.label} alone take {total:,} bytes"
        raise SpecError(Diagnostic("R437", message, hint="smaller sizes: `--dims`"))


def _memory() -> int:
    """Bytes of memory that this machine has, or 64 GiB where it does not tell."""
    if not hasattr(os, "sysconf"):
        return 64 << 30
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _drawn(value: ValueInfo, shape: tuple[int, ...], seed: int) -> Array:
    digest = hashlib.sha256(f"{seed}:{value.name}".encode()).digest()
    random = np.random.default_rng(list(digest))
    if np.issubdtype(np.dtype(value.dtype), np.floating):
        return random.standard_normal(shape).astype(value.dtype)
    return random.integers(0, _BELOW, shape).astype(value.dtype)


def _require_fit(target: Target, lead: Target, feeds: Feeds) -> None:
    try:
        check_feeds(target.inputs, feeds, target.dims)
    except SpecError as error:
        takes = ", ".join(f"{value.name}: {value}" for value in target.inputs) or "nothing"
        given = ", ".join(f"{name}: {array.dtype}{list(array.shape)}" for name, array in feeds.items()) or "nothing"
        message = f"{target.label} takes {takes}; with {lead.label} it would be given {given}"
        hint = "; ".join(diagnostic.message for diagnostic in error.diagnostics[:3])
        raise SpecError(Diagnostic("R434", message, hint=hint)) from error


def batch_of(targets: Sequence[Target], feeds: Feeds) -> int | None:
    """How many samples a run takes: the leading size of all inputs, where it is one open dim; None where it is not."""
    leads = {value.shape[0] if value.shape else None for value in lead_of(targets).inputs}
    if len(leads) != 1 or not isinstance(next(iter(leads)), str):
        return None
    return int(next(iter(feeds.values())).shape[0])
