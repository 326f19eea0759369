"""What has to keep sizes: where branches meet again, values have equal heights and widths."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations

from stackc.authoring.figures.decisions import Decision
from stackc.ir.model import run_order
from stackc.spec.drawing import Drawing

_VECTORS = frozenset({"global_avg_pool", "global_max_pool", "mean_pool", "max_pool", "cls_pool", "flatten"})


MOST_NODES = 1000
"""Figures with more nodes are not searched for branches: the time grows with the square of their number."""


_SCALES_DOWN = frozenset({"conv2d", "max_pool2d", "avg_pool2d"})


def branch_nodes(drawing: Drawing) -> frozenset[str]:
    """Return the nodes on one side only of two branches that meet: what they do to sizes shows where they do."""
    if len(drawing.nodes) > MOST_NODES:
        return frozenset()
    sources = sources_of(drawing)
    before: dict[str, frozenset[str]] = {}
    for id in running_order(drawing):
        before[id] = frozenset({id}).union(*(before[source] for source in sources[id]))

    sides: set[str] = set()
    for entering in sources.values():
        for left, right in combinations(entering, 2):
            sides |= before[left] ^ before[right]
    return frozenset(sides)


def image_nodes(
    drawing: Drawing, inputs: Iterable[str], decided: Mapping[str, Decision], guesses: Mapping[str, Sequence[str]]
) -> frozenset[str]:
    """Return the nodes whose values have a height and a width: from inputs that are images up to what makes vectors.

    `guesses` are the ops that undecided nodes may be.
    """
    sources, spatial = sources_of(drawing), set(inputs)
    for id in running_order(drawing):
        ops = [step.op for step in decided[id].steps] if id in decided else guesses.get(id, ())
        makes_vectors = bool(ops) and (any if id in decided else all)(op in _VECTORS for op in ops)
        if not makes_vectors and any(source in spatial for source in sources[id]):
            spatial.add(id)
    return frozenset(spatial)


def downscaling(drawing: Drawing, decided: Mapping[str, Decision]) -> int | None:
    """Return by what heights and widths have to be divisible, where a figure scales down and up again; None if not."""
    sources, factors = sources_of(drawing), dict[str, int]()
    scales_up = False
    for id in running_order(drawing):
        factor = max((factors[source] for source in sources[id]), default=1)
        for step in decided[id].steps if id in decided else ():
            if step.op in ("conv_transpose2d", "upsample"):
                scales_up = True
            elif step.op in _SCALES_DOWN:
                stride = step.fields.get("stride") or (step.fields.get("kernel") if "pool" in step.op else 1)
                factor *= stride if isinstance(stride, int) else 1
        factors[id] = factor
    largest = max(factors.values(), default=1)
    return largest if scales_up and largest > 1 else None


def sources_of(drawing: Drawing) -> dict[str, list[str]]:
    """Return the sources of each node's arrows, in written order."""
    sources: dict[str, list[str]] = {id: [] for id in drawing.nodes}
    for arrow in drawing.arrows:
        sources[arrow.target].append(arrow.source)
    return sources


def running_order(drawing: Drawing) -> list[str]:
    """Return the nodes of a drawing without a cycle, each behind its sources."""
    return run_order(drawing.nodes, [(arrow.source, arrow.target) for arrow in drawing.arrows])[0]
