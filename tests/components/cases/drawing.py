"""Hypothesis strategies for cases: a component with a valid configuration, and input types that it accepts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from stackc.components import REGISTRY
from stackc.components.base import Component, Signature
from stackc.core.types import Dim, TensorType

SYMBOLS = [Dim.symbol(name) for name in ("batch", "seq", "keys", "width", "height")]
BATCH, SEQ, KEYS, WIDTH, HEIGHT = SYMBOLS
DTYPES = {name: getattr(torch, name) for name in ("float32", "float64", "int64", "int32", "int8", "uint8", "bool")}


@dataclass(frozen=True)
class Case:
    """A component and the types of its inputs, None at an unconnected port.

    If it skips positions by the numbers in its inputs, the FLOPs of its signature are those without any skipped.
    """

    component: Component
    inputs: tuple[TensorType | None, ...]
    skips_positions: bool = False

    @property
    def signature(self) -> Signature:
        return self.component.signature(*self.inputs)


CASES: dict[str, SearchStrategy[Case]] = {}
Op = type[Any]  # the fields are different in each class
Draw = Callable[[DrawFn, Op], Case]

small = st.integers(1, 6)
floats = st.sampled_from(["float32", "float64"])
integers = st.sampled_from(["int64", "int32"])
masks = st.sampled_from(["int64", "int32", "bool"])


def cases(*ops: str) -> Callable[[Draw], Draw]:
    """Register a function that draws cases for these ops."""

    def register(draw_case: Draw) -> Draw:
        for op in ops:
            CASES[op] = st.composite(draw_case)(REGISTRY[op])
        return draw_case

    return register


def dims(draw: DrawFn, rank: int) -> list[Dim]:
    """Return distinct symbols, some of them replaced by numbers."""
    symbols = draw(st.permutations(SYMBOLS))[:rank]
    return [Dim.of(draw(small)) if draw(st.integers(0, 4)) == 0 else symbol for symbol in symbols]


def with_features(draw: DrawFn, least: int, most: int, size: int, lowest_axis: int = 0) -> tuple[tuple[Dim, ...], int]:
    """Return a shape with `size` at some axis, and that axis, counted from either end."""
    rank = draw(st.integers(least, most))
    axis = draw(st.integers(lowest_axis, rank - 1))
    sizes = dims(draw, rank)
    sizes[axis] = Dim.of(size)
    return tuple(sizes), draw(st.sampled_from([axis, axis - rank]))
