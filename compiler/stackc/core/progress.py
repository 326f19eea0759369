"""The callback by which long commands report their progress."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[str, str], None]
"""Called with the name of each stage when it is done, and a line about its result."""
