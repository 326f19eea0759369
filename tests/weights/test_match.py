"""Which file is read, and how its tensors are matched with the parameters of a spec."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
import safetensors.torch
import torch
from tests.weights.examples import HEAD, LINEAR, TENSORS, WEIGHT, refused

from stackc.core.types import Dim, TensorType
from stackc.frontend import check_source
from stackc.spec.source import Source
from stackc.weights.files import open_weights
from stackc.weights.files.safetensors_file import OWN_NAMES
from stackc.weights.match import match_program, match_weights, weights_path
from stackc.weights.sources import Weights


def matched(
    folder: Path, tensors: Mapping[str, Any], spec: str = LINEAR, metadata: dict[str, str] | None = None
) -> Weights:
    path = folder / "w.safetensors"
    safetensors.numpy.save_file({name: np.ascontiguousarray(t) for name, t in tensors.items()}, path, metadata)
    checked = check_source(Source("spec.yaml", HEAD + spec))
    return match_program(open_weights(path), checked.program, checked.document.weights, checked.graph.params, path.name)


# -- which file


@pytest.mark.parametrize(("override", "expected"), [(None, "folder/w.npz"), ("other.npz", "other.npz")])
def test_the_command_line_overrides_the_file_of_the_spec(override: str | None, expected: str) -> None:
    document = check_source(Source("folder/s.yaml", HEAD + LINEAR + "weights: {file: w.npz}\n")).document
    path, span = weights_path(document, Path(override) if override else None)
    assert path == Path(expected)
    assert (span and span.line) == (None if override else 5)


def test_a_spec_need_not_name_a_file() -> None:
    assert weights_path(check_source(Source("s.yaml", HEAD + LINEAR)).document, None) == (None, None)


def test_the_package_imports_nothing() -> None:
    """`stackc check` imports stackc.weights.rules, and must not load NumPy."""
    code = "import sys, stackc.weights.rules; print('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"


# -- which tensor is which parameter


def test_names_of_their_own_need_no_map(tmp_path: Path) -> None:
    weights = matched(tmp_path, TENSORS)
    assert list(weights) == ["y.weight", "y.bias"]
    np.testing.assert_array_equal(weights["y.weight"], WEIGHT)


def test_the_file_of_a_run_is_read_without_the_map(tmp_path: Path) -> None:
    """It has the names of the spec, which may be those of other tensors in the file that the map is about."""
    swapped = "graph: x --> a[linear] --> b[linear]\nnodes: {a: {out: 3}, b: {out: 3}}\n"
    swapped += "weights: {map: {a.*: b.*, b.*: a.*}}\n"
    shapes = {"a.weight": (3, 3), "a.bias": (3,), "b.weight": (3, 3), "b.bias": (3,)}
    tensors = {name: np.full(shape, i, np.float32) for i, (name, shape) in enumerate(shapes.items())}

    of_run = matched(tmp_path, tensors, swapped, dict([OWN_NAMES]))
    assert [int(of_run[name].max()) for name in tensors] == [0, 1, 2, 3]
    other = matched(tmp_path, tensors, swapped)
    assert [int(other[name].max()) for name in tensors] == [2, 3, 0, 1]


def test_all_that_does_not_fit_is_said_at_once(tmp_path: Path) -> None:
    tensors = {"y.wieght": WEIGHT, "y.bias": np.ones(3, np.float32)}
    assert refused(lambda: matched(tmp_path, tensors)) == [
        "W801 w.safetensors has no tensor for 'y.weight' | did you mean 'y.wieght'?",
        "W803 'y.bias' has shape [2] in the spec but [3] in w.safetensors | None",
        "W802 w.safetensors has 'y.wieght', which no parameter uses"
        " | map it to a parameter, or list it under `weights: {ignore: […]}`",
    ]


def test_hundreds_of_missing_tensors_are_a_dozen_messages(tmp_path: Path) -> None:
    spec = "graph: x --> s[stack]\nnodes: {s: {of: linear, repeat: 200, with: {out: 3}}}\n"
    problems = refused(lambda: matched(tmp_path, {"other": WEIGHT}, spec))
    assert problems[0].startswith("W801 w.safetensors has no tensor for 's.0.weight'")
    assert problems[12] == "W801 … and 388 more of this kind | None"
    assert len(problems) == 14


def test_maps_and_ignored_names(tmp_path: Path) -> None:
    spec = """\
graph: x --> s[stack]
nodes: {s: {of: layer, repeat: 2}}
blocks: {layer: {inputs: [x], graph: 'x --> fc[linear]', nodes: {fc: {out: 3}}}}
weights:
  map: {s.*.fc.bias: "blocks.*.b", s.**: "blocks.**.value"}
  ignore: ["pooler.**", "*.step"]
"""
    square = np.eye(3, dtype=np.float32)
    names = [f"blocks.{i}.{rest}" for i in range(2) for rest in ("b", "fc.weight.value")]
    tensors = {name: square[0] if name.endswith("b") else square * (i + 1) for i, name in enumerate(names)}
    extra = {"pooler.dense.weight": square, "optimizer.step": square}
    weights = matched(tmp_path, tensors | extra, spec)
    np.testing.assert_array_equal(weights["s.1.fc.weight"], square * 4)

    # `*` is one part of a name: it does not match a dot
    assert refused(lambda: matched(tmp_path, tensors | {"a.b.step": square}, spec)) == [
        "W802 w.safetensors has 'a.b.step', which no parameter uses"
        " | map it to a parameter, or list it under `weights: {ignore: […]}`"
    ]


def test_a_normalized_parameter_goes_by_its_plain_name_or_by_pytorch_s(tmp_path: Path) -> None:
    spec = "graph: x --> y[linear]\nnodes: {y: {out: 2, reparam: {weight: standardize}}}\n"
    original = "y.parametrizations.weight.original"
    for name in ("y.weight", original):
        weights = matched(tmp_path, {name: WEIGHT, "y.bias": np.ones(2, np.float32)}, spec)
        np.testing.assert_array_equal(weights[original], WEIGHT)


def test_a_parameter_of_two_originals_is_not_its_plain_name(tmp_path: Path) -> None:
    """Magnitudes and directions of one column have the shape of the weight: both would be read from it, unnoticed."""
    spec = "graph: x --> y[linear]\nnodes: {y: {out: 2, reparam: {weight: {weight_norm: {axis: 0}}}}}\n"
    narrow = spec.replace("x --> y[linear]", "x --> h[linear] --> y[linear]").replace("{y:", "{h: {out: 1}, y:")
    hidden = {"h.weight": np.ones((1, 3), np.float32), "h.bias": np.ones(1, np.float32)}
    plain = {"y.weight": np.ones((2, 1), np.float32), "y.bias": np.ones(2, np.float32)}
    messages = refused(lambda: matched(tmp_path, hidden | plain, narrow))
    assert [message[:4] for message in messages] == ["W801", "W801", "W802"]


TIED = "graph: x --> a[linear] --> b[linear]\nnodes: {a: {out: 3}, b: {out: 3, tie: {weight: a.weight}}}\n"


@pytest.mark.parametrize("stored", [["a"], ["b"], ["a", "b"]])
def test_a_tied_parameter_may_be_stored_under_either_name_or_both(stored: list[str], tmp_path: Path) -> None:
    square, bias = np.arange(9, dtype=np.float32).reshape(3, 3), np.ones(3, np.float32)
    tensors = {"a.bias": bias, "b.bias": bias} | {f"{name}.weight": square for name in stored}
    weights = matched(tmp_path, tensors, TIED)
    assert list(weights) == ["a.weight", "a.bias", "b.bias"]
    np.testing.assert_array_equal(weights["a.weight"], square)


@pytest.mark.parametrize("other", ["one number", "shape"])
def test_two_different_tensors_are_no_tied_one(other: str, tmp_path: Path) -> None:
    square, bias = np.eye(3, dtype=np.float32), np.ones(3, np.float32)
    changed = square[:2] if other == "shape" else square + np.float32(1e-7)
    tensors = {"a.weight": square, "b.weight": changed, "a.bias": bias, "b.bias": bias}
    assert refused(lambda: matched(tmp_path, tensors, TIED)) == [
        "W808 'b.weight' is tied to 'a.weight', but w.safetensors has other values for it, in 'b.weight'"
        " | drop the tie, or list the tensor under `weights: {ignore: […]}`"
    ]
    ignored = f"{TIED}weights: {{ignore: [b.weight]}}\n"
    np.testing.assert_array_equal(matched(tmp_path, tensors, ignored)["a.weight"], square)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
@pytest.mark.parametrize("suffix", ["safetensors", "pt"])
def test_every_float_becomes_the_spec_s(dtype: str, suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"w.{suffix}"
    tensors = {name: torch.from_numpy(t).to(getattr(torch, dtype)) for name, t in TENSORS.items()}
    if suffix == "pt":
        torch.save(tensors, path)
    else:
        safetensors.torch.save_file(tensors, path)
    file = open_weights(path)
    assert file.dtypes["y.weight"] == dtype
    weights = match_weights(file, check_source(Source("s.yaml", HEAD + LINEAR)).program.tensors(), None, path.name)
    assert weights["y.weight"].dtype == np.float32
    np.testing.assert_array_equal(weights["y.weight"], WEIGHT)


@pytest.mark.parametrize("dtype", [np.int8, np.int64, np.bool_])
def test_a_float_does_not_come_of_whole_numbers(dtype: type[np.generic], tmp_path: Path) -> None:
    problems = refused(lambda: matched(tmp_path, {**TENSORS, "y.weight": WEIGHT.astype(dtype)}))
    assert problems == [
        f"W803 'y.weight' is float32 in the spec but {np.dtype(dtype).name} in w.safetensors"
        " | a float parameter is read from float16, bfloat16, float32 or float64"
    ]


def test_whole_numbers_do_not_come_from_floats(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    safetensors.numpy.save_file({"steps": np.ones(2, np.float32)}, path)
    types = {"steps": TensorType("int64", (Dim.of(2),))}
    assert refused(lambda: match_weights(open_weights(path), types, None, path.name)) == [
        "W803 'steps' is int64 in the spec but float32 in w.safetensors"
        " | a parameter of whole numbers is read from integers"
    ]


def test_types_that_numpy_does_not_have_are_named(tmp_path: Path) -> None:
    for path in (tmp_path / "w.safetensors", tmp_path / "w.pt"):
        tensors = {"y.weight": torch.ones(2, 3).to(torch.float8_e4m3fn), "y.bias": torch.ones(2)}
        (torch.save if path.suffix == ".pt" else safetensors.torch.save_file)(tensors, path)
        types = check_source(Source("s.yaml", HEAD + LINEAR)).program.tensors()
        problems = refused(lambda path=path, types=types: match_weights(open_weights(path), types, None, path.name))  # type: ignore[misc]  # bound now
        assert len(problems) == 1
        assert "float8_e4m3fn" in problems[0].lower() or "F8_E4M3" in problems[0]
