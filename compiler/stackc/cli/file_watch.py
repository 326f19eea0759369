"""Wait for files to be saved.

Polls their modification times, which works on every file system and in containers, where notifications are often lost,
and costs a few system calls per second. A library for it would be larger than the rest of the command line.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TypeAlias

Stamp: TypeAlias = tuple[int, int, int]
"""Modification time in nanoseconds, size in bytes, inode."""

Stamps: TypeAlias = tuple[Stamp | None, ...]

INTERVAL = 0.1
"""Seconds between two polls."""


def saves(files: Callable[[], Iterable[Path]], interval: float = INTERVAL) -> Iterator[None]:
    """Yield immediately, and then each time one of the files has been written, replaced or removed. Never ends.

    `files` is called each time, because a spec may include other files after a change; if the files have changed, it
    yields immediately, because a new one may have been saved after it was read. It waits for a file that is being
    written until the file stays the same for one `interval`, in seconds.
    """
    while True:
        watched = tuple(files())
        last = _stamps(watched)
        yield
        if tuple(files()) != watched:
            continue

        while (current := _stamps(files())) == last:
            time.sleep(interval)

        # Something has changed: wait until the writer has finished.
        while current != last:
            last = current
            time.sleep(interval)
            current = _stamps(files())


def _stamps(files: Iterable[Path]) -> Stamps:
    return tuple(map(_stamp, files))


def _stamp(file: Path) -> Stamp | None:
    try:
        stat = file.stat()
    except FileNotFoundError:
        return None
    return stat.st_mtime_ns, stat.st_size, stat.st_ino
