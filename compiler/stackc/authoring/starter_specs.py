"""The specs that `stackc init --template` writes: small and working, shipped inside the package."""

from __future__ import annotations

from importlib.resources import files
from importlib.resources.abc import Traversable


def starters() -> dict[str, Traversable]:
    """Return the templates by name, in alphabetical order. The first comment of each describes it."""
    folder = files("stackc.authoring") / "templates"
    templates = {item.name.partition(".")[0]: item for item in folder.iterdir() if item.is_file()}
    return dict(sorted(templates.items()))


def description_of(starter: Traversable) -> str:
    """Return the first comment of a template."""
    lines = starter.read_text(encoding="utf-8").splitlines()
    return next(line for line in lines if line.startswith("# ")).removeprefix("# ")
