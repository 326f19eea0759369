"""What the Python API takes, as the stages want it: sizes as integers, values of params as text."""

from __future__ import annotations

from collections.abc import Mapping
from operator import index


def checked_sizes(dims: Mapping[str, int]) -> Mapping[str, int]:
    """Return the sizes as integers. Raises TypeError for one that is not an integer, ValueError for one below 1."""
    for name, size in dims.items():
        try:
            whole = index(size)
        except TypeError:
            whole = None
        if whole is None or isinstance(size, bool):
            raise TypeError(f"dims: the size of '{name}' must be an integer, not {size!r}")
        if whole < 1:
            raise ValueError(f"dims: the size of '{name}' must be at least 1, not {size!r}")
    return {name: index(size) for name, size in dims.items()}


def param_text(value: object) -> str:
    """Write a value as `--set` takes it."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return str(value)
