"""Which calls are one unit, and what its key depends on."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from typing import Any

import pytest

from stackc.components.families.layout import Slice
from stackc.components.families.linear import Linear
from stackc.components.families.merge import Add, Concat
from stackc.components.families.norm import LayerNorm
from stackc.components.reparam import Standardize
from stackc.core.types import Dim
from stackc.export.units import Unit, units_of


def shapes(unit: Unit) -> list[str]:
    return [str(x) for x in unit.inputs]


def test_names_of_dims_make_no_difference(written: Any, draft: Any, typed: Any) -> None:
    grid = Dim.symbol("height") * Dim.symbol("width") + 1
    inputs = {"a": typed("batch", "seq", 8), "b": typed("rows", "tokens", 8), "c": typed("batch", grid, 8)}
    program = written(inputs, {name.upper(): draft(LayerNorm(), (name,)) for name in inputs}, {})
    (unit,) = set(units_of(program, 23))
    assert shapes(unit) == ["float32[d0, d1, 8]"]


@pytest.mark.parametrize(
    ("dims", "expected"),
    [
        ((Dim.symbol("n"), Dim.symbol("n"), 3), "d0, d0, 3"),
        ((Dim.symbol("n"), Dim.symbol("m"), 3), "d0, d1, 3"),
        ((Dim.symbol("n") * 2, Dim.symbol("n"), 3), "2*d0, d0, 3"),
        ((Dim.symbol("n") + 1, Dim.symbol("m") * 3, 3), "d0, d1, 3"),
        (((Dim.symbol("n") + 1) // 2, Dim.symbol("n"), 3), "(1 + d0)//2, d0, 3"),
    ],
)
def test_dims_that_are_related_stay_related(written: Any, draft: Any, typed: Any, dims: Any, expected: str) -> None:
    program = written({"x": typed(*dims)}, {"norm": draft(LayerNorm(), ("x",))}, {})
    (unit,) = units_of(program, 23)
    assert unit.inputs[0] is not None
    assert ", ".join(map(str, unit.inputs[0].shape)).replace("d0 + 1", "1 + d0") == expected


def test_what_always_divides_a_dim_is_kept(written: Any, draft: Any, typed: Any) -> None:
    program = written({"x": typed(Dim.symbol("h", 16) // 4, 8)}, {"norm": draft(LayerNorm(), ("x",))}, {})
    (unit,) = units_of(program, 23)
    assert unit.inputs[0] is not None
    assert unit.inputs[0].shape[0].symbols() == {"d0": 4}


def test_dims_of_fields_are_renamed_as_those_of_inputs(written: Any, draft: Any, typed: Any) -> None:
    inputs = {"a": typed("batch", "seq", 8), "b": typed("rows", "tokens", 8)}
    drafts = {
        name.upper(): draft(Slice(axis=1, size=Dim.symbol(dim) - 1), (name, None))
        for name, dim in (("a", "seq"), ("b", "tokens"))
    }
    (unit,) = set(units_of(written(inputs, drafts, {}), 23))
    assert shapes(unit) == ["float32[d0, d1, 8]", "None"]
    assert str(unit.component.size) == "d1 - 1"  # type: ignore[attr-defined]  # a Slice
    other = replace(unit, component=Slice(axis=1, size=Dim.symbol("d1") - 2))
    assert unit.key != other.key


def test_two_inputs_of_one_size_are_another_unit(written: Any, draft: Any, typed: Any) -> None:
    inputs = {"a": typed("n", 8), "b": typed("m", 8)}
    drafts = {"same": draft(Concat(axis=0), ("a", "a")), "other": draft(Concat(axis=0), ("a", "b"))}
    assert [shapes(u) for u in units_of(written(inputs, drafts, {}), 23)] == [
        ["float32[d0, 8]", "float32[d0, 8]"],
        ["float32[d0, 8]", "float32[d1, 8]"],
    ]


def test_key_tells_apart_what_compiles_differently(typed: Any) -> None:
    unit = Unit(Linear(out=8), (), (typed("d0", 8),), 23)
    others = [
        replace(unit, component=Linear(out=9)),
        replace(unit, component=Add()),
        replace(unit, reparams=(("weight", Standardize()),)),
        replace(unit, reparams=(("weight", Standardize(eps=1e-3)),)),
        replace(unit, inputs=(typed("d0", 9),)),
        replace(unit, inputs=(typed("d0", 8, dtype="float64"),)),
        replace(unit, inputs=(typed(Dim.symbol("d0", 2), 8),)),
        replace(unit, inputs=(typed("d0", 8), None)),
        replace(unit, opset=18),
        replace(unit, target="ort"),
    ]

    keys = {u.key for u in [unit, *others]}
    assert len(keys) == len(others) + 1
    assert replace(unit).key == unit.key


def test_key_is_the_same_in_every_process() -> None:
    code = (
        "from stackc.components.families.linear import Linear; from stackc.export.units import Unit;"
        "from stackc.core.types import Dim, TensorType, shape; import sys;"
        "print(Unit(Linear(out=8), (), (TensorType('float32', shape(Dim.symbol('d0'), 8)), None), 23).key);"
        "assert 'torch' not in sys.modules"
    )
    keys = {
        subprocess.run([sys.executable, "-c", code], env=env(seed), capture_output=True, text=True, check=True).stdout
        for seed in (0, 1)
    }
    assert len(keys) == 1


def env(seed: int) -> dict[str, str]:
    import os

    return {**os.environ, "PYTHONHASHSEED": str(seed)}
