"""The classes of stackc.modules that a printed file needs, as they stand there, but for what only an export uses."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

CALLED_BY_TORCH = {"forward", "right_inverse", "extra_repr", "reset_parameters"}
"""Methods that nothing in a class has to call; `export_forward` is none of them."""

Definition = ast.ClassDef | ast.FunctionDef | ast.Assign
Import = tuple[str, str | None, str | None]
"""`from MODULE import NAME as ALIAS`; without a name it is `import MODULE`."""


@dataclass(frozen=True)
class ModuleSource:
    """A file of stackc.modules: its text, and what it defines and imports by name."""

    lines: tuple[str, ...]
    definitions: Mapping[str, Definition]
    imports: Mapping[str, Import]


@dataclass(frozen=True)
class Support:
    """The source of the classes that are needed, in an order in which they can be defined, and their imports."""

    sources: Mapping[str, str]
    imports: Mapping[str, Import]


def support_of(classes: Iterable[Callable[..., Any]]) -> Support:
    """What stands behind those of the classes that stackc.modules has."""
    sources: dict[str, str] = {}
    imports: dict[str, Import] = {}
    for make in classes:
        if make.__module__.startswith("stackc.modules."):
            library = _library(make.__module__)
            imports |= library.imports
            _add(make.__name__, library, sources)
    return Support(sources, imports)


def imports_in(tree: ast.Module) -> dict[str, Import]:
    """The imports at the top of a file by the names that they bind."""
    found: dict[str, Import] = {}
    for statement in tree.body:
        if isinstance(statement, ast.Import):
            found |= {alias.asname or alias.name: (alias.name, None, alias.asname) for alias in statement.names}
        elif isinstance(statement, ast.ImportFrom) and statement.module and statement.module != "__future__":
            found |= {
                alias.asname or alias.name: (statement.module, alias.name, alias.asname) for alias in statement.names
            }
    return found


def _library(module: str) -> ModuleSource:
    text = inspect.getsource(importlib.import_module(module))
    tree = ast.parse(text)
    definitions: dict[str, Definition] = {}
    for statement in tree.body:
        if isinstance(statement, (ast.ClassDef, ast.FunctionDef)):
            definitions[statement.name] = statement
        elif isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
            definitions[statement.targets[0].id] = statement
    return ModuleSource(tuple(text.splitlines()), definitions, imports_in(tree))


def _add(name: str, library: ModuleSource, sources: dict[str, str]) -> None:
    """Add a definition behind those that it needs."""
    if name in sources:
        return
    definition = library.definitions[name]
    unused = _unused(definition) if isinstance(definition, ast.ClassDef) else []
    skipped = {id(node) for method in unused for node in ast.walk(method)}
    for node in ast.walk(definition):
        known = isinstance(node, ast.Name) and node.id in library.definitions and node.id != name
        if known and id(node) not in skipped:
            assert isinstance(node, ast.Name)
            _add(node.id, library, sources)
    sources[name] = _source(definition, unused, library.lines)


def _unused(definition: ast.ClassDef) -> list[ast.FunctionDef]:
    """The methods that PyTorch does not call, nor a method that is used."""
    methods = {method.name: method for method in definition.body if isinstance(method, ast.FunctionDef)}
    used = {name for name in methods if name in CALLED_BY_TORCH or name.startswith("__")}
    waiting = list(used)
    while waiting:
        for node in ast.walk(methods[waiting.pop()]):
            if isinstance(node, ast.Attribute) and node.attr in methods.keys() - used:
                used.add(node.attr)
                waiting.append(node.attr)
    return [method for name, method in methods.items() if name not in used]


def _source(definition: Definition, unused: Iterable[ast.FunctionDef], lines: tuple[str, ...]) -> str:
    """The lines of a definition without those of unused methods, and without remarks to a type checker."""
    dropped: set[int] = set()
    for method in unused:
        dropped |= set(range(_first(method) - 1, (method.end_lineno or 0) + 1))  # with the blank line before it
    kept = [lines[i - 1] for i in range(_first(definition), (definition.end_lineno or 0) + 1) if i not in dropped]
    return "\n".join(re.sub(r"  # type: ignore.*", "", line) for line in kept)


def _first(definition: Definition) -> int:
    """The line on which a definition begins, its decorators included."""
    decorators = [] if isinstance(definition, ast.Assign) else definition.decorator_list
    return min(decorator.lineno for decorator in decorators) if decorators else definition.lineno
