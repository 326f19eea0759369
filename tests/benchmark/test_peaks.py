"""Memory, as the system counts it: 64 MB that are taken are 64 MB."""

import numpy as np
import pytest

from stackc.benchmark.memory import forget_most, most_resident, resident


def test_memory_is_counted_from_where_it_is_forgotten() -> None:
    forget_most()
    before = resident()
    if before is None:
        pytest.skip("this system does not count what is resident")
    block = np.ones(8_000_000)
    peak = most_resident()
    del block
    assert peak is not None
    assert 64_000_000 <= peak - before < 90_000_000
