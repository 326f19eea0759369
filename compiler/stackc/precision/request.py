"""What a build is asked for: the format of weights, and the budget that it is held to. Imports nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from stackc.ir.budget import Budget
from stackc.precision.formats import Format


@dataclass(frozen=True)
class Quantization:
    """The format, names or patterns of weights that stay float32, and the budget and the user's inputs.

    Without a budget that of the spec counts.
    """

    format: Format
    kept: tuple[str, ...] = ()
    budget: Budget | None = None
    data: Path | None = None
