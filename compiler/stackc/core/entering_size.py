"""The size of an axis of what enters a component: `channels(x)`, `features(x)`, `size(x, 2)` in an expression."""

from __future__ import annotations

import re
from dataclasses import dataclass

AXES = {"channels": 1, "features": -1}
"""The axis of each function that names one; `size` takes it as its second argument."""

FUNCTIONS = (*AXES, "size")

_WRITTEN = re.compile(rf"(?P<function>{'|'.join(FUNCTIONS)})\((?P<port>\w+)(?:, (?P<axis>-?\d+))?\)")


@dataclass(frozen=True, slots=True)
class EnteringSize:
    """An axis of what enters a port; its text is the name of a symbol."""

    port: str
    axis: int
    text: str

    @staticmethod
    def of(function: str, port: str, axis: int | None = None) -> EnteringSize:
        """Return the size that a call of one of `FUNCTIONS` stands for; `size` alone takes an axis."""
        if axis is None:
            return EnteringSize(port, AXES[function], f"{function}({port})")
        return EnteringSize(port, axis, f"{function}({port}, {axis})")

    @staticmethod
    def parse(symbol: str) -> EnteringSize | None:
        """Return the size that is the name of a symbol, None for any other name."""
        match = _WRITTEN.fullmatch(symbol)
        if match is None:
            return None
        return EnteringSize.of(match["function"], match["port"], int(match["axis"]) if match["axis"] else None)
