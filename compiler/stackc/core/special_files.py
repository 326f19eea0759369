"""Pipes, sockets and devices where a file is expected: to open one may block for ever."""

from __future__ import annotations

import os
import stat
from pathlib import Path

_KINDS = (
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


def special_kind(path: Path) -> str | None:
    """Return `a pipe`, `a socket` or `a device`; None for files, folders and what does not exist. Follows links."""
    try:
        mode = os.stat(path).st_mode
    except (OSError, ValueError):  # also a name that no file can have
        return None
    return next((kind for is_kind, kind in _KINDS if is_kind(mode)), None)
