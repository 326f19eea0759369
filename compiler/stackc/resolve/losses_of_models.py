"""Losses and metrics outside of `train:`. Nothing about training is loaded for it: most specs have none."""

from __future__ import annotations

from stackc.components.base import Component
from stackc.core.diagnostics import Collector
from stackc.ir.model import Graph, Region


def refuse_losses(graph: Graph) -> None:
    """Raise SpecError L101 for each loss or metric in the model itself."""
    diagnostics, seen = Collector(), set[Region]()

    def visit(region: Region) -> None:
        seen.add(region)
        for node in region.nodes.values():
            if isinstance(node.body, Region) and node.body not in seen:
                visit(node.body)
            elif isinstance(node.body, Component) and node.body.is_for_training:
                message = f"'{node.id}' ({node.op}) is for training, and cannot be a part of the model"
                diagnostics.error("L101", message, node.span, "draw it in the graph under train, beside the model")

    visit(graph.root)
    diagnostics.raise_if_any()
