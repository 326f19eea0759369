"""Wait until the threads of this process are at rest.

The threads of OpenMP, which PyTorch computes with, spin for a while after each run and wait for the next: GNU's for
300,000 turns, which are 5 to 20 ms, Intel's and LLVM's for 200 ms. As long as they do, they take the cores from
whatever runs next, in this process or in another.
"""

from __future__ import annotations

import time
from collections.abc import Callable

STEP = 1e-3  # seconds between two looks at the processor time
STEPS = 3  # that must be quiet one after the other: on a busy machine a spinning thread misses one now and then
RESTING = 0.1  # of a core: what this process may use in a quiet step
LONGEST = 0.25  # seconds: a candidate may have threads of its own that never rest


def wait_for_rest(
    *,
    clock: Callable[[], float] = time.perf_counter,
    processor_time: Callable[[], float] = time.process_time,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Sleep until all threads of this process together use less than a tenth of a core; at most a quarter second."""
    end, quiet = clock() + LONGEST, 0
    while quiet < STEPS and clock() < end:
        start, used = clock(), processor_time()
        sleep(STEP)
        rested = processor_time() - used <= RESTING * (clock() - start)
        quiet = quiet + 1 if rested else 0
