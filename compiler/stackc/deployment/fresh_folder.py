"""Write a folder that does not exist yet, completely or not at all."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from stackc.artifact.atomic import report_write_errors
from stackc.core.diagnostics import Diagnostic, SpecError


@contextlib.contextmanager
def fresh_folder(target: Path) -> Iterator[Path]:
    """Yield an empty folder to write to; it becomes `target` when the block ends, and is removed if the block raises.

    Raises SpecError D801 if there is something at `target` that is no empty folder, A608 if it cannot be written.
    """
    target = Path(os.path.abspath(target))
    with report_write_errors(target):
        _refuse_existing(target)
        target.parent.mkdir(parents=True, exist_ok=True)
        workspace = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))

    try:
        with report_write_errors(target):
            (workspace / "new").mkdir()  # with the permissions that a folder has here: those of mkdtemp are narrower
            yield workspace / "new"

            # again: the block may have taken minutes
            _refuse_existing(target)
            if target.is_dir():
                target.rmdir()
            os.rename(workspace / "new", target)
    finally:
        shutil.rmtree(workspace, ignore_errors=True)


def _refuse_existing(target: Path) -> None:
    """Raise SpecError D801 unless there is nothing at `target`, or an empty folder."""
    if not os.path.lexists(target) or (target.is_dir() and not target.is_symlink() and not any(target.iterdir())):
        return
    hint = "choose another folder with `-o`, or remove this one"
    raise SpecError(Diagnostic("D801", f"{target} exists already; nothing was written", hint=hint))
