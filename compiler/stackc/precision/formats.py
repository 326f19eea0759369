"""The formats that weights can have."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

Format = Literal["float16", "bfloat16", "int8", "int8-static", "int8-weights", "int4-weights"]
FORMATS: tuple[Format, ...] = get_args(Format)
FLOAT32 = "float32"


@dataclass(frozen=True, slots=True)
class FormatFacts:
    """What a format does, in a line, and the operators whose weights it takes, of the ranks that it takes."""

    description: str
    operators: frozenset[str]
    ranks: range


_PRODUCTS = frozenset({"MatMul"})
_STORED = frozenset({"MatMul", "Gemm", "Conv", "ConvTranspose", "Gather", "LSTM", "GRU", "RNN", "Slice"})

FACTS: dict[Format, FormatFacts] = {
    "float16": FormatFacts("weights stored in float16, computed with in float32", _STORED, range(2, 9)),
    "bfloat16": FormatFacts("weights stored in bfloat16, computed with in float32", _STORED, range(2, 9)),
    "int8": FormatFacts("products in int8, what enters is measured as it runs", _PRODUCTS, range(2, 3)),
    "int8-static": FormatFacts(
        "products and convolutions in int8, ranges from data", frozenset({"MatMul", "Gemm", "Conv"}), range(2, 6)
    ),
    "int8-weights": FormatFacts("weights of products in 8 bits, in blocks of 32", _PRODUCTS, range(2, 3)),
    "int4-weights": FormatFacts("weights of products in 4 bits, in blocks of 32", _PRODUCTS, range(2, 3)),
}
