"""Waiting for files to be saved.

By asking for their times: that works on every file system and in containers, where notifications often do not come, and
it costs a few system calls a second. A library for it would bring more code than the rest of the command line.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TypeAlias

Stamp: TypeAlias = tuple[tuple[int, int, int] | None, ...]

INTERVAL = 0.1


def saves(files: Callable[[], Iterable[Path]], interval: float = INTERVAL) -> Iterator[None]:
    """Yield now, and again each time that one of the files was written, replaced or removed, for ever.

    `files` is asked each time, since a spec may come to include others; where they have become others it yields at
    once, since a new one may have been saved after it was read. A file that is just being written is waited for until
    it stays the same for one `interval` in seconds.
    """
    while True:
        watched = tuple(files())
        seen = _stamp(watched)
        yield
        if tuple(files()) != watched:
            continue
        while (now := _stamp(files())) == seen:
            time.sleep(interval)
        while now != seen:
            seen = now
            time.sleep(interval)
            now = _stamp(files())


def _stamp(files: Iterable[Path]) -> Stamp:
    return tuple(map(_file_stamp, files))


def _file_stamp(file: Path) -> tuple[int, int, int] | None:
    try:
        stat = file.stat()
    except FileNotFoundError:
        return None
    return stat.st_mtime_ns, stat.st_size, stat.st_ino
