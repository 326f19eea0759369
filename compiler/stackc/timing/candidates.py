"""A module and a session as candidates: a call runs one once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from stackc.runtime import Feeds, Session
from stackc.timing.interleave import Candidate

if TYPE_CHECKING:
    import torch


def session_candidate(session: Session, feeds: Feeds) -> Candidate:
    """Return a session bound to inputs on its device; its number of threads was set when it was opened."""
    return session.bind(feeds)


def eager_candidate(module: torch.nn.Module, inputs: Sequence[torch.Tensor], *, wait: bool = True) -> Candidate:
    """Return a function that runs the module on its inputs, in eval and inference mode, and returns its outputs.

    A call waits until the device is done; without `wait`, until all work is launched. It takes the threads that
    PyTorch has when it runs: `torch_threads` sets them, to the number of the session beside it.
    """
    import torch

    module.eval()
    synchronize = wait and any(tensor.is_cuda for tensor in inputs)

    def run() -> object:
        with torch.inference_mode():
            outputs: object = module(*inputs)
        if synchronize:
            torch.cuda.synchronize()
        return outputs

    return run
