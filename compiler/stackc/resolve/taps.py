"""Taps: paths into blocks and stacks (`encoder.3.attn`) whose values are used outside of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

from stackc.core.diagnostics import Span
from stackc.ir.model import Node, Region, ValueRef
from stackc.resolve.operators import Operator, outputs_of
from stackc.resolve.wiring import Feed
from stackc.spec.document import OutputDecl

Taps: TypeAlias = Mapping[str, Span]
"""Paths, each with the place of its first use."""


def wanted_taps(
    operators: Mapping[str, Operator],
    owners: Mapping[str, str],
    feeds: Mapping[str, Sequence[Feed]],
    outputs: Iterable[OutputDecl],
) -> dict[str, Taps]:
    """Return the paths inside each node that feeds or outputs use, besides the node's own outputs.

    `owners` maps a node that calls another node's module again to that node: both need the same taps.
    """
    uses = [(feed.source, feed.out, feed.span) for feeds_of in feeds.values() for feed in feeds_of if feed.out]
    for output in outputs:
        head, dot, rest = output.source.partition(".")
        uses += [(head, rest, output.span)] if dot else []

    wanted: dict[str, dict[str, Span]] = {}
    for name, path, span in uses:
        if name in operators and path not in outputs_of(operators[name]):
            wanted.setdefault(owners.get(name, name), {}).setdefault(path, span)
    return {name: wanted.get(owners.get(name, name), {}) for name in operators}


def asked_outputs(
    owners: Mapping[str, str], feeds: Mapping[str, Sequence[Feed]], outputs: Iterable[OutputDecl]
) -> dict[str, set[str]]:
    """Return the outputs that feeds and outputs of the drawing name, by the node whose module computes them."""
    uses = [(feed.source, feed.out) for feeds_of in feeds.values() for feed in feeds_of if feed.out]
    uses += [(head, rest) for head, dot, rest in (output.source.partition(".") for output in outputs) if dot]
    asked: dict[str, set[str]] = {}
    for name, out in uses:
        asked.setdefault(owners.get(name, name), set()).add(out)
    return asked


def inner_taps(taps: Taps) -> dict[str, dict[str, Span]]:
    """Group taps by the node that they enter: 3.attn → {3: {attn}}, 3 → {3: {}}."""
    inside: dict[str, dict[str, Span]] = {}
    for tap, span in taps.items():
        head, dot, rest = tap.partition(".")
        inner = inside.setdefault(head, {})
        if dot:
            inner.setdefault(rest, span)
    return inside


def tapped(path: str, nodes: Mapping[str, Node]) -> ValueRef:
    """Return the value at a path: an output of a node, or a tap that the node's region was built with."""
    name, dot, out = path.partition(".")
    if not dot:
        return ValueRef(name)
    body = nodes[name].body
    return ValueRef(name, body.numbers[out] if isinstance(body, Region) else body.outputs.index(out))
