"""Results of measurements, kept in the cache under what they depend on: an interrupted search goes on from them."""

from __future__ import annotations

import hashlib
import json
import os
import platform
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stackc.cache import Cache
from stackc.core.versions import tool_versions


@dataclass(frozen=True)
class KeptResults:
    """Results by name. `identity` is a hash of everything else that they depend on; without a cache none are kept."""

    cache: Cache | None
    identity: str

    def get(self, name: str, compute: Callable[[], Any]) -> tuple[Any, bool]:
        """Return a result, JSON data, and whether it is of an earlier run; compute it if there is none."""
        key = hashlib.sha256(f"tuning {self.identity} {name}".encode()).hexdigest()
        if self.cache is not None and (content := self.cache.read(key)) is not None:
            return json.loads(content), True
        result = compute()
        if self.cache is not None:
            self.cache.write(key, json.dumps(result).encode())
        return result, False


def identity_of(files: Iterable[Path], *facts: object) -> str:
    """Return a hash of the content of files, of this machine and the versions of the tools, and of other facts."""
    digest = hashlib.sha256()
    for file in files:
        with file.open("rb") as stream:
            digest.update(hashlib.file_digest(stream, "sha256").digest())
    digest.update(repr((_processor(), os.cpu_count(), sorted(tool_versions().items()), facts)).encode())
    return digest.hexdigest()


def _processor() -> str:
    """Return the model of the processor, as far as the system names it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    named = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    return named or platform.processor() or platform.machine()
