"""The specs that `stackc init --template` writes: small ones to begin with, and those of the zoo."""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable

from stackc.hub.zoo import zoo_document, zoo_files
from stackc.spec.document import TASKS
from stackc.spec.reader import parse
from stackc.spec.source import Source

FIRST_STEPS = "first steps"
OTHERS = "others"


def starters() -> dict[str, Traversable]:
    """Return the small templates by name, in alphabetical order. The first comment of each describes it."""
    folder = files("stackc.authoring") / "templates"
    templates = {item.name.partition(".")[0]: item for item in folder.iterdir() if item.is_file()}
    return dict(sorted(templates.items()))


def templates() -> dict[str, Traversable]:
    """Return everything that `--template` takes by name: small templates, and the specs of the zoo."""
    return {**starters(), **{name: spec for name, spec in zoo_files().items() if name not in starters()}}


def templates_by_task() -> dict[str, dict[str, Traversable]]:
    """Return the templates by what they are for: the small ones first, then the zoo's by their `task`."""
    groups: dict[str, dict[str, Traversable]] = {FIRST_STEPS: starters(), **{task: {} for task in TASKS}, OTHERS: {}}
    for name, spec in templates().items():
        if name not in groups[FIRST_STEPS]:
            groups[zoo_document(name).task or OTHERS][name] = spec
    return {group: specs for group, specs in groups.items() if specs}


_COMMENT = re.compile(r"(?:^[ \t]*(?:#|%%) .*\n?)+|(?<=^stackc: 1)  # .*", re.MULTILINE)


def description_of(starter: Traversable) -> str:
    """Return the first sentence of the first comment, on lines of its own or behind `stackc: 1`; or nothing."""
    comment = _COMMENT.search(starter.read_text(encoding="utf-8"))
    if comment is None:
        return ""

    text = " ".join(line.lstrip(" \t#%").strip() for line in comment[0].splitlines())
    # "et al. 2018" goes on: only a capital begins another sentence
    sentence, *others = re.split(r"\. (?=[A-Z])", text, maxsplit=1)
    return f"{sentence}." if others else sentence


def with_params(source: Source, values: Mapping[str, str]) -> str:
    """Return the text of a spec whose params have these defaults. Raises SpecError for a text that is no spec."""
    lines = source.text.split("\n")
    places = {name: parse(source).params[name].default.span for name in values}
    for name, span in sorted(places.items(), key=lambda item: item[1], reverse=True):  # the last of a line first
        line = lines[span.line - 1]
        lines[span.line - 1] = line[: span.column - 1] + values[name] + line[span.end - 1 :]
    return "\n".join(lines)
