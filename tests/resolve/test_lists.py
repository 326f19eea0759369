"""Lists as params, entries of them, choices in expressions, and fields that are sizes of what enters."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from stackc.artifact.lock import write_lock
from stackc.components.base import Component
from stackc.core.diagnostics import SpecError
from stackc.frontend import Checked, Overrides, check_source
from stackc.pipeline import Options, build
from stackc.spec.source import Source
from stackc.torch_backend.torch_file import write_torch

SPEC = """\
stackc: 1
name: lists
dims: {batch: {max: 4}, length: {min: 8, max: 64}}
params:
  rates: [1, 2, 5]
  kinds: [relu, gelu]
  kernel: {default: [3], type: list}
  smooth: true
inputs: {x: {shape: [batch, 6, length]}}
graph: x --> dilated[stack] --> act --> y[conv1d]
nodes:
  dilated: {of: depthwise, repeat: len(rates), with: {rate: "rates[index]"}}
  act: {op: "${kinds[1 if smooth else 0]}"}
  y: {out: 2 * channels(x), kernel: kernel, padding: 0 if len(rates) > 2 else 1}
blocks:
  depthwise:
    params: {rate: int}
    inputs: [x]
    graph: x --> conv[conv1d]
    nodes: {conv: {out: channels(x), groups: channels(x) // 2, kernel: 3, padding: same, dilation: rate}}
"""


def checked(text: str = SPEC, **params: str) -> Checked:
    return check_source(Source("spec.yaml", text), Overrides(params))


def component(path: str, text: str = SPEC, **params: str) -> Any:
    (found,) = (call.component for call in checked(text, **params).program.calls if call.path == path)
    assert isinstance(found, Component)
    return found


def refused(text: str, **params: str) -> list[tuple[str, str]]:
    with pytest.raises(SpecError) as caught:
        checked(text, **params)
    return [(each.code, each.message) for each in caught.value.diagnostics]


def test_entries_go_where_numbers_and_texts_do() -> None:
    assert [component(f"dilated.{i}.conv").dilation for i in range(3)] == [1, 2, 5]
    assert type(component("act")).op == "gelu"
    assert type(component("act", smooth="false")).op == "relu"
    assert component("y").kernel == (3,)
    assert (component("y").padding, component("y", rates="[4]").padding) == (0, 1)


def test_a_list_is_set_from_outside() -> None:
    assert component("dilated.1.conv", rates="[2, 4]").dilation == 4
    assert refused(SPEC, rates="3") == [("N310", "the spec: rates must be a list, but is a whole number")]


def test_lists_of_lists() -> None:
    text = SPEC.replace("rates: [1, 2, 5]", "rates: [[1, 7], [2, 8]]").replace("rates[index]", "rates[index][-1]")
    assert [component(f"dilated.{i}.conv", text).dilation for i in range(2)] == [7, 8]


def test_sizes_of_what_enters() -> None:
    conv, y = component("dilated.0.conv"), component("y")
    assert (conv.out, conv.groups, y.out) == (6, 3, 12)
    wider = SPEC.replace("[batch, 6, length]", "[batch, 10, length]")
    assert (component("dilated.2.conv", wider).groups, component("y", wider).out) == (5, 20)


def test_sizes_with_dims_of_what_enters() -> None:
    text = """\
stackc: 1
inputs: {x: {shape: [batch, seq, 8]}}
dims: {seq: {min: 2}}
graph: x --> y[slice]
nodes: {y: {axis: 1, size: "size(x, 1) - 1"}}
"""
    assert str(checked(text).program.types["y"]) == "float32[batch, seq - 1, 8]"


HEADS = """\
stackc: 1
inputs: {x: {shape: [batch, 12, height, width]}}
graph: |
  x --> heads[reshape] --> rows[flatten] --> image[reshape]
  x -->|like| image
nodes:
  heads: {shape: [0, 3, "channels(x) // 3", "size(x, 2)", "size(x, 3)"]}
  rows: {start: 1}
  image: {shape: [0, "channels(like)", "size(like, 2)", "size(like, 3)"]}
"""


def test_sizes_of_what_enters_among_the_entries_of_a_list() -> None:
    program = checked(HEADS).program
    assert str(program.types["heads"]) == "float32[batch, 3, 4, height, width]"
    assert str(program.types["image"]) == "float32[batch, 12, height, width]"
    again = check_source(Source("spec.lock.yaml", write_lock(checked(HEADS)))).program
    assert [call.component for call in again.calls] == [call.component for call in program.calls]


def test_error_an_entry_of_a_list_that_the_field_refuses() -> None:
    (problem,) = refused(HEADS.replace("channels(x) // 3", "channels(x) - 14"))
    wanted = "shape[2] must be at least -1, but is -2 ([0, 3, channels(x) - 14, size(x, 2), size(x, 3)])"
    assert problem == ("T201", f"'heads' (reshape): {wanted}")


def test_error_a_mapping_knows_no_sizes_of_what_enters() -> None:
    text = "stackc: 1\ninputs: {x: {shape: [batch, seq, 8]}}\ngraph: x --> y[attention]\n"
    text += "nodes: {y: {heads: 2, rotary: halves, rope_scaling: {rope_type: linear, factor: features(x)}}}\n"
    ((code, message),) = refused(text)
    assert code == "X003"
    assert message.startswith("'features(x)' has no value: ")


def test_the_lock_keeps_them() -> None:
    before = checked()
    after = check_source(Source("spec.lock.yaml", write_lock(before)))
    assert [(c.path, c.component) for c in after.program.calls] == [(c.path, c.component) for c in before.program.calls]


def test_the_printed_module_has_numbers() -> None:
    source = write_torch(checked().typed)
    assert "groups=3" in source
    assert "channels(" not in source


@pytest.mark.slow
def test_the_model_is_proven(tmp_path: Path) -> None:
    (tmp_path / "lists.yaml").write_text(SPEC, encoding="utf-8")
    parity = build(tmp_path / "lists.yaml", Options(out=tmp_path, measure=False)).parity
    assert parity is not None
    assert not parity.failures


@pytest.mark.parametrize(
    ("old", "new", "code", "message"),
    [
        ("rates[index]", "rates[index + 1]", "X003",
         "'rates[index + 1]' has no value: the list has 3 entries, numbered from 0, and none is number 3"),
        ("rates[index]", "rates[0.5]", "X003",
         "'rates[0.5]' has no value: the entries of a list are numbered, and 0.5 is no whole number"),
        ("rates[index]", "smooth[index]", "X003", "'smooth[index]' has no value: only a list has entries"),
        ("rates[index]", "2 * rates", "X003",
         "'2 * rates' has no value: a list cannot be used in arithmetic: write one of its entries, as in `rates[0]`"),
        ("len(rates),", "len(smooth),", "X003", "'len(smooth)' has no value: only a list has a length"),
        ("1 if smooth", "1 if length", "X003",
         "'kinds[1 if length else 0]' has no value: the size of length is known only at run time"),
        ("2 * channels(x)", "2 * channels(z)", "X003",
         "'2 * channels(z)' has no value: 'z' is not a port of it: x"),
        ("2 * channels(x)", "size(x)", "X003",
         "'size(x)' has no value: write for example `channels(x)`, `features(x)` or `size(x, 2)`, where x is a port"),
        ("2 * channels(x)", '"size(x, 3)"', "T201",
         "'y' (conv1d): axis 3 is out of range for float32[batch, 6, length], which has 3 axes"),
        ("2 * channels(x)", '"size(x, 2)"', "T201",
         "'y' (conv1d): out must be a whole number, but is 'length', known only at run time (size(x, 2))"),
        ("2 * channels(x)", "channels(x) - 6", "T201",
         "'y' (conv1d): out must be at least 1, but is 0 (channels(x) - 6)"),
        ('rate: "rates[index]"', "rate: channels(x)", "X003",
         "'channels(x)' has no value: channels is the size of what enters a component, which fields of components "
         "alone know"),
        ("[1, 2, 5]", "[1, {a: 2}]", "S005",
         "params.rates must be a number, text, true, false, a list of these, or a mapping with its type, "
         "but is a list"),
    ],
)  # fmt: skip
def test_error(old: str, new: str, code: str, message: str) -> None:
    assert (code, message) in refused(SPEC.replace(old, new))


def test_bounds_are_expressions_and_exclude_what_is_below_them() -> None:
    text = """\
stackc: 1
dims: {seq: {min: 2, below: 2*most + 1}}
params: {most: {default: 8, below: 100}, heads: {default: 4, min: 1, max: most}}
inputs: {x: {shape: [batch, seq, most]}}
graph: x --> y[attention]
nodes: {y: {heads: heads}}
"""
    assert str(checked(text).graph.contract["seq"]) == "from 2 up to 16"
    assert checked(text, heads="8").graph.params["heads"] == 8
    assert refused(text, heads="9") == [("N310", "the spec: heads must be at most 8, but is 9")]
    assert refused(text, most="100") == [("N310", "the spec: most must be below 100, but is 100")]
    assert refused(text.replace("min: 2, below", "max: 9, below")) == [("S005", "dims.seq has both `max` and `below`")]
    assert refused(text.replace("max: most", "max: seq")) == [
        ("S005", "max of the param 'heads' must be a number, but 'seq' is known only at run time")
    ]


@pytest.mark.parametrize("outputs", ["{y: 22}", "[22]", "22", "{y: {of: 22}}"])
def test_a_node_may_be_numbered(outputs: str) -> None:
    text = f"""\
stackc: 1
inputs: {{x: {{shape: [batch, 8], to: 21}}}}
graph: 21[relu] --> 22[linear] --> 23[again]
nodes: {{22: {{out: 8}}, 23: {{same_as: 22}}}}
outputs: {outputs}
"""
    text = text.replace(" --> 23[again]", "").replace(", 23: {same_as: 22}", "")
    assert list(checked(text).program.outputs.values()) == ["22"]
