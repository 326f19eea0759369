"""Scans that cannot be: each mistake in one message, at its place, with a fix that works."""

from __future__ import annotations

import pytest

from stackc.core.diagnostics import Diagnostic, SpecError
from stackc.frontend import Checked, check_source
from stackc.spec.source import Source

SPEC = """\
stackc: 1
inputs: {x: {shape: [batch, seq, 4]}, first: {shape: [batch, 4]}}
graph: |
  x --> y[scan]
  first -->|h| y
nodes: {y: {FIELDS}}
blocks:
  cell:
    params: {out: 4}
    inputs: [x, h]
    graph: |
      x --> a[linear] --> sum[add] --> next[tanh]
      h --> sum
    nodes: {a: {out: out}}
    outputs: {y: next, h: next}
  stateless:
    inputs: [x, h]
    graph: x & h --> add
  nested:
    inputs: [x, h]
    graph: |
      x --> inner[cell]
      h -->|h| inner
    outputs: {y: inner, h: inner.h}
  tall:
    inputs: [x, h]
    graph: |
      h --> next[tanh]
      x --> mean[reduce_mean] --> low[reduce_mean]
    outputs: {y: low, h: next}
"""


def checked(fields: str, old: str = "", new: str = "") -> Checked:
    return check_source(Source("s.yaml", SPEC.replace("FIELDS", fields).replace(old, new)))


def refused(fields: str, old: str = "", new: str = "") -> Diagnostic:
    with pytest.raises(SpecError) as caught:
        checked(fields, old, new)
    (diagnostic,) = caught.value.diagnostics
    return diagnostic


def test_outputs_are_stacked_and_states_are_the_last() -> None:
    types = [str(type_) for type_ in checked("of: cell").program.calls[0].signature.outputs]
    assert types == ["float32[batch, seq, 4]", "float32[batch, 4]"]


@pytest.mark.parametrize(
    ("fields", "code", "message", "hint"),
    [
        ("axis: 1", "N311", "a scan needs the field 'of'", "for example `of: cell`"),
        ("of: gru", "N310", "a scan applies a block, but 'gru' is a component", "put it into a block"),
        ("of: cel", "N301", "no component or block is named 'cel'", "did you mean 'cell'?"),
        ("of: stateless", "N310", "has no state: no output has the name of an input", "`outputs: {y: out, h: next}`"),
        ("of: nested", "N310", "'inner' is a block or stack", "write its nodes in the block of the scan itself"),
        ("of: cell, out: 5", "N309", "'y' (scan) has no field 'out'", "`with: {out: 5}`"),
        ("of: cell, whole: x", "N310", "has no input to go along", "give it an input that has the axis"),
        ("of: cell, whole: h", "N310", "'h' is a state of the block 'cell'", ""),
        ("of: cell, whole: z", "N310", "'z' is no connected input of the block 'cell'", ""),
        ("of: cell, reverse: 2", "N310", "reverse must be true or false", ""),
        ("of: cell, axis: -1", "N310", "axis must be a whole number of at least 0, but is -1", ""),
        ("of: cell, axis: 3", "T201", "'x' is float32[batch, seq, 4], without an axis 3 to go along", "`whole: [x]`"),
        ("of: cell, with: {out: 3}", "T201", "'sum' (add) in the cell: ", ""),
        ("of: tall", "T201", "the output 'y' is float32[] at each index, which has no place for axis 1", "unsqueeze"),
    ],
)
def test_errors(fields: str, code: str, message: str, hint: str) -> None:
    diagnostic = refused(fields)
    assert diagnostic.code == code
    assert message in diagnostic.message
    assert hint in (diagnostic.hint or "")


def test_error_a_state_that_changes_its_type() -> None:
    diagnostic = refused("of: cell, with: {out: 1}", "first: {shape: [batch, 4]}", "first: {shape: [batch, 1, 4]}")
    assert diagnostic.code == "T201"
    assert "the state 'h' enters as float32[batch, 1, 4], but leaves as float32[batch, batch, 4]" in diagnostic.message


def test_error_a_choice_inside() -> None:
    diagnostic = refused("of: cell", "h --> sum", "h --> sum\n      x & h -->|branch| mix[gated_sum]\n      x --> mix")
    assert diagnostic.code == "N308"
