"""What the proof says of a mutant, by the rule of today and by that of 0.1.0, and which components it blames."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

from tests.benchmarks.mutants.settings import Subject

from stackc.core.diagnostics import Diagnostic, SpecError
from stackc.ir.program import Program
from stackc.proof import parity, tolerance
from stackc.proof.report import Parity
from stackc.runtime import open_session


@dataclass(frozen=True)
class Judgement:
    """Whether a proof refuses a model, which components it names, and whether the rule of 0.1.0 refuses its outputs.

    `opened` is False for a file that ONNX Runtime does not open, which no proof is needed for.
    """

    refused: bool
    blamed: frozenset[str]
    before: bool
    message: str
    opened: bool = True


def prove_mutant(subject: Subject, path: Path, *, per_component: bool = False) -> Judgement:
    """Prove a model file against the module of its subject."""
    rows: list[Parity] = []
    require_passed = parity._require_passed

    def record(*arguments: Any) -> None:
        rows.extend(argument for argument in arguments if isinstance(argument, Parity))
        require_passed(*arguments)

    checked = subject.checked
    try:
        session = open_session(path, "cpu", threads=1)
    except SpecError as error:
        return Judgement(True, frozenset(), True, error.diagnostics[0].message, opened=False)
    try:
        with mock.patch.object(parity, "_require_passed", record):
            parity.prove(
                checked.program, subject.reference, session, path, checked.ranges,
                linked=subject.linked.graph, threads=1, per_component=per_component,
            )  # fmt: skip
    except SpecError as error:
        blamed = frozenset(
            name for diagnostic in error.diagnostics for name in named_causes(diagnostic, checked.program)
        )
        before = not rows or refused_without_spread(rows[0])
        return Judgement(True, blamed, before, error.diagnostics[0].message)
    except Exception as error:  # a proof that crashes has found nothing
        return Judgement(False, frozenset(), False, f"crashes: {error!r}")
    return Judgement(False, frozenset(), refused_without_spread(rows[0]), "")


def refused_without_spread(found: Parity) -> bool:
    """Return whether the rule of 0.1.0, twice PyTorch's error and 8 ulp, refuses the outputs of a proof."""
    verdicts = [row.verdict for row in found.rows]
    return any(
        bool(verdict.problem) or verdict.onnx > verdict.allowed - tolerance.SPREADS * (verdict.spread or 0.0)
        for verdict in verdicts
    )


def named_causes(diagnostic: Diagnostic, program: Program) -> list[str]:
    """Return the components that a diagnostic names as the cause; those of outputs if it is about outputs alone."""
    makers = {value: call.path for call in program.calls for value in call.outputs}
    message = diagnostic.message.partition("; in the file it reads")[0]
    named = re.findall(r"'([^']+)' \(", message) + re.findall(r"'([^']+)'", diagnostic.hint or "")
    paths = [name for name in named if name in makers.values()]
    outputs = [makers.get(program.outputs.get(name, "")) for name in re.findall(r"the output '([^']+)'", message)]
    return paths or [path for path in outputs if path]
