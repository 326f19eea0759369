"""Valid configurations of every component, by op: `CASES`."""

from tests.components.cases import images, indexing, layout, losses, sequences, signals, values
from tests.components.cases.drawing import CASES, DTYPES, SYMBOLS, Case

__all__ = [
    "CASES",
    "DTYPES",
    "SYMBOLS",
    "Case",
    "images",
    "indexing",
    "layout",
    "losses",
    "sequences",
    "signals",
    "values",
]
