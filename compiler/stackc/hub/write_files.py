"""Write the files of an import: all of them or none."""

from __future__ import annotations

import filecmp
import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from stackc.artifact.atomic import report_write_errors
from stackc.core.diagnostics import Diagnostic, SpecError


def write_files(
    folder: Path, contents: Mapping[str, bytes], copies: Sequence[Path], *, force: bool
) -> tuple[Path, ...]:
    """Write files by name, and copies of files under their own names, into a folder; return what was written.

    All are complete before the first appears under its name. A file that is there already with the same content stays.
    Raises SpecError: S012 if another one is there, unless `force`d; A608 if they cannot be written.
    """
    copies = [file for file in copies if not _is_there(file, folder / file.name)]
    names = [*contents, *(file.name for file in copies)]
    taken = [name for name in names if os.path.lexists(folder / name)]
    if taken and not force:
        message = f"{folder} already has {', '.join(taken)}"
        raise SpecError(Diagnostic("S012", message, None, "--force overwrites, -o names another folder"))

    with report_write_errors(folder):
        is_new = not os.path.lexists(folder)
        above = folder.absolute().parent if is_new else folder
        above.mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(prefix=".stackc-", dir=above))
        try:
            for name, content in contents.items():
                (staging / name).write_bytes(content)
            for file in copies:
                shutil.copyfile(file, staging / file.name)
            if is_new:
                staging.chmod(0o777 & ~_umask())
                os.rename(staging, folder)
            else:
                for name in names:
                    os.replace(staging / name, folder / name)
        finally:
            shutil.rmtree(staging, ignore_errors=True)
    return tuple(folder / name for name in names)


def _is_there(file: Path, target: Path) -> bool:
    """Return whether a target is the file itself, or has the same content."""
    return target.is_file() and (os.path.samefile(file, target) or filecmp.cmp(file, target, shallow=False))


def _umask() -> int:
    """Return the mask of permissions of this process, which can only be read by setting it."""
    mask = os.umask(0o022)
    os.umask(mask)
    return mask
