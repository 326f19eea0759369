"""A legal spec, and changes to its values that each break one rule."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

import pytest

from stackc.core.types import Dim, TensorType
from stackc.ir.model import Graph, Operand
from stackc.ir.violations import IRError

T = TypeVar("T")

LEGAL = """\
stackc: 1
name: legal
dims: {seq: {max: 64, multiple_of: 4}}
inputs: {x: {shape: [batch, seq, 4]}, y: {shape: [batch, seq, 4]}}
graph: |
  x --> first[block] --> score[matmul]
  y --> again --> one[linear] -->|other| score
  again --> two --> norm[batch_norm]
  score --> part[slice]
nodes:
  again: {same_as: first}
  one:   {out: 4, reparam: {bias: minmax}}
  two:   {op: linear, out: 4, bias: false, tie: {weight: first.lin.weight}}
  score: {transposed: true}
  norm:  {axis: -1}
  part:  {start: 0, size: seq}
blocks:
  block: {inputs: [x], graph: "x --> lin[linear] --> relu", nodes: {lin: {out: 4}}}
outputs: [part, norm]
"""
ODD = TensorType("float32", (Dim.of(5),))


@dataclass(frozen=True)
class Mutation(Generic[T]):
    """A change that breaks one rule, and a part of the message that says so."""

    rule: str
    message: str
    apply: Callable[[T], T]


def ids(mutations: Iterable[Mutation[Any]]) -> list[str]:
    return [f"{mutation.rule}: {mutation.message}" for mutation in mutations]


def without(mapping: Mapping[str, T], name: str) -> dict[str, T]:
    return {key: value for key, value in mapping.items() if key != name}


def assert_refused(verify: Callable[[T], None], mutation: Mutation[T], value: T) -> None:
    verify(value)
    with pytest.raises(IRError) as caught:
        verify(mutation.apply(value))
    named = [str(violation) for rule, violation in caught.value.violations if rule == mutation.rule]
    assert named, f"refused under {[rule for rule, _ in caught.value.violations]} alone"
    assert mutation.message in str(caught.value)


def with_root(graph: Graph, **changes: Any) -> Graph:
    return replace(graph, root=replace(graph.root, **changes))


def with_node(graph: Graph, id: str, /, **changes: Any) -> Graph:
    return with_root(graph, nodes={**graph.root.nodes, id: replace(graph.root.nodes[id], **changes)})


def operand(graph: Graph, id: str, index: int = 0, **changes: Any) -> Operand:
    return replace(graph.root.nodes[id].operands[index], **changes)


def with_operand(graph: Graph, id: str, **changes: Any) -> Graph:
    """Change the first operand of a node."""
    return with_node(graph, id, operands=(operand(graph, id, **changes), *graph.root.nodes[id].operands[1:]))
