"""Texts that do not check, or that crash the checker: delta debugging over lines, then over words."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from stackc.reduction.ddmin import ddmin

_WORD = re.compile(r"\s*(?:[^\s,;:{}\[\]]+|[,;:{}\[\]])|\s+")


def reduce_text(text: str, fails: Callable[[str], bool]) -> str:
    """Return a text without lines and words that the failure does not need. Requires that `text` fails."""
    text = "".join(ddmin(text.splitlines(keepends=True), lambda kept: fails("".join(kept))))
    return "".join(ddmin(_WORD.findall(text), lambda kept: fails(_joined(kept))))


def _joined(words: Sequence[str]) -> str:
    return "".join(words)
