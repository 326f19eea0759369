"""The folder of a run and its history: one JSON line for each step and each epoch."""

from __future__ import annotations

import json
import os
from pathlib import Path

from stackc.core.diagnostics import Diagnostic, SpecError


def claim_folder(folder: Path) -> None:
    """Make the folder of a new run. Raises SpecError L204 if it holds anything, L205 if it cannot be made."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        is_taken = any(folder.iterdir())
    except OSError as error:
        raise SpecError(Diagnostic("L205", f"cannot write {folder}: {error.strerror or error}")) from error
    if is_taken:
        hint = "`--resume` continues the run in it; `-o` names another folder"
        raise SpecError(Diagnostic("L204", f"{folder} is not empty", hint=hint))


def cut_history(path: Path, step: int, epoch: int) -> None:
    """Remove what comes after a checkpoint: steps that were made again are recorded once."""
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True) if path.exists() else []
    kept = []
    for line in lines:
        try:
            event = json.loads(line)
        except ValueError:
            break  # the process ended while it wrote this line
        if event.get("step", 0) <= step and event.get("epoch", 0) <= epoch:
            kept.append(line)

    beside = path.with_name(f".{path.name}.new")
    beside.write_text("".join(kept), encoding="utf-8")
    os.replace(beside, path)


def validation_of(path: Path, epoch: int) -> dict[str, float]:
    """Return the means over the validation data after an epoch; none without such data."""
    for line in path.read_text(encoding="utf-8").splitlines():
        event = json.loads(line)
        if event.get("epoch") == epoch:
            return dict(event["validation"])
    return {}
