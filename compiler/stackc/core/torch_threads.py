"""The number of PyTorch's threads, which is one for the whole process: set for a while, and set back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def torch_threads(threads: int) -> Iterator[None]:
    """Run PyTorch's operators in so many threads until the end of the block.

    Sums take another order with another number of threads. A program that calls `stackc.build` between two of its own
    training steps would see other last digits after it, if the number stayed.
    """
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)
