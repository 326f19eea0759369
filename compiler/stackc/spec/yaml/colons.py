"""What people write for the `: ` between a key and its value that YAML reads as a part of the key, and the mend."""

from __future__ import annotations

import re
from dataclasses import dataclass

from stackc.core.diagnostics import character

WIDE = "\uff1a"
_LEAD = r"[ \t]*+(?:-[ \t]++)?+(?P<key>[\w-]++)"

# A value in brackets behind a key: with nothing, a colon without its space, or another character between.
_BRACED = re.compile(rf"{_LEAD}(?P<colon>[ \t]*+(?:{WIDE}\s*+|:[^\S \t]*+|[^\S\n]*+))(?P<value>[{{\[].*+)")
STUCK = re.compile(rf"{_LEAD}(?P<colon>[ \t]*+(?:{WIDE}\s*+|:[^\S \t]++|:(?![\s:/])))(?P<value>\S.*+)")
"""Any value, stuck to its key."""


@dataclass(frozen=True, slots=True)
class Colon:
    """What stands for a colon, text[start:end], and what to say of it."""

    start: int
    end: int
    message: str
    hint: str


def find_colon(line: str) -> Colon | None:
    """What stands for the colon behind the first key of a line; None where nothing is wrong with it."""
    return found_colon(_BRACED.match(line) or STUCK.match(line))


def found_colon(match: re.Match[str] | None) -> Colon | None:
    """The colon of a line that one of the two patterns takes."""
    if match is None:
        return None
    written = match["colon"]
    odd = next((c for c in written if c not in ": \t"), None)
    if odd == WIDE:
        message = f"{character(odd)} (U+{ord(odd):04X}) is no colon to YAML"
    elif odd:
        message = f"{character(odd)} is no space to YAML"
    else:
        message = "the colon has no space behind it" if ":" in written else f"'{match['key']}' has no colon behind it"
    start, end = match.span("colon")
    return Colon(start, max(end, start + 1), message, f"write `{match['key']}: {_shortened(match['value'])}`")


def _shortened(value: str) -> str:
    """The value as far as it helps; without what closes a bracket that was opened before the key."""
    value = value.strip()
    while value.endswith(("}", "]")) and value.count("}") + value.count("]") > value.count("{") + value.count("["):
        value = value[:-1].rstrip()
    opened = value.startswith(("{", "[")) and not value.endswith(("}", "]"))
    return f"{value}{'}' if value[0] == '{' else ']'}" if opened else value if len(value) <= 40 else "…"
