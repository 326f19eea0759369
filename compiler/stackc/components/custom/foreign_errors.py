"""Errors of a user's code, which may raise anything, in one line."""

from __future__ import annotations

import importlib
import traceback
from pathlib import Path

import torch

RAISED = (Exception, SystemExit)
"""Everything that such code may raise, except a keyboard interrupt."""

_STACKC = str(Path(__file__).parents[2])
_SKIPPED_FILES = (*torch.__path__, _STACKC, *importlib.__path__)


def describe(error: BaseException) -> str:
    """Return `ValueError: 3 heads do not divide 64 (layers.py, line 12)`.

    The line is the innermost one that belongs neither to PyTorch nor to stackc.
    """
    reason = next((line.strip() for line in str(error).splitlines() if line.strip()), "it does not say why")
    return f"{type(error).__name__}: {reason}{raised_at(error)}"


def raised_at(error: BaseException) -> str:
    """Return ` (layers.py, line 12)`, or "" if no line of the user's code is known."""
    frames = traceback.extract_tb(error.__traceback__)
    users = [frame for frame in frames if not frame.filename.startswith((*_SKIPPED_FILES, "<"))]
    return f" ({Path(users[-1].filename).name}, line {users[-1].lineno})" if users else ""
