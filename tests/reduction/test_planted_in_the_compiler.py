"""Faults planted in the compiler, met through whole models: each ends as a small spec with the same component blamed.

What is blamed is read off the messages of builds, by this test, before and after. The same with the models at their
full sizes, as a table: `python -m tests.benchmarks.reduction`.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.reduction.faults import FAULTS, Fault
from tests.reduction.planted import SMALL, reduce_fault

from stackc.pipeline import Options, build


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_fault_of_the_compiler_is_reduced(fault: Fault, tmp_path: Path) -> None:
    outcome = reduce_fault(fault, SMALL[fault.spec], tmp_path, threads=1)
    reduced = outcome.reduced

    # What the whole model is blamed for is what the small one is blamed for, and nothing else.
    assert outcome.same, outcome.after
    assert fault.op in ("", outcome.blamed[1])
    assert fault.op == "" or fault.op in reduced.text

    # It is a spec of a dozen lines, some more where the fault needs blocks, and nothing but the fault is wrong with it.
    assert reduced.finished
    assert reduced.components is not None
    assert reduced.components < 10
    assert len(reduced.text.splitlines()) <= 20
    build(outcome.file, Options(out=tmp_path / "out", measure=False, threads=1))
