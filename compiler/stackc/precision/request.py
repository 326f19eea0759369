"""What a build is asked for: the format of weights, and the budget that it is held to. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from stackc.ir.budget import Budget
from stackc.precision.formats import Format


@dataclass(frozen=True)
class Quantization:
    """The format, names or patterns of weights that stay float32, and the budget and the user's inputs.

    Without a budget that of the spec counts. With `formats`, an assignment by the names of initializers, `format` is
    only what it is called, and nothing else is changed.
    """

    format: str
    kept: tuple[str, ...] = ()
    budget: Budget | None = None
    data: Path | None = None
    formats: Mapping[str, Format] | None = None


@dataclass(frozen=True)
class Tuning:
    """What a search is asked for: the weights that stay float32, the budget, the user's inputs.

    `mixed` searches assignments by weight, too; each candidate is timed for `seconds`.
    """

    kept: tuple[str, ...] = ()
    budget: Budget | None = None
    data: Path | None = None
    mixed: bool = True
    seconds: float = 1.6
