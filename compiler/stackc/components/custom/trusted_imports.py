"""Imports of trusted code: a spec's folder and the working directory are searched for trusted modules only."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.machinery import ModuleSpec, PathFinder, all_suffixes
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Self


@dataclass(frozen=True)
class TrustedImports:
    """A search of `folders` for the top-level modules in `trust`, after installed ones, while its context is open.

    sys.path stays as it is: PyTorch and others try to import optional packages, and a file of such a name that
    happens to be in a folder must not run.
    """

    trust: tuple[str, ...]
    folders: tuple[str, ...]

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Find a trusted top-level module in the folders, as `importlib` asks."""
        if path is not None or not self.trusts(fullname):
            return None
        return PathFinder.find_spec(fullname, self.folders, target)

    def trusts(self, name: str) -> bool:
        """Return whether a top-level module, or anything in it, is trusted."""
        return any(trusted.partition(".")[0] == name for trusted in self.trust)

    def lacks(self, name: str) -> bool:
        """Return whether a folder holds a top-level module that is not trusted. Runs nothing."""
        spec = None if self.trusts(name) else PathFinder.find_spec(name, self.folders)
        if spec is None or spec.loader is not None:
            return spec is not None
        # a folder without __init__.py is a package, but a folder of data is no reason to propose trust
        files = (file for folder in spec.submodule_search_locations or () for file in Path(folder).rglob("*"))
        return any(file.name.endswith(tuple(all_suffixes())) for file in files)

    def __enter__(self) -> Self:
        importlib.invalidate_caches()
        sys.meta_path.append(self)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        sys.meta_path.remove(self)


NOTHING_TRUSTED = TrustedImports((), ())


def missing_trust(error: BaseException) -> tuple[str, str] | None:
    """Explain an import that failed for lack of trust: return what is wrong and how to fix it, else None.

    Call it while the context of the imports is open.
    """
    if not isinstance(error, ModuleNotFoundError) or not error.name:
        return None
    name = error.name.partition(".")[0]
    for imports in sys.meta_path:
        if isinstance(imports, TrustedImports) and imports.lacks(name):
            trust = ",".join((*imports.trust, name))
            return f"it imports '{name}', which is code that is not trusted to run", f"`--trust {trust}` lets it run"
    return None
