"""The ranks: the processes that train together, which torchrun starts. One process alone is rank 0 of 1.

torchrun tells each process its place in environment variables, and restarts all of them when one is lost:
https://docs.pytorch.org/docs/stable/elastic/run.html
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn, TypeVar

import numpy as np
import torch
from torch import Tensor, distributed

from stackc.core.diagnostics import Diagnostic, SpecError
from stackc.runtime import Array
from stackc.training.examples import Batch, Examples

T = TypeVar("T")


@dataclass(frozen=True)
class Ranks:
    """The place of this process among the processes that train together.

    launch         names what started them, for all its restarts; None without torchrun
    is_restarted   whether torchrun has started them again
    """

    number: int = 0
    count: int = 1
    launch: str | None = None
    is_restarted: bool = False

    @property
    def is_first(self) -> bool:
        """Whether this is the rank that writes files and reports."""
        return self.number == 0

    # -- what ranks tell each other; each of these waits for all of them

    def sums(self, values: Sequence[float]) -> list[float]:
        """Return the sum over all ranks of each value."""
        if self.count == 1:
            return list(values)
        tensor = torch.tensor(values, dtype=torch.float64)
        distributed.all_reduce(tensor)
        total: list[float] = tensor.tolist()
        return total

    def any(self, flag: bool) -> bool:
        """Return whether the flag is set on any rank."""
        return self.sums([float(flag)])[0] > 0

    def all_of(self, value: T) -> list[T]:
        """Return the values of all ranks, in their order."""
        if self.count == 1:
            return [value]
        values: list[T | None] = [None] * self.count
        distributed.all_gather_object(values, value)
        return values  # type: ignore[return-value]  # every rank has put its own there

    def agree(self, error: SpecError | None) -> None:
        """Raise the error of one rank on that rank, and end all others without a word of their own.

        Of several it is the first that has a line, or else the first.
        """
        known = self.all_of(None if error is None else any(each.span for each in error.diagnostics))
        failed = sorted((not has_line, number) for number, has_line in enumerate(known) if has_line is not None)
        if not failed:
            return
        if error is not None and failed[0][1] == self.number:
            raise error
        self.end_after_others()

    def end_after_others(self) -> NoReturn:
        """End with status 1 once another rank has: torchrun ends all of them at the first, which is to report first."""
        with suppress(RuntimeError):
            distributed.barrier()
        raise SystemExit(1)

    # -- the data

    def batches(self, examples: Examples, size: int, order: Array, start: int = 0) -> Iterator[RankBatch]:
        """Yield this rank's share of each batch of `size` examples in this order of rows, from number `start` on."""
        shares = [self.share(order[begin : begin + size]) for begin in range(start * size, len(order), size)]
        read = examples.batches_of(share.rows for share in shares)
        for batch, share in zip(read, shares, strict=True):
            yield RankBatch(batch, self, share.is_counted, share.largest, share.size)

    def share(self, rows: Array) -> RankShare:
        """Return this rank's share of the rows of a batch: a run of them. One that has none takes the last row, which
        does not count, since all ranks have to run the module."""
        ends = [len(rows) * number // self.count for number in (self.number, self.number + 1)]
        mine, largest = rows[ends[0] : ends[1]], -(-len(rows) // self.count)
        return RankShare(mine if len(mine) else rows[-1:], len(mine) > 0, largest, len(rows))


@dataclass(frozen=True)
class RankShare:
    """The rows that a rank has of a batch: whether they count, the most that any rank has of it, and its size."""

    rows: Array
    is_counted: bool
    largest: int
    size: int


@dataclass(frozen=True)
class RankBatch:
    """What a rank has of a batch: whether it counts, the most examples that any rank has of it, and its size."""

    batch: Batch
    ranks: Ranks
    is_counted: bool
    largest: int
    size: int

    @staticmethod
    def alone(feeds: Mapping[str, Array]) -> RankBatch:
        """Return a whole batch of one process."""
        size = min(len(array) for array in feeds.values())
        return RankBatch(Batch(feeds, np.arange(size)), ALONE, True, size, size)


ALONE = Ranks()


@contextmanager
def join_ranks() -> Iterator[Ranks]:
    """Yield the ranks that torchrun has started, connected by gloo; or this process alone.

    A group of processes that exists already is taken as it is. Raises SpecError L225 in the block if a rank is lost.
    """
    ranks = _ranks_of_environment(os.environ)
    if ranks.count == 1 or distributed.is_initialized():
        yield ranks
        return

    try:
        _connect()
        yield ranks
    except RuntimeError as error:
        if "gloo" not in str(error).lower():
            raise
        hint = "its own message says why; `torchrun --max-restarts 3` starts all of them again from the last checkpoint"
        message = f"rank {ranks.number} of {ranks.count} has lost another one"
        raise SpecError(Diagnostic("L225", message, hint=hint)) from None
    distributed.destroy_process_group()  # after an error the process ends with it: others may be waiting for this rank


def _connect() -> None:
    """Connect the ranks. Those of a restart keep clear of the addresses that lost ones left in torchrun's store."""
    from torch.distributed.rendezvous import rendezvous

    store, number, count = next(rendezvous("env://"))
    attempt = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
    own = distributed.PrefixStore(f"attempt_{attempt}", store)  # type: ignore[attr-defined]  # documented, not exported
    distributed.init_process_group("gloo", store=own, rank=number, world_size=count)


def _ranks_of_environment(variables: Mapping[str, str]) -> Ranks:
    """Return what torchrun tells this process. Without an id for the launch, the agent that started it is its name."""
    if "WORLD_SIZE" not in variables:
        return ALONE
    name = variables.get("TORCHELASTIC_RUN_ID", "none")
    launch = f"{name} {os.getppid()} {socket.gethostname()}" if name == "none" else name
    is_restarted = variables.get("TORCHELASTIC_RESTART_COUNT", "0") != "0"
    return Ranks(int(variables["RANK"]), int(variables["WORLD_SIZE"]), launch, is_restarted)


def is_restart(ranks: Ranks, launch: Path) -> bool:
    """Return whether torchrun has started the ranks again, after they had begun this run and no other."""
    return ranks.is_restarted and launch.is_file() and launch.read_text(encoding="utf-8") == ranks.launch


def whole(tensor: Tensor) -> Tensor:
    """Return a tensor that FSDP2 may have shared among the ranks, whole, on every rank."""
    if distributed.is_available() and isinstance(tensor, distributed.tensor.DTensor):
        return tensor.full_tensor()
    return tensor


def placed_as(tensor: Tensor, like: Tensor) -> Tensor:
    """Return a whole tensor shared among the ranks as another is."""
    if distributed.is_available() and isinstance(like, distributed.tensor.DTensor):
        return distributed.tensor.distribute_tensor(tensor, like.device_mesh, like.placements)
    return tensor
