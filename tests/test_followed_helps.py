"""Helps that once misled: each is followed, and leads to the model that was meant."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file
from torch import nn

from stackc.core.diagnostics import Diagnostic, SpecError
from stackc.frontend import Checked, check_source
from stackc.spec.source import Source
from stackc.weights.files import Array, open_weights
from stackc.weights.match import match_weights

EMBEDDED = """\
stackc: 1
dims: {seq: {min: 3}}
inputs: {tokens: {dtype: int64, shape: [batch, seq], below: 1000}}
graph: tokens --> emb[embedding] -->BEFORE cnn[conv1d] --> pool[global_max_pool] --> fc[linear]
nodes: {emb: {vocab: 1000, dim: 64}, cnn: {out: 32, kernel: 3}, fc: {out: 2}}
"""
IMAGES = """\
stackc: 1
dims: {height: {min: 3}, width: {min: 3}}
inputs: {x: {shape: [batch, height, width, 3]}}
graph: x -->BEFORE cnn[conv2d]
nodes: {cnn: {out: 32, kernel: 3}PERMUTE}
"""
MASKED = """\
stackc: 1
inputs:
  x: {shape: [batch, seq, 64]}
  NAME: {dtype: int64, shape: [batch, seq], values: [0, 1]}
graph: |
  x --> att[attention]
  NAME -->PORT att
nodes: {att: {heads: 4}}
"""


def check(text: str) -> Checked:
    return check_source(Source("spec.yaml", text))


def refused(text: str) -> Diagnostic:
    with pytest.raises(SpecError) as caught:
        check(text)
    (diagnostic,) = caught.value.diagnostics
    return diagnostic


def test_features_on_the_last_axis_of_a_sequence_are_transposed() -> None:
    error = refused(EMBEDDED.replace("BEFORE", ""))
    hint = "the channels must be axis 1: put `transpose` before it if they are the 64 of the last axis"
    assert (error.code, error.hint) == ("T201", hint)
    program = check(EMBEDDED.replace("BEFORE", " transpose -->")).program
    assert str(program.types["transpose"]) == "float32[batch, 64, seq]"
    assert [tuple(map(str, t.shape)) for n, t in program.tensors().items() if n == "cnn.weight"] == [("32", "64", "3")]


def test_features_on_the_last_axis_of_an_image_are_permuted() -> None:
    error = refused(IMAGES.replace("BEFORE", "").replace("PERMUTE", ""))
    order = "order: [0, 3, 1, 2]"
    assert error.hint is not None
    assert f"`permute`, with `{order}`," in error.hint
    program = check(IMAGES.replace("BEFORE", " permute -->").replace("PERMUTE", f", permute: {{{order}}}")).program
    assert str(program.types["permute"]) == "float32[batch, 3, height, width]"


@pytest.mark.parametrize("name", ["mask", "key_mask", "mask1", "attention_mask"])
def test_a_mask_without_its_port(name: str) -> None:
    text = MASKED.replace("NAME", name)
    error = refused(text.replace("PORT", ""))
    assert error.code == "N306"
    assert error.hint is not None
    assert f"`{name} -->|mask| att`" in error.hint
    (call,) = check(text.replace("PORT", "|mask|")).program.calls
    assert name in call.inputs


def test_arrows_that_do_not_name_a_port_are_merged() -> None:
    error = refused(MASKED.replace("NAME", "masker").replace("PORT", ""))
    assert error.hint == "say how they merge: `att: {merge: sum}` (or mean, concat, mul, weighted)"


@pytest.mark.parametrize(
    "graph",
    [
        "x --> relu",
        "x --> reduce_sum",
        "x --> softmax",
        "x --> div; y -->|other| div",
        "y --> add; x --> add",
        "x & y --> mean",
    ],
)
def test_whole_numbers_enter_arithmetic_by_a_cast(graph: str) -> None:
    used = "y: {shape: [b, 4]}" if "y" in graph else ""
    text = f"stackc: 1\ninputs: {{x: {{dtype: int64, shape: [b, 4]}}, {used}}}\ngraph: {graph}\n"
    error = refused(text)
    assert error.code == "T203"
    assert error.hint is not None
    assert "put `cast` before" in error.hint
    assert "embedding" not in error.hint
    followed = text.replace("graph: x", "graph: x --> cast; cast").replace("; x -->", "; x --> cast --> ")
    assert str(check(followed).program.types["cast"]) == "float32[b, 4]"


def test_numbers_that_are_no_ids_are_cast_too() -> None:
    text = "stackc: 1\ninputs: {x: {dtype: int64, shape: [b, 4]}}\ngraph: x --> y[linear]\nnodes: {y: {out: 2}}\n"
    assert "if they are numbers, put `cast` before it" in (refused(text).hint or "")
    assert check(text.replace("x --> y", "x --> cast --> y"))


NORMALIZED = """\
stackc: 1
inputs: {x: {shape: [batch, 3]}}
graph: x --> b[linear]
nodes: {b: {out: 2, reparam: {weight: NORM}}}
"""


@pytest.mark.parametrize("norm", ["spectral_norm", "weight_norm"])
def test_older_names_of_normalized_weights_are_recognized(norm: str, tmp_path: Path) -> None:
    """The names are read off PyTorch's functions from before parametrizations."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # they are deprecated
        module = nn.ModuleDict({"b": getattr(nn.utils, norm)(nn.Linear(3, 2))})
    file = tmp_path / "w.safetensors"
    save_file({name: np.ascontiguousarray(value.numpy()) for name, value in module.state_dict().items()}, file)
    text = NORMALIZED.replace("NORM", norm)
    names = [name for name in check(text).program.tensors() if "parametrizations" in name]
    with pytest.raises(SpecError) as caught:
        load(text, file)
    hints = [each.hint or "" for each in caught.value.diagnostics if each.code == "W801"]
    assert len(hints) == len(names) > 1

    # every hint shows its own line of the map: all of them together are right
    rules = [hint.partition("{map: {")[2].partition("}")[0] for hint in hints]
    followed = f"{text}weights: {{map: {{{', '.join(rules)}}}}}\n"
    loaded = load(followed, file)
    old = dict(module.state_dict())
    suffixes = {"original": "_orig", "original0": "_g", "original1": "_v", "_u": "_u", "_v": "_v"}
    for name in names:
        expected = old[f"b.weight{suffixes[name.rpartition('.')[2]]}"].numpy()
        np.testing.assert_array_equal(loaded[name], expected)


def load(text: str, file: Path) -> dict[str, Array]:
    checked = check(text)
    tensors = checked.program.tensors()
    return dict(match_weights(open_weights(file), tensors, checked.document.weights, file.name))
