"""Memory, as the system counts it: an array of 64 MB counts as 64 MB."""

import numpy as np
import pytest

from stackc.benchmark.memory import peak_resident, reset_peak, resident


def test_memory_is_counted_from_where_it_is_forgotten() -> None:
    reset_peak()
    before = resident()
    if before is None:
        pytest.skip("this system does not count what is resident")
    block = np.ones(8_000_000)
    peak = peak_resident()
    del block
    assert peak is not None
    assert 64_000_000 <= peak - before < 90_000_000
