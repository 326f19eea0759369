"""Mistakes in the `: ` between a key and its value, which YAML then reads as part of the key."""

from __future__ import annotations

import re
from dataclasses import dataclass

from stackc.core.diagnostics import character

WIDE = "\uff1a"
_LEAD = r"[ \t]*+(?:-[ \t]++)?+(?P<key>[\w-]++)"

# A value in brackets after a key, with nothing, a colon without its space, or another character between them.
_BRACED = re.compile(rf"{_LEAD}(?P<colon>[ \t]*+(?:{WIDE}\s*+|:[^\S \t]*+|[^\S\n]*+))(?P<value>[{{\[].*+)")
STUCK = re.compile(rf"{_LEAD}(?P<colon>[ \t]*+(?:{WIDE}\s*+|:[^\S \t]++|:(?![\s:/])))(?P<value>\S.*+)")
"""Any value that is stuck to its key."""


@dataclass(frozen=True, slots=True)
class ColonMistake:
    """A missing or wrong `: ` at text[start:end], with the message and the hint for it."""

    start: int
    end: int
    message: str
    hint: str


def find_colon_mistake(line: str) -> ColonMistake | None:
    """Return the mistake after the first key of a line, or None if its colon is right."""
    return describe_colon_mistake(_BRACED.match(line) or STUCK.match(line))


def describe_colon_mistake(match: re.Match[str] | None) -> ColonMistake | None:
    """Describe the mistake in a line that one of the two patterns matches."""
    if match is None:
        return None

    written = match["colon"]
    foreign = next((c for c in written if c not in ": \t"), None)
    if foreign == WIDE:
        message = f"{character(foreign)} (U+{ord(foreign):04X}) is not a colon in YAML"
    elif foreign:
        message = f"{character(foreign)} is not a space in YAML"
    elif ":" in written:
        message = "missing space after the colon"
    else:
        message = f"missing colon after '{match['key']}'"

    start, end = match.span("colon")
    return ColonMistake(start, max(end, start + 1), message, f"write `{match['key']}: {_shorten(match['value'])}`")


def _shorten(value: str) -> str:
    """Return the start of the value for a hint, without brackets that close one opened before the key."""
    value = value.strip()
    while value.endswith(("}", "]")) and value.count("}") + value.count("]") > value.count("{") + value.count("["):
        value = value[:-1].rstrip()
    is_open = value.startswith(("{", "[")) and not value.endswith(("}", "]"))
    if is_open:
        return f"{value}{'}' if value[0] == '{' else ']'}"
    return value if len(value) <= 40 else "…"
