"""What a component declares to be pointwise: perturbing x at one index changes y at that index alone."""

from __future__ import annotations

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tests.components.cases import CASES, DTYPES
from tests.components.test_signature_property import below, draw_sizes, filled, several
from torch import Tensor

from stackc.components import REGISTRY, Component
from stackc.core.types import Dim, TensorType

SILENT = {
    "constant", "degree", "learned_position", "positions", "relative_position_bias", "relative_positions",
    "sinusoidal_position",
}  # fmt: skip
SILENT |= {op for op, component in REGISTRY.items() if component.is_for_training}
"""Components without a pointwise axis: what they compute depends on positions alone, counts, or is one number."""


def perturbed(x: Tensor, axis: int, index: int, below: int) -> Tensor:
    """Return other values at one index of an axis."""
    y = x.clone()
    part = y.select(axis, index)
    if x.is_floating_point():
        part += torch.randn(part.shape, dtype=x.dtype)
    else:
        part.copy_(((part.to(torch.int64) + 1) % below).to(x.dtype))
    return y


def rolled(inputs: list[Tensor | None], axes: list[tuple[int, int]]) -> list[Tensor | None]:
    """Return the inputs with each listed (input, axis) moved by one index."""
    moved = list(inputs)
    for port, axis in axes:
        x = moved[port]
        assert x is not None
        moved[port] = x.roll(1, axis)
    return moved


@pytest.mark.slow
@pytest.mark.parametrize("op", sorted(REGISTRY.keys() - SILENT))
@settings(max_examples=8, deadline=None)
@given(data=st.data())
def test_pointwise_axes_are_pointwise(op: str, data: st.DataObject) -> None:
    case = data.draw(CASES[op])
    declared = case.component.pointwise_axes(*case.inputs)
    assert len(declared) == len(case.inputs)
    axes = [(port, axis) for port, places in enumerate(declared) for axis in places]
    assume(axes)

    port, axis = data.draw(st.sampled_from(axes), label="input and axis")
    module = case.component.module(*case.inputs).eval().to(DTYPES["float64"])
    sizes = data.draw(st.composite(draw_sizes)(case.signature), label="sizes")
    inputs = filled(case, sizes, "float64")
    x, places = inputs[port], declared[port][axis]
    assert x is not None
    assert len(places) == len(case.signature.outputs)
    index = data.draw(st.integers(0, x.shape[axis] - 1), label="index")

    with torch.no_grad():
        before = several(module(*inputs))
        inputs[port] = perturbed(x, axis, index, below(case, port, sizes))
        after = several(module(*inputs))
    for old, new, place in zip(before, after, places, strict=True):
        assert old.shape[place] == x.shape[axis]
        others = [i for i in range(old.shape[place]) if i != index]
        unchanged = [y.index_select(place, torch.tensor(others, dtype=torch.int64)) for y in (old, new)]
        assert torch.equal(*(y.nan_to_num(7.0) if y.is_floating_point() else y for y in unchanged))


@pytest.mark.slow
@pytest.mark.parametrize("op", sorted(REGISTRY.keys() - SILENT))
@settings(max_examples=5, deadline=None)
@given(data=st.data())
def test_pointwise_axes_do_not_depend_on_the_index(op: str, data: st.DataObject) -> None:
    """If all inputs that share an axis of the outputs are moved along it, so are the outputs."""
    case = data.draw(CASES[op])
    declared = case.component.pointwise_axes(*case.inputs)
    groups: dict[tuple[int, ...], list[tuple[int, int]]] = {}
    for port, axes in enumerate(declared):
        for axis, places in axes.items():
            groups.setdefault(places, []).append((port, axis))
    assume(groups)

    places = data.draw(st.sampled_from(sorted(groups)), label="axis of the outputs")
    moved = groups[places]
    along = Dim.of(1) * sized(case.inputs, *moved[0])
    # an input that has the axis too, but is not pointwise along it, cannot be moved with the others
    assume(not any(along in x.shape for port, x in enumerate(case.inputs) if x and port not in dict(moved)))

    module = case.component.module(*case.inputs).eval().to(DTYPES["float64"])
    inputs = filled(case, data.draw(st.composite(draw_sizes)(case.signature), label="sizes"), "float64")
    with torch.no_grad():
        expected = [y.roll(1, place) for y, place in zip(several(module(*inputs)), places, strict=True)]
        actual = several(module(*rolled(inputs, moved)))
    torch.testing.assert_close(list(actual), expected, rtol=1e-12, atol=1e-12, equal_nan=True)


def sized(inputs: tuple[TensorType | None, ...], port: int, axis: int) -> Dim:
    x = inputs[port]
    assert x is not None
    return x.shape[axis]


def test_the_others_declare_nothing() -> None:
    silent = {op for op, component in REGISTRY.items() if component.pointwise_axes is Component.pointwise_axes}
    assert silent == SILENT
