"""What joins the members of a stack: a difference is told of the stack, in the words of its fields."""

from __future__ import annotations

import pytest
from tests.analysis.diff.base import edited, growth, typed

from stackc.analysis.diff.changes import Change
from stackc.analysis.diff.comparison import compare
from stackc.ir.typed import TypedGraph


def stack(mode: str, rest: str = "") -> TypedGraph:
    return edited(("repeat: 12", f"repeat: 3, mode: {mode}{rest}"))


@pytest.mark.parametrize(
    ("before", "after", "detail", "parameters"),
    [
        ("series", "sum", "mode: series → sum", 0),
        ("sum", "mean", "mode: sum → mean", 0),
        ("mean", "weighted", "mode: mean → weighted", 4),  # one each, and a scale
        ("gated", "series", "mode: gated → series", -3 * 65),
        ("series", "series, collect: sum", "collect: none → sum", 0),
        ("series, collect: sum", "series, collect: mean", "collect: sum → mean", 0),
    ],
)
def test_another_mode_is_told_of_the_stack(before: str, after: str, detail: str, parameters: int) -> None:
    difference = compare(stack(before), stack(after))
    (change,) = difference.changes
    assert change == Change("changed", "s", "s", "stack", (detail,), 1, parameters)
    assert growth(difference) == parameters


def test_a_dense_stack_is_told() -> None:
    text = """\
stackc: 1
name: test
inputs: {x: {shape: [batch, 8]}}
graph: x --> s[stack]
nodes: {s: {of: {op: linear, out: 8}, repeat: 3}}
"""

    def stacked(fields: str) -> TypedGraph:
        return typed(text.replace("repeat: 3", f"repeat: 3, {fields}"))

    dense = compare(typed(text), stacked("mode: dense"))
    mode = next(change for change in dense.changes if change.path == "s" and change.op == "stack")
    assert (mode.kind, mode.details) == ("changed", ("mode: series → dense",))
    assert growth(dense) == 8 * (8 + 2 * 8)


@pytest.mark.parametrize(
    ("before", "after", "details", "parameters"),
    [
        ("gated", "gated, top_k: 1", ("top_k: none → 1",), 0),
        ("gated, top_k: 1", "gated, top_k: 2", ("top_k: 1 → 2",), 0),
        ("gated, top_k: 1", "gated, top_k: 1, renormalize: false", ("renormalize: true → false",), 0),
        ("gated", "gated, gate_bias: false", ("gate_bias: true → false",), -3),
        ("gated, top_k: 1", "gated, top_k: 1, gate_bias: false", ("gate_bias: true → false",), -3),
        ("sum", "gated, top_k: 1, gate_bias: false", ("mode: sum → gated", "top_k: none → 1"), 3 * 64),
    ],
)
def test_another_gate_is_told_of_the_stack(before: str, after: str, details: tuple[str, ...], parameters: int) -> None:
    difference = compare(stack(before), stack(after))
    assert difference.changes == (Change("changed", "s", "s", "stack", details, 1, parameters),)
    assert growth(difference) == parameters


@pytest.mark.parametrize("mode", ["gated", "gated, top_k: 1", "weighted"])
def test_a_gate_grows_with_the_members(mode: str) -> None:
    difference = compare(stack(mode), edited(("repeat: 12", f"repeat: 5, mode: {mode}")))
    changed, added = difference.changes
    assert (changed.kind, changed.path) == ("changed", "s")
    assert (added.kind, added.path, added.repeat) == ("added", "s.3", 2)
    assert changed.parameters + added.parameters == growth(difference)
