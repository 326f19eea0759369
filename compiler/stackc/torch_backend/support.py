"""Copy the source of classes of stackc.modules that a printed file needs, without the methods only an export uses."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
from collections.abc import Callable, Iterable, Mapping, Set
from dataclasses import dataclass, field
from functools import cache
from typing import Any

CALLED_BY_TORCH = {"forward", "right_inverse", "extra_repr", "reset_parameters"}
"""Methods that PyTorch calls, so that they are kept although nothing that is copied calls them."""

_LIBRARY = "stackc.modules."

Definition = ast.ClassDef | ast.FunctionDef | ast.Assign
Import = tuple[str, str | None, str | None]
"""`from MODULE import NAME as ALIAS`; if the name is None, `import MODULE`."""


@dataclass(frozen=True)
class ModuleSource:
    """A file of stackc.modules: its lines, and its definitions and imports by name."""

    lines: tuple[str, ...]
    definitions: Mapping[str, Definition]
    imports: Mapping[str, Import]


@dataclass(frozen=True)
class Support:
    """The source of needed classes, in an order in which they can be defined, and their imports."""

    sources: Mapping[str, str]
    imports: Mapping[str, Import]


def support_of(classes: Iterable[Callable[..., Any]]) -> Support:
    """Return the source of those of the classes that are in stackc.modules, and of what they need.

    A class that was written for a cell (components/scan.py) has its own source.
    """
    needed = tuple(classes)
    called = frozenset(CALLED_BY_TORCH)
    while not (copied := _copy(needed, called)).called <= called:  # what is called may need, and call, more
        called |= copied.called
    imports = {name: origin for name, origin in copied.imports.items() if not origin[0].startswith(_LIBRARY)}
    return Support(copied.sources, imports)


def imports_in(tree: ast.Module) -> dict[str, Import]:
    """Return the imports at the top of a file, by the names that they bind."""
    imports: dict[str, Import] = {}
    for statement in tree.body:
        if isinstance(statement, ast.Import):
            imports |= {alias.asname or alias.name: (alias.name, None, alias.asname) for alias in statement.names}
        elif isinstance(statement, ast.ImportFrom) and statement.module and statement.module != "__future__":
            imports |= {
                alias.asname or alias.name: (statement.module, alias.name, alias.asname) for alias in statement.names
            }
    return imports


@cache
def _parse_module(module: str) -> ModuleSource:
    text = inspect.getsource(importlib.import_module(module))
    tree = ast.parse(text)
    definitions: dict[str, Definition] = {}
    for statement in tree.body:
        if isinstance(statement, (ast.ClassDef, ast.FunctionDef)):
            definitions[statement.name] = statement
        elif isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
            definitions[statement.targets[0].id] = statement
    return ModuleSource(tuple(text.splitlines()), definitions, imports_in(tree))


@dataclass
class _Copied:
    """What is copied so far: sources in order, the imports of their files, and the attributes that they name."""

    sources: dict[str, str] = field(default_factory=dict)
    imports: dict[str, Import] = field(default_factory=dict)
    called: set[str] = field(default_factory=set)


def _copy(classes: Iterable[Callable[..., Any]], called: Set[str]) -> _Copied:
    """Copy the classes, with those of their methods that have a name in `called`, and what these need."""
    copied = _Copied()
    for make in classes:
        if source := getattr(make, "written_source", None):
            copied.sources[make.__name__] = source
        elif make.__module__.startswith(_LIBRARY):
            _add(make.__name__, _parse_module(make.__module__), called, copied)
    return copied


def _add(name: str, library: ModuleSource, called: Set[str], copied: _Copied) -> None:
    """Copy a definition, after those that it needs."""
    if name in copied.sources:
        return
    copied.imports |= library.imports
    definition = library.definitions[name]
    unused = _unused_methods(definition, called) if isinstance(definition, ast.ClassDef) else []
    skipped = {id(node) for method in unused for node in ast.walk(method)}

    for node in ast.walk(definition):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.Attribute):
            copied.called.add(node.attr)
        elif isinstance(node, ast.Name) and node.id in library.definitions and node.id != name:
            _add(node.id, library, called, copied)
        elif isinstance(node, ast.Name) and library.imports.get(node.id, ("",))[0].startswith(_LIBRARY):
            _add(node.id, _parse_module(library.imports[node.id][0]), called, copied)
    copied.sources[name] = _source(definition, unused, library.lines)


def _unused_methods(definition: ast.ClassDef, called: Set[str]) -> list[ast.FunctionDef]:
    """Return the methods that neither Python calls by itself, nor anything that is copied, by their names."""
    methods = (method for method in definition.body if isinstance(method, ast.FunctionDef))
    return [method for method in methods if method.name not in called and not method.name.startswith("__")]


def _source(definition: Definition, unused: Iterable[ast.FunctionDef], lines: tuple[str, ...]) -> str:
    """Return the lines of a definition without unused methods and without `type: ignore` comments."""
    dropped: set[int] = set()
    for method in unused:
        dropped |= set(range(_first_line(method) - 1, (method.end_lineno or 0) + 1))  # with the blank line before it
    kept = [lines[i - 1] for i in range(_first_line(definition), (definition.end_lineno or 0) + 1) if i not in dropped]
    return "\n".join(re.sub(r"  # type: ignore.*", "", line) for line in kept)


def _first_line(definition: Definition) -> int:
    """Return the line on which a definition begins, including its decorators."""
    decorators = [] if isinstance(definition, ast.Assign) else definition.decorator_list
    return min(decorator.lineno for decorator in decorators) if decorators else definition.lineno
