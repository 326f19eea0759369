"""What `stackc build` prints of its timing."""

from __future__ import annotations

import numpy as np
import pytest

from stackc.cli.build import _print_speed
from stackc.timing import Repetition, compare_candidates


@pytest.mark.parametrize(("others", "warned"), [(None, False), (0.1, False), (1.2, True)])
def test_a_disturbed_timing_says_so(others: float | None, warned: bool, capsys: pytest.CaptureFixture[str]) -> None:
    rounds = Repetition(np.tile([1.0, 0.5], (10, 1)), others=others)
    _print_speed(compare_candidates(["eager", "onnx"], [rounds]), None)
    printed = capsys.readouterr().out
    assert "onnx / eager = 0.50 (0.50 to 0.50): faster" in printed
    assert ("other programs kept 1.2 of" in printed) == warned
