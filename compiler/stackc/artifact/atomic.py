"""A folder written whole or not at all: killed at any moment, the earlier one stands.

A build works in a hidden folder beside its target, `.NAME.RANDOM/`:

    lock   held for as long as the build lives; a folder whose lock is free was left by a build that was killed
    new    what is being written; in one step it changes places with the target
    old    the earlier target, set aside for an instant where the file system cannot exchange two folders

Two builds of one target may run at once: each has its own folder, and the last to finish stands.
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

MARK = "manifest.json"  # a folder without it is nobody's artifact, and is never replaced


@contextlib.contextmanager
def atomic_folder(target: Path) -> Iterator[Path]:
    """An empty folder to write to; when the block ends it takes the place of `target`, when it raises it is gone.

    The block has to write the manifest, the mark of an artifact, among the rest. Raises SpecError A607 where `target`
    is something else than an artifact, A608 where it cannot be written, by the block either: a disk that is full.
    """
    target = Path(os.path.realpath(target))
    with _written(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        _clean(target)
        _refuse_strangers(target)
        workspace, lock = _workspace(target)
    try:
        with _written(target, _DISK):
            yield workspace / "new"
        with _written(target):
            assert (workspace / "new" / MARK).is_file(), f"no {MARK} was written"
            _flush(workspace / "new")
            _refuse_strangers(target)
            _put(workspace, target)
            _sync(target.parent)
    finally:
        _put_back(workspace, target)
        os.close(lock)
        shutil.rmtree(workspace, ignore_errors=True)  # what stays behind is cleaned by the next build


def check_place(target: Path) -> None:
    """Look whether a folder could be written there, before the work for it. Raises SpecError as `atomic_folder` does."""
    target = Path(os.path.realpath(target))
    with _written(target):
        above = next(folder for folder in target.parents if os.path.lexists(folder))
        os.rmdir(tempfile.mkdtemp(prefix=".stackc-", dir=above))
        _refuse_strangers(target)


def recover(target: Path) -> None:
    """Put the earlier folder back where a build was killed between setting it aside and putting the new one there."""
    target = Path(os.path.realpath(target))
    if os.path.lexists(target):
        return
    with _written(target):
        for workspace in _workspaces(target):
            if (workspace / "old").is_dir() and (lock := _claim(workspace)) is not None:
                _put_back(workspace, target)
                os.close(lock)


# What a system says of a disk that takes no more. In a block any other OSError may be about what it reads.
_DISK = {errno.ENOSPC, errno.EFBIG, errno.EROFS, errno.EIO, getattr(errno, "EDQUOT", errno.ENOSPC)}


@contextlib.contextmanager
def _written(target: Path, told: Collection[int] | None = None) -> Iterator[None]:
    """An OSError, of those `told` where they are given, as A608."""
    try:
        yield
    except OSError as error:
        if told is not None and error.errno not in told:
            raise
        raise SpecError(Diagnostic("A608", f"cannot write {target}: {error.strerror or error}")) from error


def _refuse_strangers(target: Path) -> None:
    try:
        names = os.listdir(target)
    except FileNotFoundError:
        return
    except NotADirectoryError:
        names = [target.name]
    if names and MARK not in names:
        message = f"{target} is there and is not an artifact; nothing was written"
        raise SpecError(Diagnostic("A607", message, hint="choose another name"))


# -- the build's own folder


def _workspaces(target: Path) -> list[Path]:
    if not os.path.isdir(target.parent):
        return []
    own = re.compile(rf"\.{re.escape(target.name)}\.[0-9a-f]{{16}}")
    return [child for child in target.parent.iterdir() if own.fullmatch(child.name)]


def _workspace(target: Path) -> tuple[Path, int]:
    while True:
        workspace = target.with_name(f".{target.name}.{secrets.token_hex(8)}")
        workspace.mkdir()
        if (lock := _claim(workspace)) is not None:
            (workspace / "new").mkdir()
            return workspace, lock


def _claim(workspace: Path) -> int | None:
    """The lock of a workspace, held from now on; None where another process holds it or has removed it."""
    try:
        lock = os.open(workspace / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except FileNotFoundError:
        return None
    if _try_lock(lock) and os.fstat(lock).st_nlink:
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


def _clean(target: Path) -> None:
    for workspace in _workspaces(target):
        if (lock := _claim(workspace)) is not None:
            _put_back(workspace, target)
            shutil.rmtree(workspace, ignore_errors=True)
            os.close(lock)


# -- taking the place of the target


def _put(workspace: Path, target: Path) -> None:
    new, old = workspace / "new", workspace / "old"
    while True:
        try:
            if not os.path.lexists(target):
                os.rename(new, target)
                return
            if _exchange(new, target):
                return
            os.rename(target, old)
        except OSError as error:  # another build of the same target came or went in between
            if error.errno not in _OVERTAKEN or not new.is_dir():
                raise
            _put_back(workspace, target)
            shutil.rmtree(old, ignore_errors=True)


_OVERTAKEN = (errno.ENOENT, errno.ENOTEMPTY, errno.EEXIST)


def _put_back(workspace: Path, target: Path) -> None:
    """Give the earlier folder its place again where nothing has taken it."""
    old = workspace / "old"
    if old.is_dir() and not os.path.lexists(target):
        try:
            os.rename(old, target)
        except OSError as error:
            if error.errno not in _OVERTAKEN:
                raise


def _exchange(one: Path, other: Path) -> bool:
    """Let two folders change places in one step; False where the system or the file system has no such step."""
    rename = _renameat2()
    if rename is None:
        return False
    if rename(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE) == 0:
        return True
    number = ctypes.get_errno()
    if number in (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP):
        return False
    raise OSError(number, os.strerror(number), str(other))


_AT_FDCWD, _RENAME_EXCHANGE = -100, 2


@cache
def _renameat2() -> Any:
    """Linux's renameat2(2) from the C library, None where it has none."""
    if sys.platform != "linux":
        return None
    function = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if function:
        function.argtypes = [ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_uint]
    return function


def _flush(folder: Path) -> None:
    """Have everything in the folder on disk before it takes the place of what was there."""
    for path in sorted(folder.rglob("*")):
        _sync(path)
    _sync(folder)


def _sync(path: Path) -> None:
    if sys.platform == "win32" and path.is_dir():  # a folder cannot be opened there, and needs no flush
        return
    descriptor = os.open(path, os.O_RDWR if sys.platform == "win32" else os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
