"""Units out of the cache: what is kept, what is compiled again, and what the key depends on besides the unit."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

import stackc
from stackc.cache import Cache
from stackc.components.families.linear import Linear
from stackc.components.families.merge import Identity
from stackc.components.families.norm import LayerNorm
from stackc.components.reparam import Standardize
from stackc.core.diagnostics import Span, SpecError
from stackc.core.types import Dim
from stackc.export import cache_key, compile_cached
from stackc.export.cache_key import canonical_text
from stackc.export.compile import compile_units
from stackc.export.objects import Object
from stackc.export.units import Unit

SPAN = Span("spec.yaml", 1)


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path)


@pytest.fixture
def units(typed: Any) -> dict[Unit, Span]:
    x = typed("d0", "d1", 8)
    reparams = (("weight", Standardize()),)
    return dict.fromkeys([Unit(Linear(out=4), reparams, (x,), 23), Unit(LayerNorm(), (), (x,), 23)], SPAN)


@pytest.fixture
def compile_calls(monkeypatch: pytest.MonkeyPatch) -> list[list[Unit]]:
    """The units that were compiled, call by call."""
    calls: list[list[Unit]] = []

    def recorded(units: Mapping[Unit, Span]) -> dict[Unit, Object]:
        calls.append(list(units))
        return compile_units(units)

    monkeypatch.setattr(compile_cached, "compile_units", recorded)
    return calls


@pytest.mark.slow
def test_the_second_time_nothing_is_compiled(units: Any, cache: Cache, compile_calls: Any, typed: Any) -> None:
    first, recalled = compile_cached.compile_cached(units, cache)
    assert (recalled, compile_calls) == (0, [list(units)])
    more = Unit(Identity(), (), (typed("d0"),), 23)
    again, recalled = compile_cached.compile_cached({more: SPAN, **units}, cache)
    assert (recalled, compile_calls[1:]) == (2, [[more]])
    assert list(again) == [more, *units]
    assert {unit: again[unit].to_bytes() for unit in units} == {unit: first[unit].to_bytes() for unit in units}


@pytest.mark.slow
def test_a_damaged_entry_is_compiled_again_and_repaired(units: Any, cache: Cache, compile_calls: Any) -> None:
    compile_cached.compile_cached(units, cache)
    first, second = units
    (cache.folder / first.key).write_bytes(b"torn")
    cache.write(second.key, b"whole, but not an object")
    assert compile_cached.compile_cached(units, cache)[1] == 0
    assert compile_calls[1:] == [[first, second]]
    assert compile_cached.compile_cached(units, cache)[1] == 2


@pytest.mark.slow
def test_without_a_cache_nothing_is_read_or_kept(units: Any, cache: Cache, compile_calls: Any) -> None:
    compile_cached.compile_cached(units, cache)
    before = {path: path.stat().st_mtime_ns for path in cache.folder.iterdir()}
    assert compile_cached.compile_cached(units, None)[1] == 0
    assert {path: path.stat().st_mtime_ns for path in cache.folder.iterdir()} == before


@pytest.mark.slow
def test_a_unit_without_a_canonical_text_is_not_kept(units: Any, cache: Cache, typed: Any, probe: Any) -> None:
    """The text of a function has its address in it, which another function may have in the next process."""
    odd = Unit(probe(lambda a: a * 2, typed("d0")), (), (typed("d0"),), 23)
    for _ in range(2):
        objects, recalled = compile_cached.compile_cached({odd: SPAN}, cache)
        assert (len(objects), recalled) == (1, 0)
    assert not cache.entries()


def test_a_unit_that_fails_fails_every_time(cache: Cache, typed: Any, probe: Any) -> None:
    @dataclass(frozen=True)
    class Failing(Linear):
        def module(self, *inputs: Any) -> Any:
            raise RuntimeError("no such thing")

    unit = Unit(Failing(out=4), (), (typed("d0", 8),), 23)
    for _ in range(2):
        with pytest.raises(SpecError, match=r"E501.*no such thing"):
            compile_cached.compile_cached({unit: SPAN}, cache)


# -- the key


def test_every_field_of_a_unit_is_in_the_key(typed: Any) -> None:
    @dataclass(frozen=True, slots=True)
    class More(Unit):
        level: int = 0

    unit = More(Linear(out=8), (), (typed("d0", 8),), 23)
    assert unit.key != replace(unit, level=1).key
    assert unit.key == replace(unit).key


def test_the_key_has_the_versions(monkeypatch: pytest.MonkeyPatch, typed: Any) -> None:
    unit = Unit(Linear(out=8), (), (typed("d0", 8),), 23)
    keys = {unit.key}
    for changed in ("torch", "onnx", "onnxscript", "onnx-ir"):
        cache_key.compiler_versions.cache_clear()
        monkeypatch.setattr(cache_key, "version", lambda name, odd=changed: "0.1" if name == odd else version(name))
        keys.add(unit.key)
        monkeypatch.undo()
    cache_key.compiler_versions.cache_clear()
    assert len(keys) == 5


KEY = """
from stackc.components.families.linear import Linear
from stackc.core.types import TensorType
from stackc.export.units import Unit
print(Unit(Linear(out=8), (), (TensorType('float32', ()),), 23).key)
"""


@pytest.mark.slow
@pytest.mark.parametrize("file", ["components/families/linear.py", "export/split.py", "modules/norm.py"])
def test_any_change_of_stackc_is_another_key(file: str, tmp_path: Path) -> None:
    source = Path(stackc.__file__).parent
    copy = shutil.copytree(source, tmp_path / "stackc", ignore=shutil.ignore_patterns("__pycache__"))
    keys = [key_of(source.parent), key_of(tmp_path)]
    with (copy / file).open("a", encoding="utf-8") as text:
        text.write("# changed\n")
    keys.append(key_of(tmp_path))
    assert keys[0] == keys[1] != keys[2]


def key_of(root: Path) -> str:
    environment = {**os.environ, "PYTHONPATH": str(root)}
    command = [sys.executable, "-c", KEY]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout


def test_different_data_is_different_text(typed: Any) -> None:
    d = Dim.symbol("d0", 4)
    values: list[Any] = [
        None, True, 1, 1.0, "1", b"1", "None", (), ((),), (1, 2), ("1,2",), ("1", "2"), {"a": 1}, {"a": "1"}, {1: "a"},
        0.1, 0.1 + 2**-56, Linear(out=8), Linear(out=8, bias=False), typed(d), typed(d // 3),
        typed(Dim.symbol("d0")), "[1,2]",
    ]  # fmt: skip
    assert len({canonical_text(value) for value in values}) == len(values)


@pytest.mark.parametrize("value", [object(), len, {1, 2}, Linear, [lambda: 1]])
def test_what_has_no_text(value: object) -> None:
    with pytest.raises(TypeError, match="has no canonical text"):
        canonical_text(value)
