"""One word, one meaning: every public class and function has a name of its own, which says something."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

import stackc

PACKAGE = Path(stackc.__file__).parent
EMPTY_NAMES = {"utils", "util", "helpers", "common", "misc", "manager", "tools"}


def definitions(sources: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Every public class and function at the top of a module, with the module.

    Left out: click's `command` and `main`; the API, which calls its functions as the stages do; and the nn.Module of a
    component, which has the component's name.
    """
    for module, text in sources.items():
        if module == "__init__":
            continue
        for node in ast.parse(text).body:
            if not isinstance(node, (ast.ClassDef, ast.FunctionDef)):
                continue
            if node.name.startswith("_") or node.name in ("command", "main"):
                continue
            if not (module.startswith("modules/") and isinstance(node, ast.ClassDef)):
                yield node.name, module


def repeated(sources: Mapping[str, str]) -> dict[str, list[str]]:
    """The names that more than one module defines."""
    modules = defaultdict(list)
    for name, module in definitions(sources):
        modules[name].append(module)
    return {name: homes for name, homes in modules.items() if len(set(homes)) > 1}


def texts() -> dict[str, str]:
    return {
        path.relative_to(PACKAGE).with_suffix("").as_posix(): path.read_text(encoding="utf-8")
        for path in PACKAGE.rglob("*.py")
    }


def test_every_public_name_is_defined_once() -> None:
    assert repeated(texts()) == {}


@pytest.mark.parametrize("line", ["class Span: ...", "def infer_types() -> None: ..."])
def test_a_second_definition_is_found(line: str) -> None:
    (name,) = (node.name for node in ast.parse(line).body if isinstance(node, (ast.ClassDef, ast.FunctionDef)))
    assert list(repeated({**texts(), "view/planted": line})) == [name]


def test_every_file_is_named_for_its_idea() -> None:
    assert not {path.stem for path in PACKAGE.rglob("*.py")} & EMPTY_NAMES


def test_files_are_of_a_size_to_read() -> None:
    lines = {path: path.read_text(encoding="utf-8").count("\n") for path in PACKAGE.rglob("*.py")}
    assert {str(path.relative_to(PACKAGE)): count for path, count in lines.items() if count > 400} == {}


def functions() -> Iterator[tuple[str, ast.FunctionDef, list[str]]]:
    """Every function with its place and its lines after the docstring."""
    for module, text in texts().items():
        lines = text.splitlines()
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef):
                first = node.body[0]
                documented = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
                start = (first.end_lineno or 0) if documented else first.lineno - 1
                yield f"{module}:{node.lineno} {node.name}", node, lines[start : node.end_lineno]


def test_functions_are_of_a_size_to_read() -> None:
    """Fewer than 48 lines after the signature: 40 are the aim, and a few tables and docstrings need more."""
    long = [place for place, node, _ in functions() if (node.end_lineno or 0) - node.body[0].lineno >= 48]
    assert long == []


def test_long_functions_have_paragraphs() -> None:
    """Of those of twenty lines and more; the ones without are one statement, a table or a list."""
    with_paragraphs = {
        place: any(not line.strip() for line in "\n".join(body).strip().splitlines())
        for place, node, body in functions()
        if (node.end_lineno or 0) - node.lineno + 1 >= 20
    }
    assert sum(with_paragraphs.values()) >= 0.9 * len(with_paragraphs), [k for k, v in with_paragraphs.items() if not v]


def test_the_maps_of_packages_are_true() -> None:
    """A package whose docstring lists its files lists all of them, and no others."""
    for init in PACKAGE.rglob("__init__.py"):
        docstring = ast.get_docstring(ast.parse(init.read_text(encoding="utf-8"))) or ""
        listed = set(re.findall(r"\b(\w+\.py)\b", docstring))
        if listed:
            files = {path.name for path in init.parent.glob("*.py")} - {"__init__.py"}
            assert listed == files, init.parent
