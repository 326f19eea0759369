"""What the code of somebody else raises, which may be anything, in one line."""

from __future__ import annotations

import importlib
import traceback
from pathlib import Path

import torch

RAISED = (Exception, SystemExit)
"""All that such code may end with, but for what a person at the keyboard does."""

_STACKC = str(Path(__file__).parents[2])
_PASSED_OVER = (*torch.__path__, _STACKC, *importlib.__path__)


def describe(error: BaseException) -> str:
    """`ValueError: 3 heads do not divide 64 (layers.py, line 12)`: the innermost line that is neither PyTorch's nor
    stackc's."""
    reason = next((line.strip() for line in str(error).splitlines() if line.strip()), "it does not say why")
    return f"{type(error).__name__}: {reason}{raised_at(error)}"


def raised_at(error: BaseException) -> str:
    """` (layers.py, line 12)`, nothing where none of its lines is to be seen."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if not frame.filename.startswith((*_PASSED_OVER, "<"))]
    return f" ({Path(own[-1].filename).name}, line {own[-1].lineno})" if own else ""
