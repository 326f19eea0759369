"""Plain data as text that differs whenever the data does: the key of a unit in the cache is a hash of that text."""

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
    """Return the text of numbers, texts, None, and of tuples, lists, mappings and dataclasses of them.

    The text of a dataclass includes a hash of the source of its package, which defines its meaning. Raises TypeError
    for anything else: its text might be the address of an object.
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

    raise TypeError(f"{type(value).__name__} has no canonical text")


@cache
def compiler_versions() -> str:
    """Return the versions of every program that takes part in compiling a unit, and a hash of the source of stackc."""
    versions = (f"{name} {version(name)}" for name in COMPILERS)
    return f"Python {platform.python_version()}, stackc {package_digest('stackc')}, {', '.join(versions)}"


@cache
def package_digest(name: str) -> str:
    """Return a hash of the source of an imported package or single module: any change may change its meaning."""
    path = getattr(sys.modules[name], "__file__", None)
    if path is None:
        return hashlib.sha256().hexdigest()

    file = Path(path)
    files = sorted(file.parent.rglob("*.py")) if file.name == "__init__.py" else [file]
    digest = hashlib.sha256()
    for each in files:
        digest.update(each.relative_to(file.parent).as_posix().encode() + b"\0" + each.read_bytes())
    return digest.hexdigest()
