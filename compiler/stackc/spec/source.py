"""Load the text of a spec, and check that it is text that can be parsed and shown."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from stackc.core.diagnostics import Diagnostic, Span, SpecError, did_you_mean
from stackc.core.special_files import special_kind
from stackc.spec.binary_kinds import binary_kind
from stackc.spec.characters import FORBIDDEN, forbidden_character

if TYPE_CHECKING:
    from stackc.spec.markdown import Syntax

MERMAID_SUFFIXES = (".mmd", ".mermaid")
YAML_SUFFIXES = (".yaml", ".yml")
MAX_BYTES = 16 * 1024 * 1024

LOCK = "spec.lock.yaml"
"""The file in an artifact with the spec that it was built from, after resolution."""

MARKDOWN = re.compile(r"(?P<file>.+?\.(?:md|markdown))(?:#(?P<name>[^#]*))?", re.IGNORECASE)


@dataclass(frozen=True)
class Source:
    """The text of a spec. Messages refer to it as `file`.

    `fence` is the syntax of a block in Markdown, which the file's name does not tell.
    """

    file: str
    text: str
    fence: Syntax | None = None

    @property
    def syntax(self) -> Syntax:
        """The syntax by the fence, or else by the file's name; YAML by default."""
        return self.fence or ("mermaid" if self.file.endswith(MERMAID_SUFFIXES) else "yaml")


def load_source(path: Path) -> Source:
    """Load a spec: a spec file, a spec in a Markdown file (`FILE.md#NAME`, or `FILE.md` if it has only one), or an
    artifact, whose lock is the spec.

    Raises SpecError S009 if no spec can be read, S003 if it is too big.
    """
    if os.path.lexists(path / LOCK):
        return Source(str(path / LOCK), _read_text(_lock_of(path)))

    if markdown := MARKDOWN.fullmatch(path.name):
        from stackc.spec.markdown import find_spec  # only Markdown needs its parser

        file = path.with_name(markdown["file"])
        spec = find_spec(str(file), _read_text(file), markdown["name"])
        return Source(str(file), spec.text, spec.syntax)
    return Source(str(path), _read_text(path))


def load_drawing(path: Path) -> Source:
    """Load a bare Mermaid drawing: a file, or a block in Markdown (`FILE.md#NAME`, or the only one).

    Raises SpecError S009 if no drawing can be read.
    """
    if markdown := MARKDOWN.fullmatch(path.name):
        from stackc.spec.markdown import find_drawing

        file = path.with_name(markdown["file"])
        drawing = find_drawing(str(file), _read_text(file), markdown["name"])
        return Source(str(file), drawing.text, "mermaid")
    return Source(str(path), _read_text(path), "mermaid")


def is_spec_file(path: Path) -> bool:
    """Return whether a file exists and its first keys are those of a spec; a broken spec counts too."""
    from stackc.spec.markdown import is_spec

    syntax: Syntax = "mermaid" if path.suffix in MERMAID_SUFFIXES else "yaml"
    if path.suffix not in MERMAID_SUFFIXES + YAML_SUFFIXES or not os.path.isfile(path):
        return False
    try:
        return is_spec(_read_text(path), syntax)
    except SpecError:
        return False


def _lock_of(artifact: Path) -> Path:
    lock = artifact / LOCK
    if not lock.resolve().is_relative_to(artifact.resolve()):
        raise SpecError(Diagnostic("S009", f"{lock} lies outside the artifact", hint="build it again"))
    if kind := special_kind(lock):
        raise SpecError(Diagnostic("S009", f"{lock} cannot be read: it is {kind}", hint="build it again"))
    return lock


def _read_text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
        if kind := binary_kind(path.suffix, data):
            raise SpecError(Diagnostic("S009", f"{path} is {kind.what}, not a spec", hint=kind.hint))
        if len(data) > MAX_BYTES:
            raise SpecError(_too_big(str(path)))
        return data.decode("utf-8-sig")

    except FileNotFoundError:
        hint = did_you_mean(str(path), _specs_in(path.parent))
        raise SpecError(Diagnostic("S009", f"no spec at {path}", hint=hint)) from None

    except UnicodeDecodeError as error:
        span = Span(str(path), data.count(b"\n", 0, error.start) + 1)
        message = f"{path} is not UTF-8 text: {error.reason} at byte {error.start}"
        raise SpecError(Diagnostic("S009", message, span, "a spec is a text file: save it as UTF-8")) from None

    except OSError as error:
        hint = did_you_mean("", _specs_in(path)) or f"an artifact contains {LOCK}" if os.path.isdir(path) else None
        raise SpecError(Diagnostic("S009", f"{path} cannot be read: {error.strerror}", hint=hint)) from None


def checked_source(source: Source) -> Source:
    """Return the source with LF as its only line end.

    Raises SpecError if it is too big (S003), empty (S006), or has control or invisible characters (S001).
    """
    text = re.sub(r"\r\n?", "\n", source.text)
    if len(text) > MAX_BYTES:
        raise SpecError(_too_big(source.file))

    if not text.strip():
        hint = "begin with `stackc: 1`, then write `inputs:` and `graph:`"
        raise SpecError(Diagnostic("S006", "the spec is empty", Span(source.file, 1), hint))

    if match := FORBIDDEN.search(text):
        line, column = text.count("\n", 0, match.start()) + 1, match.start() - text.rfind("\n", 0, match.start())
        raise SpecError(forbidden_character(match[0], Span(source.file, line, column)))
    return replace(source, text=text)


def _too_big(file: str) -> Diagnostic:
    return Diagnostic("S003", f"{file} is too big: a spec has at most {MAX_BYTES:,} bytes")


def _specs_in(folder: Path) -> list[str]:
    try:
        return [str(path) for path in folder.iterdir() if path.suffix in MERMAID_SUFFIXES + YAML_SUFFIXES]
    except OSError:
        return []
