"""Taps: paths into blocks and stacks (`encoder.3.attn`) that somebody outside takes as a value."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

from stackc.core.diagnostics import Span
from stackc.ir.model import Node, Region, ValueRef
from stackc.resolve.operators import Operator, outputs_of
from stackc.resolve.wiring import Feed
from stackc.spec.document import OutputDecl

Taps: TypeAlias = Mapping[str, Span]
"""Paths, each with the place that asks for it first."""


def wanted_taps(
    operators: Mapping[str, Operator],
    owners: Mapping[str, str],
    feeds: Mapping[str, Sequence[Feed]],
    outputs: Iterable[OutputDecl],
) -> dict[str, Taps]:
    """Paths inside of each node that somebody takes, beside the outputs it has by itself.

    `owners` leads from a node that is another one called again to that one: both have the same outputs.
    """
    asked = [(feed.source, feed.out, feed.span) for feeds_of in feeds.values() for feed in feeds_of if feed.out]
    for output in outputs:
        head, dot, rest = output.source.partition(".")
        asked += [(head, rest, output.span)] if dot else []
    wanted: dict[str, dict[str, Span]] = {}
    for name, path, span in asked:
        if name in operators and path not in outputs_of(operators[name]):
            wanted.setdefault(owners.get(name, name), {}).setdefault(path, span)
    return {name: wanted.get(owners.get(name, name), {}) for name in operators}


def inner_taps(taps: Taps) -> dict[str, dict[str, Span]]:
    """Taps by the node they go into: 3.attn → {3: {attn}}, 3 → {3: {}}."""
    inside: dict[str, dict[str, Span]] = {}
    for tap, span in taps.items():
        head, dot, rest = tap.partition(".")
        inner = inside.setdefault(head, {})
        if dot:
            inner.setdefault(rest, span)
    return inside


def tapped(path: str, nodes: Mapping[str, Node]) -> ValueRef:
    """The output of a node that the rest of the path names: one of its own, or a tap that its region was built with."""
    name, dot, out = path.partition(".")
    if not dot:
        return ValueRef(name)
    body = nodes[name].body
    return ValueRef(name, body.numbers[out] if isinstance(body, Region) else body.outputs.index(out))
