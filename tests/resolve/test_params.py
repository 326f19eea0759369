"""Typed params: a value is read by the type of its param, wherever it is set; and the dims contract over params."""

from __future__ import annotations

from pathlib import Path

import pytest

from stackc.components.families.linear import Linear
from stackc.core.diagnostics import SpecError, render
from stackc.core.types import DimRange
from stackc.frontend import Checked, Overrides, check_source, check_spec
from stackc.spec.source import Source

SPEC = """\
stackc: 1
dims: {{seq: {{max: 512}}}}
params: {{dim: 8, text: dim}}
inputs: {{x: {{shape: [batch, seq, dim]}}}}
graph: x --> y[wide]
nodes: {{y: {{value: {argument}}}}}
blocks:
  wide:
    params: {{value: {declared}}}
    inputs: [x]
    graph: x --> y[linear]
    nodes: {{y: {{out: "${{{out}}}"}}}}
"""


def width(declared: str, argument: str, out: str = "value") -> int:
    """Return the size that the value of the param leads to."""
    checked = check_source(Source("spec.yaml", SPEC.format(declared=declared, argument=argument, out=out)))
    (call,) = checked.program.calls
    assert isinstance(call.component, Linear)
    return call.component.out


@pytest.mark.parametrize(
    ("declared", "argument", "out", "expected"),
    [
        ("int", "4*dim", "value", 32),
        ("{type: int}", "4*dim", "value", 32),
        ("12", "4*dim", "value", 32),
        ("dim", "4*dim", "value", 32),
        ("{default: 12, min: 1}", "4*dim", "value", 32),
        ("{type: int, default: dim // 2}", '"${2*dim}"', "value", 16),
        ("int", "16.0", "value", 16),
        ("{choices: [8, 32]}", "4*dim", "value", 32),
        ("float", "dim / 16", "ceil(value)", 1),
        ("{type: float, default: 1}", "3", "ceil(value)", 3),
        ("0.5", "dim / 16", "ceil(2*value)", 1),
        ("bool", "dim > 3", "3 + value * 2", 5),
        ("false", "true", "3 + value * 2", 5),
        ("text", "dim", "2 + (value == 'dim')", 3),
        ("gelu", "4*dim", "2 + (value == '4*dim')", 3),
        ("{type: text, default: a, choices: [a, b]}", "b", "2 + (value == 'b')", 3),
        ("{choices: [same, 3, 4]}", "dim // 2", "value", 4),
        ("{choices: [same, 3, 4]}", "same", "2 + (value == 'same')", 3),
        ("null", "dim", "value", 8),
        ("null", "4*dim", "2 + (value == '4*dim')", 3),
    ],
)
def test_a_value_is_read_by_the_type(declared: str, argument: str, out: str, expected: int) -> None:
    assert width(declared, argument, out) == expected


@pytest.mark.parametrize(
    ("declared", "argument", "message"),
    [
        ("int", "dim / 16", "value must be a whole number, but is 0.5"),
        ("int", "true", "value must be a whole number, but is true"),
        ("{type: int, min: 1}", "seq", "value must be a whole number, but is 'seq', known only at run time"),
        ("bool", "1", "value must be true or false, but is 1"),
        ("bool", "yes", "value must be true or false, but is 'yes'"),
        ("text", "3", "value must be text, but is 3"),
        ("float", "seq", "value must be a number, but is 'seq', known only at run time"),
        ("{type: float, max: 0.5}", "0.75", "value must be at most 0.5, but is 0.75"),
        ("{choices: [same, 3]}", "sane", "value must be a whole number or same, but is 'sane'"),
    ],
)
def test_error_another_type(declared: str, argument: str, message: str) -> None:
    """It is reported where the value is set, with a note at the declaration."""
    with pytest.raises(SpecError) as caught:
        width(declared, argument)
    (diagnostic,) = caught.value.diagnostics
    assert (diagnostic.code, diagnostic.message) == ("N310", f"'y' (wide): {message}")
    assert diagnostic.span is not None
    assert (diagnostic.span.line, diagnostic.span.column) == (6, 20)
    assert [(note.message, note.span.line) for note in diagnostic.notes] == [("'value' is declared here", 9)]


WHOLE = """\
stackc: 1
dims: {h: {multiple_of: 2**depth, max: 4 * size}, seq: {min: size // 4, max: positions}}
params:
  depth: 4
  size: {type: int, default: 64, min: 16}
  positions: int
  rows: "${h / 2}"
  norm: {type: text, default: layer_norm, choices: [layer_norm, rms_norm]}
inputs:
  x: {shape: [batch, h, rows, seq, 2]}
  ids: {dtype: int64, shape: [seq], below: 2*size}
  flags: {dtype: int64, shape: [seq], values: [0, size - 1]}
graph: |
  x --> y
  ids --> e[embedding]
  flags --> f[embedding]
nodes: {y: {op: "${norm}"}, e: {vocab: 2*size, dim: 2}, f: {vocab: size, dim: 2}}
outputs: [y, e, f]
"""


def whole(params: dict[str, str], dims: dict[str, int] | None = None) -> Checked:
    return check_source(Source("whole.yaml", WHOLE), Overrides(params, dims or {}))


def test_the_contract_and_the_values_are_made_of_params() -> None:
    checked = whole({"positions": "512"})
    assert checked.program.contract == {"h": DimRange(1, 256, 16), "seq": DimRange(16, 512), "batch": DimRange()}
    assert str(checked.program.inputs["x"]) == "float32[batch, h, h/2, seq, 2]"
    assert checked.ranges["ids"].below == 128
    assert checked.ranges["flags"].choices == (0, 63)
    smaller = whole({"positions": "8 * depth", "depth": "2", "size": "16", "norm": "rms_norm"})
    assert smaller.program.contract == {"h": DimRange(1, 64, 4), "seq": DimRange(4, 16), "batch": DimRange()}
    assert smaller.program.calls[0].component.op == "rms_norm"


def test_dims_are_fixed_within_it() -> None:
    checked = whole({"positions": "64"}, {"seq": 64, "h": 32})
    assert str(checked.program.inputs["x"]) == "float32[batch, 32, 16, 64, 2]"
    with pytest.raises(SpecError, match="seq must be from 16 up to 64, but is 65"):
        whole({"positions": "64"}, {"seq": 65})


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({}, "error[N311]: the spec needs a value for 'positions'"),
        ({"positions": "2.5"}, "error[N310]: the spec: positions must be a whole number, but is 2.5"),
        ({"positions": "h"}, "error[S005]: dims.seq.max must be a whole number of at least 1, but is h (positions)"),
        ({"positions": "8", "size": "8"}, "error[N310]: the spec: size must be at least 16, but is 8"),
        ({"positions": "8"}, "error[S006]: dims.seq allows no size: min is above max"),
        (
            {"positions": "64", "norm": "3"},
            "error[N310]: the spec: norm must be one of layer_norm, rms_norm, but is '3'",
        ),
        ({"positions": "4*dpeth"}, "error[X002]: 'dpeth' is neither a param nor a dim"),
    ],
)
def test_error_set_by_the_command_line(params: dict[str, str], message: str) -> None:
    """One mistake is one message: a contract that depends on a broken param is not reported."""
    with pytest.raises(SpecError) as caught:
        whole(params)
    (diagnostic,) = caught.value.diagnostics
    assert render(diagnostic, {}).startswith(message)


def test_params_of_an_included_spec(tmp_path: Path) -> None:
    (tmp_path / "main.yaml").write_text(
        "stackc: 1\nparams: {dim: 8}\ninputs: {x: {shape: [batch, dim]}}\ngraph: x --> y\n"
        "nodes: {y: {op: part.yaml, hidden: 4*dim}}\n"
    )
    part = (
        "stackc: 1\nparams: {hidden: {type: int, max: 16}}\ninputs: {x: {shape: [batch, hidden]}}\n"
        "graph: x --> y[linear]\nnodes: {y: {out: hidden}}\n"
    )

    (tmp_path / "part.yaml").write_text(part.replace("16", "32"))
    assert check_spec(tmp_path / "main.yaml").program.calls[0].signature.outputs[0].shape[1] == 32

    (tmp_path / "part.yaml").write_text(part)
    with pytest.raises(SpecError, match=r"hidden must be at most 16, but is 32") as caught:
        check_spec(tmp_path / "main.yaml")
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.span is not None
    assert Path(diagnostic.span.file).name == "main.yaml"
    assert Path(diagnostic.notes[0].span.file).name == "part.yaml"
