"""The sizes that units are traced at: no axis is empty, and floors are large enough for a general trace."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.hub.small_sizes import small_params

from stackc.components.families.activation import Relu
from stackc.components.families.attention import Attention
from stackc.components.families.conv import Conv1d
from stackc.components.families.embedding import LearnedPosition
from stackc.core.types import Dim, TensorType, shape
from stackc.export.example_sizes import example_sizes
from stackc.export.units import Unit, units_of
from stackc.frontend import Overrides, check_source
from stackc.hub.zoo import zoo_files, zoo_text
from stackc.pipeline import Options, build
from stackc.spec.source import Source

H, W = Dim.symbol("d1"), Dim.symbol("d2")


def axes_of(unit: Unit) -> list[Dim]:
    """Return the axes of inputs and outputs that depend on a dim."""
    types = [*unit.inputs, *unit.component.signature(*unit.inputs).outputs]
    return [dim for x in types if x for dim in x.shape if dim.constant is None]


@pytest.mark.parametrize("name", zoo_files())
def test_no_axis_of_the_zoo_is_empty_or_one(name: str) -> None:
    source = Source(zoo_files()[name].name, zoo_text(name))
    for unit in set(units_of(check_source(source, Overrides(params=small_params(name))).program, 23)):
        sizes = example_sizes(unit)
        assert {str(dim): dim.evaluate(sizes) for dim in axes_of(unit) if dim.evaluate(sizes) < 2} == {}, unit


@given(
    st.lists(st.tuples(st.integers(-40, 31), st.integers(1, 64)), min_size=2, max_size=2),
    st.sampled_from([1, 2, 16]),
)
def test_floors_are_at_least_two(floors: list[tuple[int, int]], multiple_of: int) -> None:
    """Products of two floors, and each alone; a crop makes them smaller."""
    height, width = Dim.symbol("d1", multiple_of), Dim.symbol("d2")
    rows, columns = ((size + shift) // d for size, (shift, d) in zip((height, width), floors, strict=True))
    x = TensorType("float32", shape(Dim.symbol("d0"), rows, columns, rows * columns))
    sizes = example_sizes(Unit(Relu(), (), (x,), 23))
    assert min(dim.evaluate(sizes) for dim in x.shape) >= 2
    assert sizes["d1"] % multiple_of == 0


def test_sizes_are_primes_where_nothing_is_divided(typed: Any) -> None:
    unit = Unit(Relu(), (), (typed("d0", "d1", H * 2 + W),), 23)
    assert example_sizes(unit) == {"d0": 7, "d1": 11, "d2": 13}


def test_queries_and_reduced_keys(typed: Any) -> None:
    queries, keys = ((H + 3) // 4) * ((W + 3) // 4), ((H + 3) // 32) * ((W + 3) // 32)
    unit = Unit(Attention(heads=2), (), (typed("d0", queries, 8), typed("d0", keys, 8)), 23)
    assert example_sizes(unit) == {"d0": 56, "d1": 88, "d2": 104}  # 2 · 3 keys; at half of that, 1 · 1


def test_an_output_counts_too(typed: Any) -> None:
    unit = Unit(Conv1d(out=4, kernel=8, stride=8), (), (typed("d0", 3, "d1"),), 23)
    assert example_sizes(unit) == {"d0": 14, "d1": 22}  # at 11 its output has one position


def test_a_limit_comes_before_a_large_floor(typed: Any) -> None:
    """The table ends at 20, so d1 is below 42: d1//32 can be 1, but not 2."""
    x = typed(H // 32, H // 2, 4)
    sizes = example_sizes(Unit(LearnedPosition(max=20), (), (x,), 23))
    assert 32 <= sizes["d1"] < 42


SPEC = """\
stackc: 1
name: reduced
dims: {batch: {min: 1, max: 4}, height: {min: 29, max: 128}}
inputs: {x: {shape: [batch, 4, height]}}
graph: |
  x --> patches[conv1d] --> rows[transpose] --> attn[attention]
  patches --> reduce[conv1d] --> keys[transpose] -->|context| attn
nodes:
  patches: {out: 8, kernel: 7, stride: 4, padding: 3}
  reduce:  {out: 8, kernel: 8, stride: 8}
  attn:    {heads: 2}
outputs: {y: attn}
"""


@pytest.mark.slow
@pytest.mark.parametrize("opset", [18, 23])
def test_attention_over_keys_counted_by_a_floor(opset: int, tmp_path: Path) -> None:
    """The proof compares ONNX Runtime with PyTorch, at 29 too, where there is one key."""
    spec = tmp_path / "reduced.yaml"
    spec.write_text(SPEC)
    built = build(spec, Options(out=tmp_path / "built", opset=opset, measure=False))
    assert built.parity is not None
