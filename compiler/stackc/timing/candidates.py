"""A module and a session as candidates: to call one is to run it once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from stackc.runtime import Feeds, Session
from stackc.timing.interleave import Candidate

if TYPE_CHECKING:
    import torch


def session_candidate(session: Session, feeds: Feeds) -> Candidate:
    """A session on inputs that lie on its device; its `threads` were set when it was opened."""
    return session.bind(feeds)


def eager_candidate(
    module: torch.nn.Module, inputs: Sequence[torch.Tensor], threads: int, *, wait: bool = True
) -> Candidate:
    """The module on its inputs, in eval and inference mode, until the device is done; without `wait`, until it knows
    what to do. A call returns what the module made.

    `threads` is set for the whole process, as PyTorch has it: open the session with the same number.
    """
    import torch

    torch.set_num_threads(threads)
    module.eval()
    waits = wait and any(tensor.is_cuda for tensor in inputs)

    def run() -> object:
        with torch.inference_mode():
            made: object = module(*inputs)
        if waits:
            torch.cuda.synchronize()
        return made

    return run
