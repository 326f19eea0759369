"""The ranks of a training, as data: how many processes train together, and what is asked of a plan for them."""

from __future__ import annotations

import re
from dataclasses import dataclass

_MOST_PER_MACHINE = 8


@dataclass(frozen=True, slots=True)
class RankGrid:
    """The processes that train together: so many on each of so many machines."""

    machines: int = 1
    per_machine: int = 1

    @property
    def count(self) -> int:
        """The number of all processes."""
        return self.machines * self.per_machine


@dataclass(frozen=True, slots=True)
class TrainPlanOptions:
    """Settings of a plan: `None` is what the spec says, for `memory` what this machine has."""

    ranks: RankGrid = RankGrid()
    shard: bool = False
    optimizer: str | None = None
    batch: int | None = None
    memory: int | None = None


def ranks_of(text: str) -> RankGrid:
    """Return the ranks of `1000`, or of `125x8`: machines and ranks on each. Raises ValueError.

    Without machines, each has as many as divide the ranks, up to 8.
    """
    match = re.fullmatch(r"([1-9]\d*)(?:x([1-9]\d*))?", text.strip())
    if match is None:
        raise ValueError(f"'{text}' is neither a number of ranks nor machines times ranks on each, as 125x8")
    first = int(match[1])
    if match[2]:
        return RankGrid(first, int(match[2]))
    per_machine = max(number for number in range(1, _MOST_PER_MACHINE + 1) if first % number == 0)
    return RankGrid(first // per_machine, per_machine)


def launch_command(spec: str, ranks: RankGrid, *, shard: bool) -> str:
    """Return the command that starts the ranks: for several machines, once on each, with one of them as the HOST."""
    train = f"stackc train {spec}{' --shard' * shard}"
    if ranks.count == 1:
        return train
    if ranks.machines == 1:
        flags = f"--nproc-per-node {ranks.per_machine}"
    else:
        flags = f"--nnodes {ranks.machines} --nproc-per-node {ranks.per_machine} --rdzv-backend c10d"
        flags += " --rdzv-endpoint HOST:29400"
    return f"torchrun {flags} --max-restarts 3 -m {train}"
