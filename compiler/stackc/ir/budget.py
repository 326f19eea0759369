"""How much error a file of lower precision than float32 may have, as a spec or a command says it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stackc.core.diagnostics import Span


@dataclass(frozen=True, slots=True)
class Budget:
    """The bounds that hold together; None for those that are not set.

    max_error         the largest distance of any number of an output from PyTorch's
    cosine            the smallest cosine of any vector of an output with PyTorch's
    metric, drop      by how much a metric of `train` may be worse than that of the float32 file, on `data`
    perplexity_ratio  how many times as large the perplexity of the next token may be, on `data`
    outputs           the outputs that `max_error` and `cosine` are for; all of them if there are none
    data              an .npz file of inputs by name, and of what a metric compares with
    """

    max_error: float | None = None
    cosine: float | None = None
    metric: str | None = None
    drop: float | None = None
    perplexity_ratio: float | None = None
    data: Path | None = None
    outputs: tuple[str, ...] = ()
    span: Span | None = None

    @property
    def on_outputs(self) -> bool:
        """Whether the outputs themselves are held, at points of the dims contract and on data."""
        return self.max_error is not None or self.cosine is not None

    def holds(self, output: str) -> bool:
        """Return whether an output is one that distances and cosines are for."""
        return not self.outputs or output in self.outputs

    def __str__(self) -> str:
        of = f" of {', '.join(self.outputs)}" if self.outputs else ""
        return ", ".join(self._texts()) + of

    def _texts(self) -> Iterator[str]:
        if self.max_error is not None:
            yield f"max_error ≤ {self.max_error:g}"
        if self.cosine is not None:
            yield f"cosine ≥ {self.cosine:g}"
        if self.metric is not None:
            yield f"{self.metric} at most {self.drop or 0.0:g} worse"
        if self.perplexity_ratio is not None:
            yield f"perplexity ≤ {self.perplexity_ratio:g}× float32's"

    def to_json(self) -> dict[str, Any]:
        """Return the bounds that are set."""
        bounds = {
            "max_error": self.max_error, "cosine": self.cosine, "metric": self.metric, "drop": self.drop,
            "perplexity_ratio": self.perplexity_ratio,
            "outputs": list(self.outputs) or None, "data": None if self.data is None else self.data.name,
        }  # fmt: skip
        return {name: bound for name, bound in bounds.items() if bound is not None}


DEFAULT = Budget(cosine=0.99)
"""What `--quantize` holds a file to if neither the spec nor the command has a budget."""
