"""The `cast` that makes a component take its operands, where their element types do not fit: found by trying."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from stackc.components.base import INTEGERS, Component, SignatureError
from stackc.core.types import TensorType
from stackc.ir.model import Node

Operands = Sequence[TensorType | None]

_PROMISE = re.compile(r"put `cast` .*")


def with_cast(node: Node, operands: Operands, error: SignatureError) -> str | None:
    """Return the hint of an error, with the `cast` that is enough; as it is, if it has that one or there is none."""
    assert isinstance(node.body, Component)
    blamed = next((place for place, operand in enumerate(node.operands) if operand.port == error.port), 0)
    found = working_cast(node.body, operands, blamed)
    if found is None:
        return error.hint

    places, dtype = found
    source = node.operands[places[0]].value
    where = "before each of its inputs" if len(places) > 1 else f"between '{source.node if source else ''}' and it"
    where = "before it" if sum(x is not None for x in operands) == 1 else where
    cast = f"put `cast` {where}, with `dtype: {dtype}`"

    hint = error.hint
    if hint is None:
        return cast
    if _PROMISE.search(hint):
        return hint if _promised(hint) == dtype and len(places) == 1 else _PROMISE.sub(lambda _: cast, hint)
    return hint if f"`dtype: {dtype}`" in hint else f"{hint}; or {cast}"


def working_cast(component: Component, operands: Operands, blamed: int) -> tuple[tuple[int, ...], str] | None:
    """Return operands, by their places, and the element type in which the component takes them; the blamed one first.

    One operand is enough where possible; None if not even all of them are. Conversions that lose nothing come first.
    """
    connected = [place for place, x in enumerate(operands) if x is not None]
    one = [(place,) for place in sorted(connected, key=lambda place: place != blamed)]
    for choices in (one, [tuple(connected)]):
        for dtype in _targets(operands):
            for places in choices:
                if _takes(component, operands, places, dtype):
                    return places, dtype
    return None


def _targets(operands: Operands) -> Iterator[str]:
    """Yield what `cast` casts to: numbers with a fraction first, and what floats are more probably meant to be."""
    yield "float32"
    yield from ("bool", *INTEGERS) if any(x and x.is_float for x in operands) else (*INTEGERS, "bool")


def _takes(component: Component, operands: Operands, places: Sequence[int], dtype: str) -> bool:
    changed = [replace(x, dtype=dtype) if x and place in places else x for place, x in enumerate(operands)]
    try:
        component.signature(*changed)
    except SignatureError:
        return False
    return changed != list(operands)


def _promised(hint: str) -> str:
    """Return the element type of the `cast` in a hint; by default that of the component."""
    named = re.search(r"`dtype: (\w+)`", hint)
    return named[1] if named else "float32"
