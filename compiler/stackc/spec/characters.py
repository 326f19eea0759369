"""Characters that no spec may hold, whether written as they are, as escapes of YAML or as entity codes of Mermaid."""

from __future__ import annotations

import re

from stackc.core.diagnostics import Diagnostic, Span, is_invisible

FORBIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u200b\u2028-\u202e\u2060-\u2069\ud800-\udfff\ufeff\ufffe\uffff]"
)
"""Control characters, and characters that are invisible or show a line in another order than it is parsed."""

_YAML_ESCAPE = re.compile(r"\\(?:x([0-9A-Fa-f]{2})|u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|(.))", re.DOTALL)
_SHORT_ESCAPES = {
    "0": "\0", "a": "\a", "b": "\b", "v": "\v", "f": "\f", "r": "\r", "e": "\x1b", "N": "\x85", "L": "\u2028",
    "P": "\u2029",
}  # fmt: skip
_ENTITY = re.compile(r"#(\w+);")


def forbidden_character(character: str, span: Span, written: str | None = None) -> Diagnostic:
    """Return S001 for a character at this place, which is `written` as an escape."""
    name = f"U+{ord(character):04X}"
    what = f"`{written}` is the character {name}, which" if written else f"the character {name}"
    hint = "remove it: it is invisible" if is_invisible(character) else "remove it"
    return Diagnostic("S001", f"{what} is not allowed in a spec", span, hint)


def forbidden_escape(raw: str) -> tuple[str, int, str] | None:
    """Return the first forbidden character of a double-quoted text of YAML, and the offset and text of its escape."""
    for match in _YAML_ESCAPE.finditer(raw):
        code = match[1] or match[2] or match[3]
        character = chr(int(code, 16)) if code else _SHORT_ESCAPES.get(match[4], "")
        if FORBIDDEN.match(character):
            return character, match.start(), match[0]
    return None


def forbidden_entity(text: str) -> tuple[str, re.Match[str]] | None:
    """Return the first forbidden character that an entity code of Mermaid stands for, and the code."""
    for match in _ENTITY.finditer(text):
        if forbidden := FORBIDDEN.search(_character(match)):
            return forbidden[0], match
    return None


def without_entities(text: str) -> str:
    """Return a text of Mermaid with its entity codes decoded."""
    return _ENTITY.sub(_character, text)


def _character(code: re.Match[str]) -> str:
    import html  # its table of names is needed by few specs

    return html.unescape(f"&#{code[1]};" if code[1].isdecimal() else f"&{code[1]};")
