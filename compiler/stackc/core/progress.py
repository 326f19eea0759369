"""The stages of a build by name, and how a command reports its progress."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, TypeAlias

Stage: TypeAlias = Literal["check", "weights", "lower", "export", "write", "open", "prove", "measure"]
STAGES: tuple[Stage, ...] = ("check", "weights", "lower", "export", "write", "open", "prove", "measure")
"""The stages that a build can stop after, in order; `package` follows the last."""

Progress: TypeAlias = Callable[[str, str], None]
"""Called when a stage is done, with its name and a few words about its result."""


def no_progress(stage: str, result: str) -> None:
    """Report nothing."""
