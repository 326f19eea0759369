"""A finished build, as `stackc.build` returns it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from stackc.frontend import Checked
from stackc.runtime import Session

if TYPE_CHECKING:
    from stackc.export import ExportedModel
    from stackc.precision.quantize import ReducedPrecision
    from stackc.proof.points import Point
    from stackc.proof.report import Parity
    from stackc.timing import Comparison


@dataclass(frozen=True, repr=False)
class Built:
    """A finished build: its folder and what the stages made; None if a stage was left out."""

    folder: Path
    checked: Checked
    exported: ExportedModel
    session: Session | None
    parity: Parity | None
    speed: Comparison | None
    measured: Point | None
    random_weights: bool = False
    precision: ReducedPrecision | None = None

    def __repr__(self) -> str:
        return f"<Built {self.folder}: {', '.join(text for _, text in self._results())}>"

    def _repr_html_(self) -> str:
        """The drawing with a summary, for notebooks."""
        from stackc.view.notebook import checked_html

        checked = self.checked
        rows = [("folder", str(self.folder)), *self._results()]
        return checked_html(checked.typed, checked.program, checked.cost, rows)

    def _results(self) -> list[tuple[str, str]]:
        """Say what the proof and the timing came to."""
        proof = self.parity.describe(random_weights=self.random_weights) if self.parity else "built without a proof"
        speed = [("speed", f"{self.speed.ratios[0]} at {self.measured}")] if self.speed else []
        precision = [("precision", self.precision.describe())] if self.precision else []
        return [("proof", proof), *precision, *speed]
