"""The language reference: language.md with its tables filled in."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from importlib.resources import files
from inspect import getdoc

from stackc.authoring.reference.keys import KEYS
from stackc.authoring.reference.ops import families, formula_of
from stackc.components.reparam import REPARAMS

_TABLE = re.compile(r"^\{\{(?P<table>\w+)(?: (?P<name>\w+))?\}\}$", re.MULTILINE)


def language() -> str:
    """Return the reference as Markdown."""
    text = files("stackc.authoring.reference").joinpath("language.md").read_text(encoding="utf-8")
    return _TABLE.sub(_render_table, text)


def agents() -> str:
    """Return the skill file for coding agents as Markdown, with its name and description in front."""
    return files("stackc.authoring.reference").joinpath("agents.md").read_text(encoding="utf-8")


def recipes() -> str:
    """Return the spec whose blocks are the recipes."""
    return files("stackc.authoring.reference").joinpath("recipes.yaml").read_text(encoding="utf-8")


def _render_table(placeholder: re.Match[str]) -> str:
    match placeholder["table"]:
        case "keys":
            return _keys(placeholder["name"])
        case "ops":
            return _ops()
        case "reparams":
            return _reparams()
        case "recipes":
            return f"```yaml\n{recipes().rstrip()}\n```"
        case unknown:
            raise AssertionError(f"language.md has no table '{unknown}'")


def _keys(name: str) -> str:
    rows = [
        (f"`{key}`", spec.value, spec.default or ("required" if spec.required else ""), spec.meaning)
        for key, spec in KEYS[name].items()
    ]
    return _table(("key", "value", "default", "meaning"), rows)


def _ops() -> str:
    rows = [(f"`{op}`", family, formula_of(op)) for family, ops in families().items() for op in ops]
    return _table(("op", "family", "formula"), rows)


def _reparams() -> str:
    rows = [(f"`{name}`", (getdoc(reparam) or "").partition("\n\n")[0]) for name, reparam in REPARAMS.items()]
    return _table(("name", "formula"), rows)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)
