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

import stackc

COMPILERS = ("torch", "onnx", "onnxscript", "onnx-ir")


def spelled(value: object) -> str:
    """The text of numbers, texts, None, and of tuples, lists, mappings and dataclasses of them.

    A dataclass is spelled with the source of its module, since what it means is written there. TypeError for anything
    else: its text might be the address of an object.
    """
    if value is None or isinstance(value, (bool, int, float, str, bytes)):
        return repr(value)
    if isinstance(value, (tuple, list)):
        return f"[{','.join(map(spelled, value))}]"
    if isinstance(value, Mapping):
        return f"{{{','.join(f'{spelled(k)}:{spelled(v)}' for k, v in value.items())}}}"
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        kind = type(value)
        fields = ",".join(f"{f.name}={spelled(getattr(value, f.name))}" for f in dataclasses.fields(value))
        return f"{kind.__module__}.{kind.__qualname__} {source_digest(kind.__module__)}({fields})"
    raise TypeError(f"{type(value).__name__} has no text of its own")


@cache
def compiler_versions() -> str:
    """Every program that has a hand in what a unit is compiled to, stackc to the last byte of its source."""
    versions = (f"{name} {version(name)}" for name in COMPILERS)
    return f"Python {platform.python_version()}, stackc {stackc_digest()}, {', '.join(versions)}"


@cache
def stackc_digest() -> str:
    """A hash of the source of this package: any change of it may change what is compiled."""
    root = Path(stackc.__file__).parent
    digest = hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        digest.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


@cache
def source_digest(module: str) -> str:
    """A hash of the file of an imported Python module, of nothing where it has none."""
    path = getattr(sys.modules[module], "__file__", None)
    return hashlib.sha256(Path(path).read_bytes() if path else b"").hexdigest()
