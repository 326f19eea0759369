"""A lock has everything that was resolved: parsed again, it is the same program, with the spans of the first spec."""

from __future__ import annotations

import dataclasses
from itertools import groupby
from pathlib import Path

import pytest

from stackc.artifact.lock import write_lock
from stackc.core.diagnostics import Span
from stackc.frontend import Checked, check_source, check_spec
from stackc.ir.program import Call
from stackc.spec.source import Source
from stackc.weights.rules import read_rules
from stackc.weights.tensor_expressions.tree import TensorExpression

SPECS = Path(__file__).parents[2] / "specs"
EVERYTHING = """\
stackc: 1
name: everything
dims: {h: {min: 16, max: 64, multiple_of: 16}}
inputs:
  x: {shape: [batch, h, 8]}
  ids: {dtype: int64, shape: [batch, h], below: 100}
  keep: {dtype: bool, shape: [batch, h]}
graph: |
  x --> s[stack] --> y[add]
  ids --> e[embedding] --> y
  x --> a[linear] --> b[linear] --> again --> y
  s -->|0.inner:x| y
  keep -->|mask| s
  x --> c[reshape] --> d[conv2d] --> e2[permute]
nodes:
  s: {of: [layer-norm, layer-norm], repeat: 2, with: {heads: "2**(index % 2)"}, norm: rms_norm, norm_every: 2}
  e: {vocab: 100, dim: 8}
  a: {out: 8, reparam: {weight: {standardize: {axes: [1], eps: 1e-4}}}}
  b: {out: 8, tie: {bias: a.bias}}
  again: {same_as: b}
  c: {shape: [0, 2, -1, 4 * 2]}
  d: {out: 3, kernel: [3, 2**1], stride: [2, 1], padding: [3 // 2, 0]}
  e2: {order: [0, -2, 3, 1]}
blocks:
  layer-norm:
    params: {heads: 1}
    inputs: [x, mask?]
    graph: |
      x --> inner[attention] --> y[gelu]
      mask -->|mask| inner
    nodes: {inner: {heads: heads, causal: true}, y: {approximate: tanh}}
outputs: {out: y, tap: s.2.inner, image: e2}
"""


INPUTS = "stackc: 1\nname: passed\ninputs: {x: {shape: [batch, 8]}, z: {shape: [batch]}}\n"
PASS = "blocks: {pass: {inputs: [x], graph: x, outputs: {y: x}}}\n"
TWO = "blocks: {two: {inputs: [x], graph: 'c[constant]', nodes: {c: {value: [1.5]}}, outputs: {y: x, one: c}}}\n"
WITHOUT_ARROWS = {
    name: f"{INPUTS}graph: |\n  {graph}\n  z\n{rest}"
    for name, graph, rest in (
        ("inputs", "x", "outputs: {a: x, b: z, again: x}\n"),
        ("a block", "x --> b[pass]", f"outputs: {{b: b, c: z}}\n{PASS}"),
        ("a stack", "x --> b[stack]", f"nodes: {{b: {{of: pass, repeat: 2}}}}\noutputs: {{b: b, c: z}}\n{PASS}"),
        ("a constant", "x\n  k[constant]", "nodes: {k: {value: [1.5, 2.5]}}\noutputs: {k: k, a: x, b: z}\n"),
        ("a constant in a block", "x --> b[two]", f"outputs: {{b: b, one: b.one, c: z}}\n{TWO}"),
    )
}
"""Specs of which a drawing, that of the spec or of a block, has nothing that is computed from an input."""


def placeless(checked: Checked) -> list[tuple[Call, str]]:
    return [(dataclasses.replace(call, span=Span("", 0)), str(call.span)) for call in checked.program.calls]


def reads(checked: Checked) -> dict[str, list[TensorExpression]]:
    """Return what each parameter in the map of the weights is read from, each alternative."""
    found: dict[str, list[TensorExpression]] = {}
    rules, params = read_rules(checked.document.weights), checked.graph.params
    for _, alternatives in groupby(rules, key=lambda rule: rule.key):
        texts = list(alternatives)
        for name in checked.program.tensors():
            if name not in found and texts[0].pattern.fullmatch(name):
                found[name] = [expression for rule in texts if (expression := rule.apply(name, params))]
    return found


@pytest.mark.parametrize("name", [*sorted(path.name for path in SPECS.iterdir()), "everything"])
def test_a_lock_read_again_is_the_same_program(name: str) -> None:
    checked = check_source(Source("e.yaml", EVERYTHING)) if name == "everything" else check_spec(SPECS / name)
    text = write_lock(checked)
    again = check_source(Source("elsewhere.lock.yaml", text))
    assert placeless(again) == placeless(checked)
    assert again.program.outputs == checked.program.outputs
    assert again.program.contract == checked.program.contract
    assert dict(again.ranges) == dict(checked.ranges)
    assert reads(again) == reads(checked)
    assert write_lock(again) == text


def test_inputs_of_half_precision_are_cast_once() -> None:
    inputs = "{x: {shape: [batch, 8], dtype: float16}, x_float32: {shape: [batch, 8], dtype: bfloat16}}"
    text = f"stackc: 1\nname: halves\ninputs: {inputs}\ngraph: |\n  x --> y[add]\n  x_float32 --> y\n"
    checked = check_source(Source("e.yaml", text + "outputs: {y: y, entered: x}\n"))
    lock = write_lock(checked)
    again = check_source(Source("elsewhere.lock.yaml", lock))
    assert [call.component.op for call in checked.program.calls] == ["cast", "cast", "add"]
    assert placeless(again) == placeless(checked)
    assert again.program.outputs == checked.program.outputs
    assert write_lock(again) == lock


@pytest.mark.parametrize("name", WITHOUT_ARROWS)
def test_a_graph_without_arrows_can_be_read_again(name: str) -> None:
    checked = check_source(Source("e.yaml", WITHOUT_ARROWS[name]))
    again = check_source(Source("elsewhere.lock.yaml", write_lock(checked)))
    assert placeless(again) == placeless(checked)
    assert again.program.outputs == checked.program.outputs
