"""Names and module paths of the previous release: they work for one more release, with a DeprecationWarning."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from importlib import import_module
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

_FAMILIES = (
    *("activation", "attention", "conv", "elementwise", "embedding", "image", "layout"),
    *("linear", "merge", "norm", "padding", "pool", "product", "recurrent"),
)
MOVED_MODULES = {
    "stackc.components.extents": "stackc.components.size_expressions",
    "stackc.components.offered": "stackc.components.plugins",
    **{f"stackc.components.{family}": f"stackc.components.families.{family}" for family in _FAMILIES},
}
"""Where each module of the previous release is now."""


def warn(old: str, new: str, *, stacklevel: int) -> None:
    """Warn that a name is deprecated; `stacklevel` counts from the caller, as in `warnings.warn`."""
    warnings.warn(f"{old} is deprecated: use {new}", DeprecationWarning, stacklevel=stacklevel + 1)


def moved_names(module: str, **names: str) -> Callable[[str], Any]:
    """Return a module's `__getattr__`, which finds old `names` elsewhere, each at "package.module.name"."""

    def __getattr__(name: str) -> Any:
        if name not in names:
            raise AttributeError(f"module '{module}' has no attribute '{name}'")

        warn(f"{module}.{name}", names[name], stacklevel=2)
        home, _, current = names[name].rpartition(".")
        return getattr(import_module(home), current)

    return __getattr__


class MovedModuleFinder:
    """Import a module under its old path: `sys.modules` gets the module itself, so nothing is defined twice."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        """Return a spec for a moved module, None for any other. Called once a path, when no file has been found."""
        if name not in MOVED_MODULES:
            return None

        warn(name, MOVED_MODULES[name], stacklevel=2)
        return ModuleSpec(name, self)  # type: ignore[arg-type]  # it has both methods of a loader

    def create_module(self, spec: ModuleSpec) -> None:
        """Let the import system make the module that `exec_module` replaces."""

    def exec_module(self, module: ModuleType) -> None:
        """Put the moved module in the place of the new, empty one."""
        sys.modules[module.__name__] = import_module(MOVED_MODULES[module.__name__])


def install() -> None:
    """Look for modules at their old paths where the import system finds none."""
    if not any(type(finder).__name__ == "MovedModuleFinder" for finder in sys.meta_path):
        sys.meta_path.append(MovedModuleFinder())
