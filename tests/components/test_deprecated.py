"""Names and module paths of the previous release: the same objects, with a DeprecationWarning."""

from __future__ import annotations

import importlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import stackc.components
from stackc.components import Signature
from stackc.components.base import Component, TypePreserving
from stackc.components.deprecated import MOVED_MODULES
from stackc.core.types import TensorType, shape

RENAMED = [
    ("stackc.components", "Misfit", "stackc.components.base.SignatureError"),
    ("stackc.components.base", "Misfit", "stackc.components.base.SignatureError"),
    ("stackc.components.base", "KeepsType", "stackc.components.base.TypePreserving"),
    ("stackc.components.base", "component", "stackc.components.registry.component"),
    ("stackc.components.base", "REGISTRY", "stackc.components.registry.REGISTRY"),
    ("stackc.components.base", "SPECIAL_OPS", "stackc.components.registry.SPECIAL_OPS"),
    ("stackc.components.construction", "Construction", "stackc.components.construction.ConstructorCall"),
]


@pytest.fixture(params=sorted(MOVED_MODULES))
def moved(request: pytest.FixtureRequest) -> Iterator[str]:
    """An old module path that nothing has imported; afterwards nothing has either."""
    old: str = request.param
    sys.modules.pop(old, None)
    yield old
    sys.modules.pop(old, None)
    vars(stackc.components).pop(old.rpartition(".")[2], None)


@pytest.mark.parametrize(("module", "old", "new"), RENAMED, ids=lambda value: value.rpartition(".")[2])
def test_renamed_object_is_the_same_one(module: str, old: str, new: str) -> None:
    home, _, name = new.rpartition(".")
    with pytest.warns(DeprecationWarning, match=rf"^{module}\.{old} is deprecated: use stackc\.components\S*\.{name}$"):
        value = getattr(importlib.import_module(module), old)
    assert value is getattr(importlib.import_module(home), name)


def test_moved_module_is_the_same_one_and_warns_once(moved: str, recwarn: pytest.WarningsRecorder) -> None:
    with pytest.warns(DeprecationWarning, match=f"^{moved} is deprecated: use {MOVED_MODULES[moved]}$"):
        module = importlib.import_module(moved)
    assert module is importlib.import_module(MOVED_MODULES[moved])
    assert module.__name__ == MOVED_MODULES[moved]
    assert importlib.import_module(moved) is module
    assert not recwarn.list


def test_from_import_of_a_moved_module_warns_where_it_is_written(tmp_path: Path) -> None:
    lines = ["from stackc.components.linear import Linear", "import stackc.components.offered as offered"]
    lines += [
        "from stackc.components.base import Misfit, component",
        "print(Linear.op, offered.GROUP, Misfit.__name__)",
    ]
    script = tmp_path / "old.py"
    script.write_text("\n".join(lines), encoding="utf-8")
    command = [sys.executable, "-W", "always::DeprecationWarning", str(script)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "linear stackc.components SignatureError\n"
    for line in (1, 2, 3):
        assert f"old.py:{line}: DeprecationWarning: stackc.components." in done.stderr


@pytest.mark.parametrize("module", ["stackc.components", "stackc.components.base"])
def test_error_a_name_that_never_was(module: str) -> None:
    with pytest.raises(AttributeError, match=rf"^module '{module}' has no attribute 'Missing'$"):
        importlib.import_module(module).Missing  # noqa: B018  # the access is what raises
    with pytest.raises(ModuleNotFoundError, match=r"No module named 'stackc\.components\.missing'"):
        importlib.import_module("stackc.components.missing")


def test_clear_outputs_is_honoured_under_its_new_name() -> None:
    x = TensorType("float32", shape(2))
    with pytest.warns(DeprecationWarning, match=r"^Old\.clear_outputs is deprecated: use fallback_outputs$") as caught:

        class Old(TypePreserving):
            def clear_outputs(self, x: TensorType) -> tuple[TensorType, ...]:
                return (x, x)

            def signature(self, x: TensorType) -> Signature:
                return Signature((x, x))

    assert caught[0].filename == __file__
    assert Old().fallback_outputs(x) == (x, x)

    class New(Old):
        def fallback_outputs(self, x: TensorType, *others: object) -> tuple[TensorType, ...]:
            return ()

    assert New().fallback_outputs(x) == Component.fallback_outputs(New(), x) == ()
