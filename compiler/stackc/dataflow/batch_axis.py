"""The batch axis of a model.

It is the first axis of the first input whose size is a dim that every input has; of each input it is the first axis of
that size. In most models it is axis 0 of all inputs.
"""

from __future__ import annotations

from collections.abc import Mapping

from stackc.components.base import axis_of
from stackc.components.families.merge import Concat
from stackc.core.diagnostics import Span
from stackc.core.types import Dim, TensorType
from stackc.ir.program import Call, Program


def batch_axes(inputs: Mapping[str, TensorType]) -> tuple[Dim, dict[str, int]] | None:
    """Return the size of the batch axis, and its place in every input; None if the inputs share no dim."""
    types = [*inputs.values()]
    for size in types[0].shape if types else ():
        if size.constant is None and all(size in x.shape for x in types):
            return size, {name: x.shape.index(size) for name, x in inputs.items()}
    return None


def joined_batches(program: Program) -> tuple[Call, ...]:
    """Return the calls of `concat` along the batch axis, one for each place in the spec: they join other examples."""
    batch = batch_axes(program.inputs)
    calls: dict[Span, Call] = {}
    for call in program.calls:
        if batch is None or not isinstance(call.component, Concat):
            continue
        first = program.types[next(name for name in call.inputs if name is not None)]
        if first.rank > 1 and first.shape[axis_of(call.component.axis, first)] == batch[0]:
            calls.setdefault(call.span, call)
    return tuple(calls.values())
