"""What `stackc plan --train` prints: the memory of a rank, the largest batch, the command that starts the ranks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING

from stackc.cli.screen import echo, echo_json, style
from stackc.cli.table import print_table
from stackc.view.figures import bytes_text

if TYPE_CHECKING:
    from stackc.training.train_plan import TrainPlan


def print_train_plan(plan: TrainPlan, memory_text: str | None, *, as_json: bool) -> None:
    """Print a plan; `memory_text` is the memory as the user wrote it."""
    if as_json:
        echo_json(asdict(plan))
        return

    memory = memory_text or f"{bytes_text(plan.memory)}, what this machine has for a rank,"
    sizes = "".join(f", {name} {size:,}" for name, size in plan.sizes.items())
    of_rank = f" of {plan.ranks.count:,} ranks, {plan.batch_of_rank:,} on each" if plan.ranks.count > 1 else ""
    print_table([f"{plan.name}: batch {plan.batch:,}{of_rank}{sizes}", "memory of a rank"], list(_rows(plan)))
    if plan.largest_batch is not None:
        fits = f"batch up to {plan.largest_batch:,} fits" if plan.largest_batch else "no batch fits"
        echo(f"in {memory} {fits}")
    if plan.ranks.count > plan.batch:
        echo(style("warning:", fg="yellow"), f" {plan.ranks.count - plan.batch:,} ranks have no example of a batch")
    if plan.ranks.count > 1:
        echo(f"sent and received by a rank each step: {bytes_text(plan.sent)}")
    echo(f"start: {plan.command}")


def _rows(plan: TrainPlan) -> Iterator[list[str]]:
    """Yield what memory is needed for, with its bytes."""
    rank, sharded = plan.rank, ", sharded" * plan.shard
    yield [f"weights{sharded}", bytes_text(rank.weights)]
    yield [f"gradients{sharded}", bytes_text(rank.gradients)]
    yield [f"state of {plan.optimizer}{sharded}", bytes_text(rank.state)]
    if rank.average:
        yield [f"average of weights{sharded}", bytes_text(rank.average)]
    yield ["activations kept for the backward pass", bytes_text(rank.saved)]
    yield ["peak, with what a step needs for a moment", bytes_text(rank.peak)]
