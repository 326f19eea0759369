"""Copy the source of classes of stackc.modules that a printed file needs, without the methods only an export uses."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

CALLED_BY_TORCH = {"forward", "right_inverse", "extra_repr", "reset_parameters"}
"""Methods that PyTorch calls, so that they are kept although nothing in the class calls them."""

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
    """Return the source of those of the classes that are in stackc.modules, and of what they need."""
    sources: dict[str, str] = {}
    imports: dict[str, Import] = {}
    for make in classes:
        if make.__module__.startswith("stackc.modules."):
            library = _parse_module(make.__module__)
            imports |= library.imports
            _add(make.__name__, library, sources)
    return Support(sources, imports)


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


def _add(name: str, library: ModuleSource, sources: dict[str, str]) -> None:
    """Add a definition to `sources`, after those that it needs."""
    if name in sources:
        return
    definition = library.definitions[name]
    unused = _unused_methods(definition) if isinstance(definition, ast.ClassDef) else []
    skipped = {id(node) for method in unused for node in ast.walk(method)}

    names = (node for node in ast.walk(definition) if isinstance(node, ast.Name) and id(node) not in skipped)
    for node in names:
        if node.id in library.definitions and node.id != name:
            _add(node.id, library, sources)
    sources[name] = _source(definition, unused, library.lines)


def _unused_methods(definition: ast.ClassDef) -> list[ast.FunctionDef]:
    """Return the methods that neither PyTorch calls nor any method that is used."""
    methods = {method.name: method for method in definition.body if isinstance(method, ast.FunctionDef)}
    used = {name for name in methods if name in CALLED_BY_TORCH or name.startswith("__")}
    pending = list(used)
    while pending:
        for node in ast.walk(methods[pending.pop()]):
            if isinstance(node, ast.Attribute) and node.attr in methods.keys() - used:
                used.add(node.attr)
                pending.append(node.attr)
    return [method for name, method in methods.items() if name not in used]


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
