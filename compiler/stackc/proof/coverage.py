"""Up to which size of each dim a file is proven: by whole passes, and beyond them by components."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from stackc.core.diagnostics import Span


@dataclass(frozen=True, slots=True)
class SizeGap:
    """A component that was not run at the largest size of a dim: the size that it was proven at, and why no larger."""

    dim: str
    path: str
    op: str
    span: Span
    size: int
    reason: str

    def to_json(self) -> dict[str, Any]:
        """Return `path`, `op`, `source` (file:line), `size` and `reason`."""
        return {
            "path": self.path,
            "op": self.op,
            "source": str(self.span),
            "size": self.size,
            "reason": self.reason,
        }


@dataclass(frozen=True, slots=True)
class DimCoverage:
    """Up to which size a dim is proven, from `least` on; `maximum` is that of the contract, None if it has none.

    whole       the largest size of a pass of the whole model
    components  the largest size at which every component whose values depend on positions along the dim is proven
    gaps        the components that keep `components` below the maximum
    """

    name: str
    least: int
    maximum: int | None
    whole: int
    components: int
    gaps: tuple[SizeGap, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether it is proven up to the maximum of the contract."""
        return self.maximum is not None and not self.gaps

    def __str__(self) -> str:
        end = f"{self.components:,}"
        if self.maximum is None:
            end += " of any size"
        elif self.gaps:
            end += f" of {self.maximum:,}"
        if self.components <= self.whole:
            return f"{self.name} {self.least:,}…{end} (whole)"
        return f"{self.name} {self.least:,}…{end} (components), to {self.whole:,} (whole)"

    def to_json(self) -> dict[str, Any]:
        """Return the fields by name."""
        sizes = {"dim": self.name, "min": self.least, "max": self.maximum}
        reached = {"whole": self.whole, "components": self.components}
        return {**sizes, **reached, "gaps": [gap.to_json() for gap in self.gaps]}


def coverage_text(coverage: Iterable[DimCoverage]) -> str:
    """Return `proven for batch 1…64 (whole), seq 1…8,192 (components), to 2,048 (whole)`; empty without dims."""
    dims = [str(dim) for dim in coverage]
    return f"proven for {'; '.join(dims)}" if dims else ""


def gap_lines(coverage: Iterable[DimCoverage]) -> list[str]:
    """Return a line for each component that was not run at the largest size of a dim."""
    return [
        f"{gap.path} ({gap.op}) is proven to {gap.dim} {gap.size:,} only: {gap.reason}"
        for dim in coverage
        for gap in dim.gaps
    ]
