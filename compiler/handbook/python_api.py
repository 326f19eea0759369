"""The functions and types of `import stackc`, from their signatures and docstrings."""

from __future__ import annotations

import dataclasses
import inspect
import re
from pathlib import Path

import stackc
from handbook.pictures import fenced, table


def write_python_api(file: Path) -> None:
    """Write one page: what stackc exports, the functions first."""
    names = [name for name in stackc.__all__ if not name.startswith("_")]
    functions = [name for name in names if inspect.isfunction(getattr(stackc, name))]
    types = [name for name in names if inspect.isclass(getattr(stackc, name))]
    parts = ["# Python", _prose(inspect.getdoc(stackc) or ""), "## Functions", *map(_function, functions)]
    parts += ["## Types", *map(_type, types)]
    file.write_text("\n\n".join(parts) + "\n", encoding="utf-8")


def _function(name: str) -> str:
    function = getattr(stackc, name)
    signature = re.sub(r"['\"]", "", str(inspect.signature(inspect.unwrap(function))))
    parts = [f"### stackc.{name}", fenced(f"{name}{signature}", "python"), _prose(inspect.getdoc(function) or "")]
    return "\n\n".join(parts)


def _type(name: str) -> str:
    type_ = getattr(stackc, name)
    parts = [f"### stackc.{name}", _prose(inspect.getdoc(type_) or "")]
    if dataclasses.is_dataclass(type_):
        rows = [[f"`{field.name}`", f"`{_annotation(field.type)}`"] for field in dataclasses.fields(type_)]
        parts.append(table(["field", "type"], rows))
    return "\n\n".join(parts)


def _annotation(type_: object) -> str:
    return type_ if isinstance(type_, str) else inspect.formatannotation(type_)


def _prose(text: str) -> str:
    """Return a docstring as Markdown: its indented parts are Python."""
    blocks = re.split(r"((?:^(?: {4}.*)?\n)+)", text + "\n", flags=re.MULTILINE)
    return "\n\n".join(
        fenced(inspect.cleandoc(block), "python") if block.startswith("    ") else block.strip()
        for block in blocks
        if block.strip()
    )
