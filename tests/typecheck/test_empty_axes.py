"""Axes that may be empty: one message for all that the same contract fills, with the places where it is and is not."""

from __future__ import annotations

from functools import reduce

import pytest

from stackc.core.diagnostics import Diagnostic, SpecError
from stackc.frontend import check_source
from stackc.spec.source import Source

SEVERAL = """\
stackc: 1
dims:
  past:
    multiple_of: 2
    min: 0
MORE
inputs:
  INPUTS
graph: |
  GRAPH
nodes: {NODES}
outputs: [OUTPUTS]
"""
INPUTS = {"x": "[batch, past, 8]", "y": "[batch, more, 8]", "z": "[past*seq, 8]"}


def problems(drawn: dict[str, str]) -> tuple[Diagnostic, ...]:
    """Check means of inputs, of all three or of `x` alone: the drawing has a line for each, node → what it reads."""
    graph = "\n  ".join(f"{source} --> {id}[reduce_mean]" for id, source in drawn.items())
    axes = ", ".join(f"{id}: {{axis: {0 if source == 'z' else 1}}}" for id, source in drawn.items())
    inputs = "\n  ".join(f"{name}: {{shape: {INPUTS[name]}}}" for name in dict.fromkeys(drawn.values()))
    more = "  more: {min: 0}\n  seq: {min: 3}\n" if len(set(drawn.values())) == len(INPUTS) else ""
    parts = {"MORE\n": more, "INPUTS": inputs, "GRAPH": graph, "NODES": axes, "OUTPUTS": ", ".join(drawn)}
    text = reduce(lambda text, part: text.replace(*part), parts.items(), SEVERAL)
    with pytest.raises(SpecError) as caught:
        check_source(Source("spec.yaml", text))
    return caught.value.diagnostics


def test_what_the_same_contract_fills_is_one_message() -> None:
    """Means over `past` and `past*seq` are filled by one minimum, that over `more` by another."""
    past, more = problems({"a": "x", "b": "y", "c": "z"})
    assert past.span is not None
    assert (past.span.line, past.message.partition(":")[0]) == (13, "'a' (reduce_mean)")
    assert [(note.message, note.span.line) for note in past.notes] == [
        ("the contract of past", 5),
        ("'c' (reduce_mean): axis 0 of x needs one too", 15),
    ]
    assert past.hint is not None
    assert past.hint.startswith("declare `past: {min: 1, multiple_of: 2}` under `dims:`")
    assert more.message == "'b' (reduce_mean): axis 1 of x needs an entry, but more may be 0"
    assert [(note.message, note.span.line) for note in more.notes] == [("the contract of more", 6)]


@pytest.mark.parametrize(("count", "left"), [(4, ""), (5, ", as does 1 other"), (9, ", as do 5 others")])
def test_of_many_some_are_named(count: int, left: str) -> None:
    (error,) = problems({f"mean{number}": "x" for number in range(count)})
    assert [note.message for note in error.notes[1:]] == [
        "'mean1' (reduce_mean): axis 1 of x needs one too",
        "'mean2' (reduce_mean): axis 1 of x needs one too",
        f"'mean3' (reduce_mean): axis 1 of x needs one too{left}",
    ]
