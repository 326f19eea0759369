"""Plain data as text, so that different data is never the same text: what the key of a unit is a hash of."""

from __future__ import annotations

import dataclasses
import hashlib
import platform
import sys
from collections.abc import Mapping
from functools import cache
from importlib.metadata import version
from pathlib import Path

COMPILERS = ("torch", "onnx", "onnxscript", "onnx-ir")


def canonical_text(value: object) -> str:
    """The text of numbers, texts, None, and of tuples, lists, mappings and dataclasses of them.

    A dataclass is spelled with the source of its package, since what it means is written there. TypeError for anything
    else: its text might be the address of an object.
    """
    if value is None or isinstance(value, (bool, int, float, str, bytes)):
        return repr(value)
    if isinstance(value, (tuple, list)):
        return f"[{','.join(map(canonical_text, value))}]"
    if isinstance(value, Mapping):
        return f"{{{','.join(f'{canonical_text(k)}:{canonical_text(v)}' for k, v in value.items())}}}"
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        kind = type(value)
        fields = ",".join(f"{f.name}={canonical_text(getattr(value, f.name))}" for f in dataclasses.fields(value))
        package = kind.__module__.partition(".")[0]
        return f"{kind.__module__}.{kind.__qualname__} {package_digest(package)}({fields})"
    raise TypeError(f"{type(value).__name__} has no text of its own")


@cache
def compiler_versions() -> str:
    """Every program that has a hand in what a unit is compiled to, stackc to the last byte of its source."""
    versions = (f"{name} {version(name)}" for name in COMPILERS)
    return f"Python {platform.python_version()}, stackc {package_digest('stackc')}, {', '.join(versions)}"


@cache
def package_digest(name: str) -> str:
    """A hash of the source of an imported package, or module that is in none: any change may change what it means."""
    path = getattr(sys.modules[name], "__file__", None)
    if path is None:
        return hashlib.sha256().hexdigest()
    file = Path(path)
    files = sorted(file.parent.rglob("*.py")) if file.name == "__init__.py" else [file]
    digest = hashlib.sha256()
    for each in files:
        digest.update(each.relative_to(file.parent).as_posix().encode() + b"\0" + each.read_bytes())
    return digest.hexdigest()
