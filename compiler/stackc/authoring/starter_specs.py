"""The specs that `stackc init --template` writes: small working ones, shipped inside the package."""

from __future__ import annotations

from importlib.resources import files
from importlib.resources.abc import Traversable


def starters() -> dict[str, Traversable]:
    """The templates by name, in alphabetical order; each is a file whose comment on top says what it is."""
    folder = files("stackc.authoring") / "templates"
    found = {item.name.partition(".")[0]: item for item in folder.iterdir() if item.is_file()}
    return dict(sorted(found.items()))


def meaning_of(starter: Traversable) -> str:
    """What a template is: its first comment."""
    lines = starter.read_text(encoding="utf-8").splitlines()
    return next(line for line in lines if line.startswith("# ")).removeprefix("# ")
