"""Reduce the spec that meets a fault of the compiler, and read off messages what is blamed before and after."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from tests.reduction.faults import Fault

from stackc.core.diagnostics import SpecError
from stackc.frontend import Overrides
from stackc.pipeline import Options, build
from stackc.reduction.minimize import reduce_spec
from stackc.reduction.search import Reduced

SPECS = Path(__file__).parents[2] / "specs"
SMALL = {
    "bert_base": Overrides({"vocab": "50", "dim": "16", "layers": "2", "heads": "2", "hidden": "24"}, {"seq": 5}),
    "unet": Overrides({"width0": "4"}, {"height": 16, "width": 32}),
}
"""The batch stays open, so that reducing has a dim to fix; the others are fixed to save time."""


@dataclass(frozen=True)
class Outcome:
    """A reduced fault: what the whole spec is `blamed` for first, and every (code, op) that the reduced one shows.

    `file` is the reduced spec. `seconds` are those of the reduction, `cpu` its processor time.
    """

    reduced: Reduced
    blamed: tuple[str, str]
    after: tuple[tuple[str, str], ...]
    file: Path
    seconds: float
    cpu: float

    @property
    def same(self) -> bool:
        """Whether the reduced spec is blamed for what the whole one is blamed for, and for nothing else."""
        return self.after == (self.blamed,)


def reduce_fault(fault: Fault, overrides: Overrides, folder: Path, *, threads: int | None = None) -> Outcome:
    """Plant a fault, reduce the spec that meets it, and build what is left."""
    options = Options(overrides, out=folder / "out", measure=False, threads=threads)
    small = folder / "reduced.yaml"
    reports: list[tuple[str, str]] = []

    with pytest.MonkeyPatch.context() as planted:
        fault.plant(planted)
        start, cpu = time.monotonic(), time.process_time()
        spec = SPECS / f"{fault.spec}.yaml"
        reduced = reduce_spec(spec, options, progress=lambda stage, summary: reports.append((stage, summary)))
        seconds, cpu = time.monotonic() - start, time.process_time() - cpu
        small.write_text(reduced.text, encoding="utf-8")
        after = blamed(small, replace(options, overrides=Overrides(), seed=reduced.seed))

    message = next(summary for stage, summary in reports if stage == "fails").partition(": ")[2]
    first = (fault.code, _op(message) if fault.code[0] in "EP" else message.strip("'"))
    return Outcome(reduced, first, tuple(after), small, seconds, cpu)


def blamed(path: Path, options: Options) -> list[tuple[str, str]]:
    """Build a spec; return the code and the op that each message names, or a crash and its text."""
    try:
        build(path, options)
    except SpecError as error:
        return [(d.code, _op(d.message)) for d in error.diagnostics]
    except (KeyError, ZeroDivisionError, AttributeError) as error:
        return [(type(error).__name__, str(error).strip("'"))]
    return []


def _op(message: str) -> str:
    named = re.match(r"'[\w.]+' \((\w+)\)|(\w+) cannot be exported", message)
    return (named[1] or named[2]) if named else message
