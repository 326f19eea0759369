"""The folder of a run and its history: one JSON line for each step and each epoch."""

from __future__ import annotations

import io
import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any

from stackc.core.diagnostics import Diagnostic, SpecError

_UNFINISHED = re.compile(r"\..+\.[0-9a-f]{16}|\.tmp\w{6}")
"""The names of files that a killed process had not finished: those of `temporary_name`, and of safetensors."""


def claim_folder(folder: Path) -> None:
    """Make the folder of a new run. Raises SpecError L204 if it holds anything, L205 if it cannot be made."""
    with report_full_disk(folder):
        folder.mkdir(parents=True, exist_ok=True)
        clean_folder(folder)
        is_taken = any(folder.iterdir())
    if is_taken:
        hint = "`--resume` continues the run in it; `-o` names another folder"
        raise SpecError(Diagnostic("L204", f"{folder} is not empty", hint=hint))


def clean_folder(folder: Path) -> None:
    """Remove what a killed process had not finished writing. Raises SpecError L205 if that fails."""
    with report_full_disk(folder):
        for path in folder.iterdir():
            if _UNFINISHED.fullmatch(path.name):
                path.unlink(missing_ok=True)


def temporary_name(path: Path) -> Path:
    """Return a new name beside a file, to write what will replace it."""
    return path.with_name(f".{path.name}.{os.urandom(8).hex()}")


@contextmanager
def report_full_disk(path: Path) -> Iterator[None]:
    """Turn what the operating system refuses in the block into SpecError L205: a full disk, a lack of permission."""
    try:
        yield
    except OSError as error:
        raise SpecError(Diagnostic("L205", f"cannot write {path}: {error.strerror or error}")) from error


def write_whole(path: Path, text: str) -> None:
    """Write a file, whole or not at all. Raises SpecError L205 if the disk does not take it."""
    beside = temporary_name(path)
    try:
        with report_full_disk(path):
            beside.write_text(text, encoding="utf-8")
            os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)


class History:
    """The file of events, each of which is in the file once it is appended, though the process be killed after that."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: io.FileIO | None = None

    def __enter__(self) -> History:
        """Open the file, new or as it is, to append to it. Raises SpecError L205."""
        with report_full_disk(self.path):
            self._file = io.FileIO(self.path, "a")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()

    def append(self, event: dict[str, Any]) -> None:
        """Append an event as a line, or nothing of it. Raises SpecError L205 if the disk does not take it."""
        assert self._file is not None, "it is open"
        line = json.dumps(event).encode() + b"\n"
        with report_full_disk(self.path):
            end = self._file.seek(0, os.SEEK_END)
            written = 0
            try:
                while written < len(line):
                    written += self._file.write(line[written:])
            except OSError:
                with suppress(OSError):
                    self._file.truncate(end)
                raise

    def events(self) -> Iterator[dict[str, Any]]:
        """Yield the events up to the first line that was not finished."""
        if not self.path.exists():
            return
        with self.path.open(encoding="utf-8") as lines:
            for line in lines:
                try:
                    event = json.loads(line)
                except ValueError:
                    return  # the process ended while it wrote this line
                yield event

    def cut(self, step: int, epoch: int) -> None:
        """Remove what comes after a checkpoint: steps that were made again are recorded once. Raises SpecError L205."""
        kept = [event for event in self.events() if event.get("step", 0) <= step and event.get("epoch", 0) <= epoch]
        write_whole(self.path, "".join(json.dumps(event) + "\n" for event in kept))

    def validation(self, epoch: int) -> dict[str, float]:
        """Return the means over the validation data after an epoch; none without such data."""
        return next((dict(each["validation"]) for each in self.events() if each.get("epoch") == epoch), {})
