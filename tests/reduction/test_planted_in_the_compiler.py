"""Faults planted in the compiler, met through whole models: each ends as a small spec with the same component blamed.

What is blamed is read off the messages of builds, by this test, before and after.
"""

from __future__ import annotations

import re
import time
from dataclasses import replace
from pathlib import Path

import pytest
from tests.reduction.faults import FAULTS, Fault

from stackc.core.diagnostics import SpecError
from stackc.frontend import Overrides
from stackc.pipeline import Options, build
from stackc.reduction.minimize import reduce_spec

SPECS = Path(__file__).parents[2] / "specs"
SMALL = {
    "bert_base": Overrides({"vocab": "50", "dim": "16", "layers": "2", "heads": "2", "hidden": "24"}, {"seq": 5}),
    "unet": Overrides({"width0": "4"}, {"height": 16, "width": 32}),
}
"""The batch stays open, so that reducing has a dim to fix; the others are fixed to save time."""

LIMIT = 120
"""Seconds of CPU time for each."""


def blamed(path: Path, options: Options) -> list[tuple[str, str]]:
    """Build a spec that has to fail; return the code and the op that each message names, or a crash and its text."""
    try:
        build(path, options)
    except SpecError as error:
        return [(d.code, _op(d.message)) for d in error.diagnostics]
    except (KeyError, ZeroDivisionError, AttributeError) as error:
        return [(type(error).__name__, str(error).strip("'"))]
    pytest.fail(f"{path} builds")


def _op(message: str) -> str:
    named = re.match(r"'[\w.]+' \((\w+)\)|(\w+) cannot be exported", message)
    assert named is not None, message
    return named[1] or named[2]


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_fault_of_the_compiler_is_reduced(fault: Fault, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec, small = SPECS / f"{fault.spec}.yaml", tmp_path / "reduced.yaml"
    options = Options(SMALL[fault.spec], out=tmp_path / "out", measure=False, threads=1)
    reports: list[tuple[str, str]] = []

    with monkeypatch.context() as planted:
        fault.plant(planted)
        start, cpu = time.monotonic(), time.process_time()
        reduced = reduce_spec(spec, options, progress=lambda stage, summary: reports.append((stage, summary)))
        seconds, cpu = time.monotonic() - start, time.process_time() - cpu
        small.write_text(reduced.text, encoding="utf-8")
        overrides = options.overrides if reduced.components is None else Overrides()
        after = blamed(small, replace(options, overrides=overrides, seed=reduced.seed))

    print(f"\n{fault.name}: {after}, {reduced.components} of {reduced.before} components, {reduced.tried} tried,"
          f" {seconds:.1f} s, {cpu:.1f} s of CPU\n{reduced.text}")  # fmt: skip

    # What the whole model is blamed for is what the small one is blamed for, and nothing else.
    assert after == [(fault.code, fault.op or before(reports))]
    assert fault.op == "" or fault.op in reduced.text
    assert fault.code in reports[0][1]
    assert cpu < LIMIT

    assert reduced.finished
    if reduced.components is None:  # a text that crashes the checker is reduced by words, and only so far
        assert len(reduced.text) < len(spec.read_text(encoding="utf-8")) / 2
        return

    # It is a spec of a dozen lines, some more where the fault needs blocks, and nothing but the fault is wrong with it.
    assert reduced.components < 10
    assert len(reduced.text.splitlines()) <= 20
    build(small, replace(options, overrides=Overrides()))


def before(reports: list[tuple[str, str]]) -> str:
    """Return the op that the message about the whole model names."""
    return _op(reports[0][1].partition(": ")[2])
