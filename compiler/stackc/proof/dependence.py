"""Along which dims the values of a component depend on other positions, or on the position itself."""

from __future__ import annotations

from collections.abc import Iterator

from stackc.components.size_expressions import dims_of
from stackc.core.types import Dim
from stackc.ir.program import Call, Program


def dependent_calls(program: Program) -> Iterator[tuple[Call, frozenset[Dim]]]:
    """Yield every call with the sizes of the axes along which it is not pointwise, if there are any with a dim.

    Axes of inputs, axes of outputs that come from no pointwise axis, and sizes in fields count.
    """
    known: dict[tuple[object, ...], frozenset[Dim]] = {}
    for call in program.calls:
        inputs = [program.types[name] if name is not None else None for name in call.inputs]
        key = (call.component, *inputs)
        if key not in known:
            known[key] = frozenset(size for size in _dependent_sizes(call, program) if size.symbols())
        if known[key]:
            yield call, known[key]


def _dependent_sizes(call: Call, program: Program) -> Iterator[Dim]:
    inputs = [program.types[name] if name is not None else None for name in call.inputs]
    pointwise = call.component.pointwise_axes(*inputs)
    for x, axes in zip(inputs, pointwise, strict=True):
        yield from (size for axis, size in enumerate(x.shape if x else ()) if axis not in axes)

    for number, y in enumerate(call.signature.outputs):
        places = {axis[number] for axes in pointwise for axis in axes.values()}
        yield from (size for axis, size in enumerate(y.shape) if axis not in places)
    yield from dims_of(call.component)
