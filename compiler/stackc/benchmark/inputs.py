"""Draw the inputs of a benchmark once, at sizes of the dims: every target gets the same arrays."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from stackc.benchmark.targets import Target
from stackc.core.diagnostics import Collector, Diagnostic, SpecError, did_you_mean
from stackc.core.types import FLOATS, LIMITS
from stackc.core.value_range import ValueRange
from stackc.proof.points import MEASURED_FLOPS, Point, draw_feeds, timing_point
from stackc.proof.sizes import machine_memory
from stackc.proof.value_draws import draw_values
from stackc.runtime import Array, Feeds, ValueInfo, check_feeds
from stackc.typecheck.ranges import whole_ends

Sizes = Mapping[str, int]

_WHOLE = tuple(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64))
_DRAWN = ("bool", *FLOATS, *_WHOLE)
_BELOW = 2  # for whole numbers of unknown range: 0 and 1 are valid as ids, masks and types


def lead_of(targets: Sequence[Target]) -> Target:
    """Return the target that inputs are drawn for: the first with a dims contract and ranges, not just a file."""
    return next((target for target in targets if target.module is not None), targets[0])


def sizes_of(targets: Sequence[Target], requested: Sizes) -> dict[str, int]:
    """Return the size of every dim of the lead: as requested, or for a spec those at which a build measures.

    Raises SpecError: R435 for a requested dim that no target has, R436 for a dim of an ONNX file that is not requested,
    R417 for a size that the contract does not allow.
    """
    diagnostics, lead = Collector(), lead_of(targets)
    names = [name for target in targets for name in (target.dims or _open_dims(target.inputs))]
    for name in requested:
        if name not in names:
            hint = did_you_mean(name, names) or "all sizes are fixed"
            diagnostics.error("R435", f"no input has a dim '{name}'", hint=hint)
    sizes = _default_sizes(lead) | {name: size for name, size in requested.items() if name in names}

    # a file has no defaults
    for name in _open_dims(lead.inputs) if lead.module is None else ():
        if name not in sizes:
            message = f"the size of '{name}' in {lead.label} is open"
            diagnostics.error("R436", message, hint=f"choose the size to time, as in `--dims {name}=1`")

    for name, limits in lead.dims.items():
        if not limits.allows(sizes[name]):
            message = f"dim '{name}' must be {limits}, but is {sizes[name]}"
            diagnostics.error("R417", message, hint="the spec limits it under `dims:`")
    diagnostics.raise_if_any()
    return sizes


def _default_sizes(lead: Target) -> dict[str, int]:
    """Return the sizes at which a build measures, so that figures can be compared; none for an ONNX file."""
    if lead.module is None:
        return {}
    return dict(timing_point(lead.module.checked.program, MEASURED_FLOPS).sizes)


def _open_dims(inputs: Sequence[ValueInfo]) -> dict[str, None]:
    """Return the names of the open sizes of an ONNX file; a size without a name is called INPUT.AXIS."""
    return dict.fromkeys(
        _dim_name(value, axis) for value in inputs for axis, size in enumerate(value.shape) if not isinstance(size, int)
    )


def _dim_name(value: ValueInfo, axis: int) -> str:
    size = value.shape[axis]
    return f"{value.name}.{axis}" if size is None else str(size)


def draw_inputs(targets: Sequence[Target], sizes: Sizes, seed: int) -> dict[str, Array]:
    """Draw inputs of these sizes for all targets, the same for the same seed.

    Raises SpecError: R437 for an input that cannot be drawn, R434 for a target that does not take the inputs.
    """
    lead = lead_of(targets)
    _require_drawable(lead, sizes)

    if lead.module is not None:
        checked = lead.module.checked
        feeds = draw_feeds(checked.program, checked.ranges, Point("bench", sizes), seed=seed)
    else:
        feeds = {value.name: _draw(value, sizes, seed) for value in lead.inputs}

    for target in targets:
        if target is not lead:
            _require_fit(target, lead, feeds)
    return feeds


def _shape(value: ValueInfo, sizes: Sizes) -> tuple[int, ...]:
    return tuple(
        size if isinstance(size, int) else sizes[_dim_name(value, axis)] for axis, size in enumerate(value.shape)
    )


def _shapes(lead: Target, sizes: Sizes) -> Iterator[tuple[ValueInfo, tuple[int, ...]]]:
    """Yield each input of the lead with its shape at these sizes."""
    if lead.module is None:
        yield from ((value, _shape(value, sizes)) for value in lead.inputs)
        return
    types = lead.module.checked.program.inputs
    for value in lead.inputs:
        yield value, tuple(dim.evaluate(sizes) for dim in types[value.name].shape)


def _require_drawable(lead: Target, sizes: Sizes) -> None:
    """Raise SpecError (R437) for types that cannot be drawn, and for more than half of the memory of this machine."""
    total = 0
    for value, shape in _shapes(lead, sizes):
        if value.dtype not in _DRAWN:
            message = f"the input '{value.name}' of {lead.label} has type {value.dtype}, which cannot be drawn"
            raise SpecError(Diagnostic("R437", message, hint=f"types that can be drawn: {', '.join(_DRAWN)}"))
        total += math.prod(shape) * np.dtype(value.dtype).itemsize

    if total > machine_memory() // 2:
        point = ", ".join(f"{name}={size}" for name, size in sizes.items())
        message = f"at {point} the inputs of {lead.label} alone take {total:,} bytes"
        raise SpecError(Diagnostic("R437", message, hint="choose smaller sizes with `--dims`"))


def _draw(value: ValueInfo, sizes: Sizes, seed: int) -> Array:
    shape = _shape(value, sizes)
    digest = hashlib.sha256(f"{seed}:{value.name}".encode()).digest()
    random = np.random.default_rng(list(digest))
    if value.allowed is not None:
        allowed = value.allowed.at(sizes)
        if not allowed.choices and value.dtype in LIMITS:
            allowed = ValueRange(*whole_ends(value.dtype, allowed))
        return draw_values(random, value.dtype, allowed, shape, "random")
    if value.dtype in FLOATS:
        return random.standard_normal(shape).astype(value.dtype)
    return random.integers(0, _BELOW, shape).astype(value.dtype)


def _require_fit(target: Target, lead: Target, feeds: Feeds) -> None:
    try:
        check_feeds(target.inputs, feeds, target.dims)
    except SpecError as error:
        takes = ", ".join(f"{value.name}: {value}" for value in target.inputs) or "nothing"
        drawn = ", ".join(f"{name}: {array.dtype}{list(array.shape)}" for name, array in feeds.items()) or "nothing"
        message = f"{target.label} takes {takes}, but the inputs of {lead.label} are {drawn}"
        hint = "; ".join(diagnostic.message for diagnostic in error.diagnostics[:3])
        raise SpecError(Diagnostic("R434", message, hint=hint)) from error


def batch_of(targets: Sequence[Target], feeds: Feeds) -> int | None:
    """Return the samples in a run: the leading size of all inputs if it is one open dim, else None."""
    leads = {value.shape[0] if value.shape else None for value in lead_of(targets).inputs}
    if len(leads) != 1 or not isinstance(next(iter(leads)), str):
        return None
    return int(next(iter(feeds.values())).shape[0])
