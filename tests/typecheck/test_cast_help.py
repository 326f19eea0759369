"""Every element type at every port of every component: what is refused says which `cast` to write, and that works."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.components.cases import CASES, Case

from stackc.components import REGISTRY, Component
from stackc.components.base import SignatureError
from stackc.core.diagnostics import Span, SpecError
from stackc.core.types import TensorType
from stackc.frontend import check_source
from stackc.ir.model import Node, Operand, ValueRef
from stackc.spec.source import Source
from stackc.typecheck.cast_help import with_cast

TYPES = ("float32", "int64", "int32", "bool", "uint8", "int8")
AT = Span("spec.yaml", 1, 1)
Types = tuple[TensorType | None, ...]


def port_of(component: Component, place: int) -> str:
    """Return the port of an input by its place: all after the last are of the variadic one."""
    return component.ports[min(place, len(component.ports) - 1)].name


def node_of(component: Component, inputs: Types) -> Node:
    """Return a node whose operands are called by their places."""
    operands = tuple(
        Operand(port_of(component, i), None if x is None else ValueRef(str(i)), AT) for i, x in enumerate(inputs)
    )
    return Node("node", component, operands, AT, op=component.op)


def refusal(component: Component, inputs: Types) -> SignatureError | None:
    try:
        component.signature(*inputs)
    except SignatureError as error:
        return error
    return None


def followed(hint: str, inputs: Types, place: int) -> Iterator[Types]:
    """Yield the inputs after what a hint says; "one of them" may be any."""
    if named := re.search(r"declare the input with `dtype: (\w+)`|`cast` before it, with `dtype: (\w+)`", hint):
        yield changed(inputs, place, named[1] or named[2])
        return

    cast = re.search(r"put `cast` (before|between) (.*?)(?:, which|, with `dtype: (\w+)`|$)", hint)
    assert cast is not None, hint
    where, dtype = cast[2], cast[3] or "float32"
    if cast[1] == "between":
        yield changed(inputs, int(where.split("'")[1]), dtype)
    elif where == "each of its inputs":
        yield tuple(replace(x, dtype=dtype) if x else x for x in inputs)
    elif where == "it":
        yield changed(inputs, place, dtype)
    else:
        places = [i for i, x in enumerate(inputs) if x and where in ("one of them", str(x))]
        yield from (changed(inputs, i, dtype) for i in places)


def changed(inputs: Types, place: int, dtype: str) -> Types:
    return tuple(replace(x, dtype=dtype) if x and i == place else x for i, x in enumerate(inputs))


@pytest.mark.parametrize("op", sorted(op for op, component in REGISTRY.items() if not component.is_for_training))
@settings(max_examples=4, deadline=None)
@given(data=st.data())
def test_following_the_help_leads_to_what_is_accepted(op: str, data: st.DataObject) -> None:
    """Specs have no float64, which `cast` does not make either."""
    case: Case = data.draw(CASES[op])
    accepted = tuple(replace(x, dtype="float32") if x and x.is_float else x for x in case.inputs)
    for place, x in enumerate(accepted):
        for dtype in TYPES if x else ():
            inputs = changed(accepted, place, dtype)
            error = refusal(case.component, inputs)
            if error is None:
                continue
            hint = with_cast(node_of(case.component, inputs), inputs, error)
            assert hint is not None, (error.message, dtype)
            assert any(refusal(case.component, types) is None for types in followed(hint, inputs, place)), hint


@pytest.mark.parametrize(
    ("dtypes", "graph", "cast"),
    [
        ("uint8, int64", "x & y --> z[concat]", "between 'x' and it, with `dtype: int64`"),
        ("uint8, int8", "x & y --> z[concat]", "before each of its inputs, with `dtype: float32`"),
        (
            "float32, bool",
            "x --> z[equal]; y -->|other| z",
            "before bool[4], which turns whole numbers and booleans into float32",
        ),
    ],
)
def test_the_cast_is_the_one_that_is_enough(dtypes: str, graph: str, cast: str) -> None:
    x, y = dtypes.split(", ")
    inputs = f"x: {{shape: [4], dtype: {x}}}, y: {{shape: [4], dtype: {y}}}"
    with pytest.raises(SpecError) as caught:
        check_source(Source("spec.yaml", f"stackc: 1\ninputs: {{{inputs}}}\ngraph: {graph}\n"))
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.hint == f"put `cast` {cast}"


def test_a_mask_of_numbers_is_cast() -> None:
    text = "inputs: {x: {shape: [4, 3, 2]}, kept: {shape: [4, 3]}}\ngraph: x --> y[mean_pool]; kept -->|mask| y\n"
    with pytest.raises(SpecError) as caught:
        check_source(Source("spec.yaml", f"stackc: 1\n{text}"))
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.hint is not None
    assert diagnostic.hint.endswith("; or put `cast` between 'kept' and it, with `dtype: bool`")
    followed = text.replace("kept -->|mask| y", "kept --> cast -->|mask| y\nnodes: {cast: {dtype: bool}}")
    assert check_source(Source("spec.yaml", f"stackc: 1\n{followed}"))
