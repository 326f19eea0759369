"""A cache on disk: bytes under keys, in a folder of the user, dropped when they have not been used for long.

It can only save time, never fail a build: what cannot be read counts as missing, what cannot be written is not kept.
An entry appears whole or not at all, and begins with a hash of its key and content: a damaged or foreign file counts as
missing and is overwritten. Builds that run at the same time may share the cache.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

UNUSED_SECONDS = 30 * 24 * 3600
MOST_BYTES = 256 << 20
_KEY = re.compile(r"[0-9a-f]{64}")
_UNFINISHED = "unfinished-"
_UNFINISHED_SECONDS = 3600


@dataclass(frozen=True, slots=True)
class CacheEntry:
    """A file of the cache: its size, and the time of its last use, in seconds since 1970."""

    path: Path
    bytes: int
    used: float


@dataclass(frozen=True, slots=True)
class Cache:
    """The cache in a folder, which is created with the first entry. Keys are SHA-256 in hexadecimal digits."""

    folder: Path

    def read(self, key: str) -> bytes | None:
        """Return the content under a key; None if there is none, or it is damaged. Reading is use."""
        path = self.folder / key
        try:
            data = path.read_bytes()
        except OSError:
            return None

        digest, content = data[:32], data[32:]
        if digest != _digest(key, content):
            return None
        with contextlib.suppress(OSError):
            os.utime(path)
        return content

    def write(self, key: str, content: bytes) -> None:
        """Keep the content under a key, replacing any earlier content."""
        unfinished = None
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            descriptor, unfinished = tempfile.mkstemp(prefix=_UNFINISHED, dir=self.folder)
            with open(descriptor, "wb") as file:
                file.write(_digest(key, content) + content)
            os.replace(unfinished, self.folder / key)
        except OSError:
            if unfinished is not None:
                _remove(Path(unfinished))

    def entries(self) -> list[CacheEntry]:
        """Return all entries, the one unused for longest first."""
        entries = (CacheEntry(path, size, used) for path, size, used in self._files() if _KEY.fullmatch(path.name))
        return sorted(entries, key=lambda entry: (entry.used, entry.path))

    def trim(self, *, unused: float = UNUSED_SECONDS, most: int = MOST_BYTES) -> None:
        """Drop entries unused for `unused` seconds, and those unused for longest while all exceed `most` bytes."""
        time_now, entries = time.time(), self.entries()
        size = sum(entry.bytes for entry in entries)
        for entry in entries:
            if size > most or time_now - entry.used > unused:
                size -= entry.bytes
                _remove(entry.path)

        # Files of builds that were killed; a recent one may still be being written.
        for path, _, written in self._files():
            if path.name.startswith(_UNFINISHED) and time_now - written > _UNFINISHED_SECONDS:
                _remove(path)

    def clear(self) -> tuple[int, int]:
        """Remove every entry, and no other file in the folder; return the number of removed entries and their bytes."""
        removed = [entry for entry in self.entries() if _remove(entry.path)]
        return len(removed), sum(entry.bytes for entry in removed)

    def _files(self) -> Iterator[tuple[Path, int, float]]:
        """Yield files with size and time; one that disappears meanwhile is skipped."""
        try:
            paths = list(self.folder.iterdir())
        except OSError:
            return
        for path in paths:
            with contextlib.suppress(OSError):
                stat = path.stat()
                yield path, stat.st_size, stat.st_mtime


def user_cache() -> Cache | None:
    """Return the cache of the user: STACKC_CACHE, or `stackc` where the system keeps caches; None without a home."""
    if chosen := os.environ.get("STACKC_CACHE"):
        return Cache(Path(chosen).absolute())

    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA", "")
    elif sys.platform == "darwin":
        base = os.path.expanduser("~/Library/Caches")
    else:
        base = os.environ.get("XDG_CACHE_HOME", "")
        base = base if os.path.isabs(base) else os.path.expanduser("~/.cache")
    return Cache(Path(base, "stackc")) if os.path.isabs(base) else None


def _digest(key: str, content: bytes) -> bytes:
    return hashlib.sha256(key.encode() + b"\0" + content).digest()


def _remove(path: Path) -> bool:
    """Remove a file; return whether that succeeded."""
    try:
        path.unlink()
    except OSError:
        return False
    return True
