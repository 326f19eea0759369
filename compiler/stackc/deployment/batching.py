"""Whether requests may be joined along the batch axis and their answers cut apart, and which axes that are.

They may if no output of one entry depends on another (stackc.dataflow) and the contract allows a batch of one entry. It
is read off the spec in the artifact's lock, so neither numbers nor PyTorch are needed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from stackc.artifact.folder import Artifact
from stackc.artifact.manifest import Manifest
from stackc.core.diagnostics import SpecError
from stackc.core.types import DimRange
from stackc.dataflow.batch import joinable_requests
from stackc.frontend import check_spec
from stackc.runtime import ValueInfo

NO_LIMITS = DimRange()


@dataclass(frozen=True)
class RequestBatching:
    """The batch axis of each input and output; `refusal` says why requests may not be joined, None if they may.

    `dim` is the size of the axis, `largest` how many entries the contract allows, None for any number.
    """

    dim: str | None
    inputs: Mapping[str, int]
    outputs: Mapping[str, int]
    largest: int | None
    refusal: str | None = None

    @property
    def is_first(self) -> bool:
        """Whether the batch axis is the first one everywhere, as Triton has it."""
        return self.refusal is None and not any((*self.inputs.values(), *self.outputs.values()))


def request_batching(artifact: Artifact) -> RequestBatching:
    """Return how requests to an artifact are joined. A spec that cannot be checked here is a reason not to."""
    try:
        answer = joinable_requests(check_spec(artifact.folder).program)
    except SpecError as error:
        return _refused(f"the spec of the artifact cannot be checked here: {error.diagnostics[0].message}")
    if answer.refusals:
        first = answer.refusals[0]
        span = first.span
        return _refused(first.message + (f" ({Path(span.file).name}:{span.line})" if span else ""))
    return _along(artifact.manifest, str(answer.dim), answer.axes)


def _along(manifest: Manifest, dim: str, axes: Mapping[str, int]) -> RequestBatching:
    """Return the batching along an axis whose entries are independent, if sizes and contract allow it."""
    limits = manifest.dims.get(dim, NO_LIMITS)
    if limits.minimum > 1 or limits.multiple_of > 1:
        least = max(limits.minimum, limits.multiple_of)
        return _refused(f"the dim '{dim}' is at least {least}: a request with one entry is none of the contract")

    for value in (*manifest.inputs, *manifest.outputs):
        if value.shape.count(dim) != 1 or _mentions(value.shape, dim) != 1:
            return _refused(f"'{value.name}' is {value}: the dim '{dim}' is not the size of one axis alone")
    return RequestBatching(dim, axes, _axes(manifest.outputs, dim), limits.maximum)


def _axes(values: Iterable[ValueInfo], dim: str) -> dict[str, int]:
    return {value.name: value.shape.index(dim) for value in values}


def _mentions(shape: tuple[int | str | None, ...], dim: str) -> int:
    """Return how many sizes depend on a dim."""
    return sum(re.search(rf"(?<!\w){re.escape(dim)}(?!\w)", str(size)) is not None for size in shape)


def _refused(reason: str) -> RequestBatching:
    return RequestBatching(None, {}, {}, None, reason)
