"""A cache on disk: bytes under keys, in a folder of the user's, dropped when nobody has asked for them for long.

It can only save time, never fail a build: what cannot be read is not there, what cannot be written is not kept. An
entry appears whole or not at all, and begins with a hash of its key and content: one that is torn, or that something
else has written, counts as none and is written anew. Builds that run at once may share it.
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
    """A file of the cache: its size, and when it was last asked for, in seconds since 1970."""

    path: Path
    bytes: int
    used: float


@dataclass(frozen=True, slots=True)
class Cache:
    """The cache in a folder, which comes into being with the first entry. Keys are SHA-256 in hexadecimal digits."""

    folder: Path

    def read(self, key: str) -> bytes | None:
        """What is kept under a key, None where nothing whole is."""
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
        """Keep something under a key, in the place of what was there."""
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
        """All entries, the one longest unused first."""
        entries = (CacheEntry(path, size, used) for path, size, used in self._files() if _KEY.fullmatch(path.name))
        return sorted(entries, key=lambda entry: (entry.used, entry.path))

    def trim(self, *, unused: float = UNUSED_SECONDS, most: int = MOST_BYTES) -> None:
        """Drop what nobody has asked for in `unused` seconds, and the longest unused as long as `most` is exceeded."""
        now, entries = time.time(), self.entries()
        size = sum(entry.bytes for entry in entries)
        for entry in entries:
            if size > most or now - entry.used > unused:
                size -= entry.bytes
                _remove(entry.path)
        for path, _, written in self._files():
            if path.name.startswith(_UNFINISHED) and now - written > _UNFINISHED_SECONDS:
                _remove(path)

    def clear(self) -> tuple[int, int]:
        """Remove every entry, and nothing else that the folder may hold; how many are gone, and their bytes."""
        gone = [entry for entry in self.entries() if _remove(entry.path)]
        return len(gone), sum(entry.bytes for entry in gone)

    def _files(self) -> Iterator[tuple[Path, int, float]]:
        """Files with size and time; one that goes away meanwhile is passed over."""
        try:
            paths = list(self.folder.iterdir())
        except OSError:
            return
        for path in paths:
            with contextlib.suppress(OSError):
                stat = path.stat()
                yield path, stat.st_size, stat.st_mtime


def user_cache() -> Cache | None:
    """The cache of whoever runs this: STACKC_CACHE, or `stackc` where the system has caches; None without a home."""
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
    try:
        path.unlink()
    except OSError:
        return False
    return True
