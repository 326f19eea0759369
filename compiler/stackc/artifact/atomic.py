"""Write a folder completely or not at all: a build that is killed at any moment leaves the earlier folder intact.

A build works in a hidden folder beside its target, `.NAME.RANDOM/`:

    lock   held while the build runs; a workspace with a free lock was left behind by a build that was killed
    new    the folder being written; it replaces the target in one step
    old    the earlier target, set aside for an instant if the file system cannot exchange two folders

Two builds of one target may run at once: each has its own workspace, and the last to finish wins.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import re
import secrets
import shutil
import sys
import tempfile
from collections.abc import Collection, Iterator
from functools import cache
from pathlib import Path
from typing import Any

from stackc.core.diagnostics import Diagnostic, SpecError

MANIFEST = "manifest.json"
"""The file that marks a folder as an artifact: a folder without it is never replaced."""


@contextlib.contextmanager
def atomic_folder(target: Path) -> Iterator[Path]:
    """Yield an empty folder to write to; it replaces `target` when the block ends, and is removed if the block raises.

    The block must write the manifest, which marks a folder as an artifact. Raises SpecError A607 if `target` exists and
    is not an artifact, A608 if it cannot be written, whether here or in the block (a full disk).
    """
    target = Path(os.path.realpath(target))
    with report_write_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        _clean_workspaces(target)
        _refuse_foreign_folder(target)
        workspace, lock = _create_workspace(target)

    try:
        with report_write_errors(target, _DISK_ERRORS):
            yield workspace / "new"

        with report_write_errors(target):
            assert (workspace / "new" / MANIFEST).is_file(), f"no {MANIFEST} was written"
            _flush(workspace / "new")
            _refuse_foreign_folder(target)  # again: the block may have taken minutes
            _replace_target(workspace, target)
            _sync(target.parent)
    finally:
        _restore_target(workspace, target)
        os.close(lock)
        shutil.rmtree(workspace, ignore_errors=True)  # the next build cleans up whatever remains


def check_place(target: Path) -> None:
    """Check that a folder could be written at `target`, before a long build. Raises SpecError as `atomic_folder`."""
    target = Path(os.path.realpath(target))
    with report_write_errors(target):
        above = next(folder for folder in target.parents if os.path.lexists(folder))
        os.rmdir(tempfile.mkdtemp(prefix=".stackc-", dir=above))
        _refuse_foreign_folder(target)


def recover(target: Path) -> None:
    """Restore the earlier folder if a build was killed between setting it aside and replacing it."""
    target = Path(os.path.realpath(target))
    if os.path.lexists(target):
        return

    with report_write_errors(target):
        for workspace in _workspaces(target):
            if (workspace / "old").is_dir() and (lock := _claim(workspace)) is not None:
                _restore_target(workspace, target)
                os.close(lock)


# Errors of the disk itself. Any other OSError that a block raises may be about a file that it reads.
_DISK_ERRORS = {errno.ENOSPC, errno.EFBIG, errno.EROFS, errno.EIO, getattr(errno, "EDQUOT", errno.ENOSPC)}


@contextlib.contextmanager
def report_write_errors(target: Path, only: Collection[int] | None = None) -> Iterator[None]:
    """Raise A608 for an OSError; with `only`, for those error numbers alone."""
    try:
        yield
    except OSError as error:
        if only is not None and error.errno not in only:
            raise
        raise SpecError(Diagnostic("A608", f"cannot write {target}: {error.strerror or error}")) from error


def _refuse_foreign_folder(target: Path) -> None:
    """Raise A607 if `target` exists, is not empty and is not an artifact."""
    try:
        names = os.listdir(target)
    except FileNotFoundError:
        return
    except NotADirectoryError:
        names = [target.name]

    if names and MANIFEST not in names:
        message = f"{target} exists and is not an artifact; nothing was written"
        raise SpecError(Diagnostic("A607", message, hint="choose another name or another `--out`"))


# -- the workspace of a build


def _workspaces(target: Path) -> list[Path]:
    """List the workspaces of builds of `target`, whether running or killed."""
    if not os.path.isdir(target.parent):
        return []
    pattern = re.compile(rf"\.{re.escape(target.name)}\.[0-9a-f]{{16}}")
    return [child for child in target.parent.iterdir() if pattern.fullmatch(child.name)]


def _create_workspace(target: Path) -> tuple[Path, int]:
    """Create a workspace with an empty folder `new`; return it with its lock, held."""
    while True:  # another build may clean the workspace up before its lock is held
        workspace = target.with_name(f".{target.name}.{secrets.token_hex(8)}")
        workspace.mkdir()
        if (lock := _claim(workspace)) is not None:
            (workspace / "new").mkdir()
            return workspace, lock


def _claim(workspace: Path) -> int | None:
    """Take the lock of a workspace and return its descriptor; None if another process holds it or has removed it."""
    try:
        lock = os.open(workspace / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except FileNotFoundError:
        return None

    if _try_lock(lock) and os.fstat(lock).st_nlink:  # no link is left if the workspace was removed before the lock
        return lock
    os.close(lock)
    return None


def _try_lock(lock: int) -> bool:
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(lock, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in (errno.EAGAIN, errno.EACCES, errno.EDEADLK):
            return False
        raise

    return True


def _clean_workspaces(target: Path) -> None:
    """Remove the workspaces of builds that were killed, restoring the earlier folder if one of them set it aside."""
    for workspace in _workspaces(target):
        if (lock := _claim(workspace)) is not None:
            _restore_target(workspace, target)
            shutil.rmtree(workspace, ignore_errors=True)
            os.close(lock)


# -- replacing the target


def _replace_target(workspace: Path, target: Path) -> None:
    """Move `new` to the target, in one step if the system can exchange folders."""
    new, old = workspace / "new", workspace / "old"
    while True:
        try:
            if not os.path.lexists(target):
                os.rename(new, target)
                return
            if _exchange(new, target):
                return
            os.rename(target, old)
        except OSError as error:  # another build of the same target finished or started in between
            if error.errno not in _RACE_ERRORS or not new.is_dir():
                raise
            _restore_target(workspace, target)
            shutil.rmtree(old, ignore_errors=True)


_RACE_ERRORS = (errno.ENOENT, errno.ENOTEMPTY, errno.EEXIST)


def _restore_target(workspace: Path, target: Path) -> None:
    """Move the earlier folder back to the target if it was set aside and nothing has replaced it."""
    old = workspace / "old"
    if old.is_dir() and not os.path.lexists(target):
        try:
            os.rename(old, target)
        except OSError as error:
            if error.errno not in _RACE_ERRORS:
                raise


def _exchange(new: Path, target: Path) -> bool:
    """Exchange two folders in one step; return False if the system or the file system cannot."""
    rename = _renameat2()
    if rename is None:
        return False
    if rename(_AT_FDCWD, os.fsencode(new), _AT_FDCWD, os.fsencode(target), _RENAME_EXCHANGE) == 0:
        return True

    number = ctypes.get_errno()
    if number in (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP):
        return False
    raise OSError(number, os.strerror(number), str(target))


_AT_FDCWD, _RENAME_EXCHANGE = -100, 2


@cache
def _renameat2() -> Any:
    """Return renameat2(2) of the C library on Linux; None if it has none."""
    if sys.platform != "linux":
        return None
    function = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if function:
        function.argtypes = [ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_uint]
    return function


def _flush(folder: Path) -> None:
    """Flush every file to disk, so that what replaces the target is complete even after a power failure."""
    for path in sorted(folder.rglob("*")):
        _sync(path)
    _sync(folder)


def _sync(path: Path) -> None:
    if sys.platform == "win32" and path.is_dir():  # Windows cannot open a folder, and needs no flush of one
        return
    descriptor = os.open(path, os.O_RDWR if sys.platform == "win32" else os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
