"""Faults planted in the compiler, met through whole models: each ends as a small spec with the same component blamed.

What is blamed is read off the messages of builds, by this test, before and after.
"""

from __future__ import annotations

import re
import time
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
"""Seconds for each on two cores."""


def blamed(path: Path, options: Options) -> list[tuple[str, str]]:
    """Build a spec that has to fail; return the code and the op that each message names, or the class of a crash."""
    try:
        build(path, options)
    except SpecError as error:
        return [(d.code, _op(d.message)) for d in error.diagnostics]
    except (KeyError, ZeroDivisionError, AttributeError) as error:
        return [(type(error).__name__, "")]
    pytest.fail(f"{path} builds")


def _op(message: str) -> str:
    named = re.match(r"'[\w.]+' \((\w+)\)|(\w+) cannot be exported", message)
    assert named is not None, message
    return named[1] or named[2]


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_fault_of_the_compiler_is_reduced(fault: Fault, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = SPECS / f"{fault.spec}.yaml"
    options = Options(SMALL[fault.spec], out=tmp_path / "out", measure=False, threads=1)

    with monkeypatch.context() as planted:
        fault.plant(planted)
        before = blamed(spec, options)
        start = time.monotonic()
        reduced = reduce_spec(spec, options)
        seconds = time.monotonic() - start
        (tmp_path / "reduced.yaml").write_text(reduced.text, encoding="utf-8")
        after = blamed(
            tmp_path / "reduced.yaml", Options(seed=reduced.seed, out=tmp_path / "out", measure=False, threads=1)
        )

    print(f"\n{fault.name}: {before[0]}, {reduced.components} of {reduced.before} components, {reduced.tried} tried,"
          f" {seconds:.1f} s\n{reduced.text}")  # fmt: skip
    assert fault.code in {code for code, _ in before}
    assert before[0] in after
    assert set(after) <= set(before)
    if fault.op and fault.code.startswith(("P", "E")):
        assert after == [(fault.code, fault.op)]
    if fault.op:
        assert fault.op in reduced.text
    assert seconds < LIMIT

    # It is a spec of a dozen lines, or two where the fault needs blocks, and nothing but the fault is wrong with it.
    assert reduced.finished
    assert reduced.components is None or reduced.components < 10
    assert len(reduced.text.splitlines()) <= 24
    if reduced.components is not None:
        build(tmp_path / "reduced.yaml", Options(out=tmp_path / "out", measure=False, threads=1))
