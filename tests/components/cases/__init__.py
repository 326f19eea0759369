"""Valid configurations of every component, by op: `CASES`."""

from tests.components.cases import images, layout, sequences, values
from tests.components.cases.drawing import CASES, DTYPES, SYMBOLS, Case

__all__ = ["CASES", "DTYPES", "SYMBOLS", "Case", "images", "layout", "sequences", "values"]
