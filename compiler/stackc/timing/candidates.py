"""A module and a session as candidates: a call runs one once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from stackc.runtime import Feeds, Session
from stackc.timing.interleave import Candidate

if TYPE_CHECKING:
    import torch


LARGEST_OF_HEAP = 2**25
"""Bytes: beyond it glibc takes every tensor from the system by itself (DEFAULT_MMAP_THRESHOLD_MAX of malloc.c)."""


def session_candidate(session: Session, feeds: Feeds) -> Candidate:
    """Return a session bound to inputs on its device; its number of threads was set when it was opened."""
    return session.bind(feeds)


def eager_candidate(module: torch.nn.Module, inputs: Sequence[torch.Tensor], *, wait: bool = True) -> Candidate:
    """Return a function that runs the module on its inputs, in eval and inference mode, and returns its outputs.

    A call waits until the device is done; without `wait`, until all work is launched. It takes the threads that
    PyTorch has when it runs: `torch_threads` sets them, to the number of the session beside it.
    """
    import torch

    _raise_threshold_of_freed_memory()
    module.eval()
    synchronize = wait and any(tensor.is_cuda for tensor in inputs)

    def run() -> object:
        with torch.inference_mode():
            outputs: object = module(*inputs)
        if synchronize:
            torch.cuda.synchronize()
        return outputs

    return run


def _raise_threshold_of_freed_memory() -> None:
    """Put the allocator in the state of a process that has run for a while.

    glibc gives freed memory back to the system above a threshold that it raises to twice the largest block that was
    freed so far (mallopt(3), M_MMAP_THRESHOLD). In a new process a run pays for the pages of all its tensors again, and
    how many differs by process; in one that has proven a model, it does not. One freed block makes them equal. Other
    allocators take no notice.
    """
    import torch

    torch.empty(LARGEST_OF_HEAP - 2**16, dtype=torch.uint8)
