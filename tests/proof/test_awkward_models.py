"""Models at the edge of the language: each is built, proven and verified without a warning."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from stackc.artifact.verify import verify
from stackc.core.diagnostics import SpecError
from stackc.pipeline import Options, build

X = "inputs: {x: {shape: [batch, 8]}}\n"
MODELS = {
    "no parameters": X + "graph: x --> gelu\n",
    "a scalar": "inputs: {x: {shape: []}}\ngraph: x --> gelu\n",
    "an input is an output": X + "graph: x --> gelu\noutputs: {y: gelu, same: x}\n",
    "an output twice": X + "graph: x --> gelu\noutputs: {y: gelu, again: gelu}\n",
    "nothing is done": X + "graph: x --> a[identity] --> b[dropout]\noutputs: {a: a, b: b, c: x}\n",
    "whole numbers come out": (
        "inputs: {ids: {dtype: int32, shape: [batch, seq], below: 9}, x: {shape: [batch, 3]}}\n"
        "graph: |\n  ids --> same[identity]\n  x --> y[linear]\nnodes: {y: {out: 2}}\noutputs: [same, y]\n"
    ),
    "no input has a say": (
        "inputs: {x: {shape: [batch, 6, 8]}}\n"
        "graph: x --> bias[relative_position_bias] --> y[softmax]\nnodes: {bias: {heads: 2}}\n"
    ),
    "a table of constants": "inputs: {x: {shape: [batch, 6, 8]}}\ngraph: x --> y[sinusoidal_position]\n",
    "a dim of one size": "dims: {n: {min: 5, max: 5}}\ninputs: {x: {shape: [n, 4]}}\ngraph: x --> gelu\n",
    "a dim in large steps": "dims: {n: {multiple_of: 100000}}\ninputs: {x: {shape: [n, 4]}}\ngraph: x --> gelu\n",
    "all sizes fixed": "inputs: {x: {shape: [2, 4]}}\ngraph: x --> y[linear]\nnodes: {y: {out: 3}}\n",
    "numbers near the end of float32": X + "graph: x --> y[scale]\nnodes: {y: {factor: 1e37}}\n",
    "one feature": "inputs: {x: {shape: [batch, 1]}}\ngraph: x --> y[layer_norm]\n",
}


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("functions", [False, True])
def test_an_awkward_model(name: str, functions: bool, tmp_path: Path, capfd: Any) -> None:
    path = tmp_path / "awkward.yaml"
    path.write_text(f"stackc: 1\n{MODELS[name]}", encoding="utf-8")
    options = Options(out=tmp_path, functions=functions, cache=False, measure=False, per_component=True)
    built = build(path, options, lambda stage, line: None)
    assert built.parity is not None
    assert {row.output for row in built.parity.rows} == set(built.checked.program.outputs)
    assert verify(built.folder, "cpu").distances
    assert capfd.readouterr() == ("", "")


def test_numbers_beyond_float32_are_not_proven(tmp_path: Path) -> None:
    """The truth is finite, and no float32 is near it."""
    path = tmp_path / "awkward.yaml"
    path.write_text(f"stackc: 1\n{X}graph: x --> y[scale]\nnodes: {{y: {{factor: 1e39}}}}\n", encoding="utf-8")
    with pytest.raises(SpecError, match=r"P701\]: 'y' \(scale\) .* at 8 of 8 numbers; PyTorch in float32 has them too"):
        build(path, Options(out=tmp_path, cache=False, measure=False), lambda stage, line: None)
