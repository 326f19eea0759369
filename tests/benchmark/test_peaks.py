"""Memory, as the system counts it: an array of 64 MB counts as 64 MB."""

import subprocess
import sys

import pytest

MEASURE = """
import numpy as np
from stackc.benchmark.memory import peak_resident, reset_peak, resident

reset_peak()
before = resident()
block = np.ones(8_000_000)
print(None if before is None else peak_resident() - before)
"""


def test_memory_is_counted_from_where_it_is_forgotten() -> None:
    """In a process of its own: what other tests have left to the allocator may be returned at any moment."""
    done = subprocess.run([sys.executable, "-c", MEASURE], capture_output=True, text=True, check=True)
    if done.stdout == "None\n":
        pytest.skip("this system does not count what is resident")
    assert 64_000_000 <= int(done.stdout) < 90_000_000
