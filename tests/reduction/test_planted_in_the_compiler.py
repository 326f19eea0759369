"""Faults planted in the compiler, met through whole models: each ends as a small spec with the same component blamed.

One of each kind: in a component with parameters, with two operands, without either; a crash; the linker's wiring,
constants and weights; the folding of weights; a file that is stored wrong. What is blamed is read off the messages of
builds, by this test, before and after. All faults, at small or full sizes, as a table:
`python -m tests.benchmarks.reduction [--small]`.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.reduction.faults import FAULTS, Fault
from tests.reduction.planted import SMALL, reduce_fault

from stackc.pipeline import Options, build

KINDS = {
    "component_embedding", "component_concat", "export_error", "linker_epsilon_of_another", "linker_concat_reversed",
    "linker_weights_of_the_layer_before", "folding_concat", "storing_half_precision",
}  # fmt: skip
CHOSEN = [fault for fault in FAULTS if fault.name in KINDS]


def test_every_kind_is_chosen() -> None:
    assert {fault.name for fault in CHOSEN} == KINDS


@pytest.mark.slow
@pytest.mark.parametrize("fault", CHOSEN, ids=lambda fault: fault.name)
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
