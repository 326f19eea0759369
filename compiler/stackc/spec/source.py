"""The text of a spec: read from its file, and checked to be a text at all."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from stackc.core.diagnostics import Diagnostic, Span, SpecError, did_you_mean, is_invisible

if TYPE_CHECKING:
    from stackc.spec.markdown import Syntax

MERMAID_SUFFIXES = (".mmd", ".mermaid")
YAML_SUFFIXES = (".yaml", ".yml")
MAX_BYTES = 16 * 1024 * 1024

LOCK = "spec.lock.yaml"
"""What an artifact calls the spec that it was built from, as it was resolved."""

MARKDOWN = re.compile(r"(?P<file>.+?\.(?:md|markdown))(?:#(?P<name>[^#]*))?", re.IGNORECASE)

# Control characters, and those that cannot be seen or show a line in another order than it is read in.
_ODD_CHARACTER = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u200b\u2028-\u202e\u2060-\u2069\ud800-\udfff\ufeff\ufffe\uffff]"
)


@dataclass(frozen=True)
class Source:
    """The text of a spec under the name that messages call it by; `fence` is its skin where the file's name
    does not say it: in Markdown."""

    file: str
    text: str
    fence: Syntax | None = None

    @property
    def skin(self) -> Syntax:
        """Mermaid where the fence, or else the file's name, says so; else YAML."""
        return self.fence or ("mermaid" if self.file.endswith(MERMAID_SUFFIXES) else "yaml")


def load_source(path: Path) -> Source:
    """The text of a spec file, of a spec in a Markdown file (`FILE.md#NAME`, `FILE.md` where it has just one), or of an
    artifact's lock.

    SpecError S009 where there is none that can be read, S003 where it is too big.
    """
    if os.path.lexists(path / LOCK):
        return Source(str(path / LOCK), _read_text(_own_lock(path)))
    if markdown := MARKDOWN.fullmatch(path.name):
        from stackc.spec.markdown import find_spec  # which no other kind of file needs

        file = path.with_name(markdown["file"])
        spec = find_spec(str(file), _read_text(file), markdown["name"])
        return Source(str(file), spec.text, spec.skin)
    return Source(str(path), _read_text(path))


def load_drawing(path: Path) -> Source:
    """The text of a bare Mermaid drawing: of a file, or of a block in Markdown (`FILE.md#NAME`, or the only one).

    SpecError S009 where there is none that can be read.
    """
    if markdown := MARKDOWN.fullmatch(path.name):
        from stackc.spec.markdown import find_drawing

        file = path.with_name(markdown["file"])
        found = find_drawing(str(file), _read_text(file), markdown["name"])
        return Source(str(file), found.text, "mermaid")
    return Source(str(path), _read_text(path), "mermaid")


def is_spec_file(path: Path) -> bool:
    """Whether a file of this name is there and is a spec, as far as its first keys tell; broken ones count."""
    from stackc.spec.markdown import is_spec

    skin: Syntax = "mermaid" if path.suffix in MERMAID_SUFFIXES else "yaml"
    if path.suffix not in MERMAID_SUFFIXES + YAML_SUFFIXES or not path.is_file():
        return False
    try:
        return is_spec(_read_text(path), skin)
    except SpecError:
        return False


def _own_lock(artifact: Path) -> Path:
    lock = artifact / LOCK
    if not lock.resolve().is_relative_to(artifact.resolve()):
        raise SpecError(Diagnostic("S009", f"{lock} lies outside the artifact", hint="build it again"))
    return lock


def _read_text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            raise SpecError(_too_big(str(path)))
        return data.decode("utf-8-sig")
    except FileNotFoundError:
        raise SpecError(
            Diagnostic("S009", f"no spec at {path}", hint=did_you_mean(str(path), _specs_in(path.parent)))
        ) from None
    except UnicodeDecodeError as error:
        place = Span(str(path), data.count(b"\n", 0, error.start) + 1)
        message = f"{path} is not UTF-8 text: {error.reason} at byte {error.start}"
        raise SpecError(Diagnostic("S009", message, place, "a spec is a text file: save it as UTF-8")) from None
    except OSError as error:
        hint = did_you_mean("", _specs_in(path)) or f"an artifact has {LOCK} in it" if path.is_dir() else None
        raise SpecError(Diagnostic("S009", f"{path} cannot be read: {error.strerror}", hint=hint)) from None


def checked_source(source: Source) -> Source:
    """The text with one kind of line end.

    SpecError where it is too big (S003), empty (S006), or has characters that break lines, hide or steer (S001).
    """
    text = re.sub(r"\r\n?", "\n", source.text)
    if len(text) > MAX_BYTES:
        raise SpecError(_too_big(source.file))
    if not text.strip():
        hint = "it begins with `stackc: 1`, and says `inputs:` and `graph:`"
        raise SpecError(Diagnostic("S006", "the spec is empty", Span(source.file, 1), hint))
    if odd := _ODD_CHARACTER.search(text):
        line, column = text.count("\n", 0, odd.start()) + 1, odd.start() - text.rfind("\n", 0, odd.start())
        message = f"the character U+{ord(odd[0]):04X} cannot stand in a spec"
        hint = "take it away: it cannot be seen" if is_invisible(odd[0]) else "take it away"
        raise SpecError(Diagnostic("S001", message, Span(source.file, line, column), hint))
    return replace(source, text=text)


def _too_big(file: str) -> Diagnostic:
    return Diagnostic("S003", f"{file} is too big: a spec has at most {MAX_BYTES:,} bytes")


def _specs_in(folder: Path) -> list[str]:
    try:
        return [str(path) for path in folder.iterdir() if path.suffix in MERMAID_SUFFIXES + YAML_SUFFIXES]
    except OSError:
        return []
