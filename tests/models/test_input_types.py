"""Inputs of bytes and of half precision: held to PyTorch on the same numbers, from the spec to the test vectors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
import torch
from torch import nn

import stackc
from stackc.artifact.folder import VECTORS
from stackc.artifact.verify import verify
from stackc.core.diagnostics import SpecError
from stackc.pipeline import Options
from stackc.runtime.npz import read_npz, write_npz

pytestmark = pytest.mark.slow

PREPROCESSING = """\
stackc: 1
name: preprocessing
dims: {batch: {max: 3}, height: {max: 40}, width: {max: 40}}
inputs: {image: {dtype: uint8, shape: [batch, height, width, 3]}}
graph: image --> first[permute] --> floats[cast] --> resized[resize] --> normal[normalize]
nodes:
  first: {order: [0, 3, 1, 2]}
  resized: {size: [8, 6], mode: bilinear}
  normal: {scale: 1/255, mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225]}
outputs: {y: normal, bytes: first}
"""

HALVES = """\
stackc: 1
name: halves
dims: {batch: {max: 3}}
inputs:
  x: {dtype: float16, shape: [batch, 4], min: -2.5, max: 60000}
  z: {dtype: bfloat16, shape: [batch, 4]}
  kind: {dtype: int8, shape: [batch], values: [-1, 0, 3]}
graph: |
  x --> both[concat]
  z --> both --> head[linear]
  z --> same[identity]
  kind --> number[cast]
nodes: {head: {out: 3}}
outputs: {y: head, same: same, number: number, entered: x}
"""

MOVED = """\
stackc: 1
name: moved
dims: {batch: {max: 3}, seq: {min: 3, max: 9}}
inputs:
  x: {dtype: DTYPE, shape: [batch, seq, 6]}
  ids: {dtype: int64, shape: [batch, seq, 6], below: 6}
  rows: {dtype: int64, shape: [4], below: 3}
  keep: {dtype: bool, shape: [batch, seq, 1]}
graph: |
  x --> permute & transpose & flatten & reshape & unflatten & flip & roll & select & slice & split & take & cls_pool
  x --> unsqueeze --> squeeze
  x --> twice[concat]
  flip --> twice
  x --> gathered[gather]
  rows -->|index| gathered
  x --> elements[gather_elements]
  ids -->|index| elements
  x --> chosen[where]
  keep -->|condition| chosen
  flip -->|other| chosen
  flatten --> frame
  x --> positions & causal_mask
nodes:
  permute: {order: [2, 0, 1]}
  transpose: {axis0: 0, axis1: 1}
  reshape: {shape: [batch, seq, 2, 3]}
  unflatten: {axis: 2, size: [2, 3]}
  flip: {axis: 1}
  roll: {axis: 1, shift: 1}
  select: {axis: 1, index: 0}
  slice: {axis: 1, start: 1}
  split: {axis: 2, size: 2}
  take: {indices: [0, 2, 1]}
  unsqueeze: {axis: 1}
  squeeze: {axis: 1}
  twice: {axis: 1}
  gathered: {axis: 1}
  flatten: {start: 1}
  frame: {frame_length: 4, hop_length: 2}
outputs: [permute, transpose, reshape, unflatten, flip, roll, select, slice, split, take, cls_pool, squeeze, twice,
  gathered, elements, chosen, frame, positions, causal_mask]
"""


def spec(folder: Path, text: str) -> Path:
    path = folder / "spec.yaml"
    path.write_text(text)
    return path


def test_an_image_of_bytes_is_resized_and_normalized_in_the_graph(tmp_path: Path) -> None:
    built = stackc.build(spec(tmp_path, PREPROCESSING), Options(out=tmp_path))
    image = np.random.default_rng(0).integers(0, 256, (2, 31, 17, 3), dtype=np.uint8)
    outputs = stackc.run(built.folder, {"image": image})

    floats = torch.from_numpy(image).permute(0, 3, 1, 2).float() / 255
    resized = nn.functional.interpolate(floats, (8, 6), mode="bilinear")
    mean, std = torch.tensor([[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]]).reshape(2, 1, 3, 1, 1)
    np.testing.assert_allclose(outputs["y"], ((resized - mean) / std).numpy(), atol=2e-5)
    np.testing.assert_array_equal(outputs["bytes"], image.transpose(0, 3, 1, 2))
    assert outputs["bytes"].dtype == np.uint8


@pytest.mark.parametrize("dtype", ["uint8", "int8"])
def test_components_move_bytes(tmp_path: Path, dtype: str) -> None:
    path = spec(tmp_path, MOVED.replace("DTYPE", dtype))
    built = stackc.build(path, Options(out=tmp_path, measure=False))
    assert built.parity is not None
    assert not built.parity.failures
    x = np.random.default_rng(0).integers(-100, 100, (2, 5, 6)).astype(dtype)
    feeds = {"ids": np.zeros((2, 5, 6), np.int64), "rows": np.arange(4) % 3, "keep": np.zeros((2, 5, 1), np.bool_)}
    outputs = stackc.run(built.folder, {"x": x, **feeds})
    np.testing.assert_array_equal(outputs["chosen"], x[:, ::-1])
    np.testing.assert_array_equal(
        outputs["frame"], np.stack([x.reshape(2, 30)[:, 2 * i : 2 * i + 4] for i in range(14)], 1)
    )


BOOLEANS = """\
stackc: 1
name: booleans
dims: {batch: {max: 3}}
inputs: {x: {dtype: bool, shape: [batch, 4]}, keep: {dtype: bool, shape: [batch, 1]}, y: {dtype: bool, shape: [4]}}
graph: |
  x --> either[where]
  keep -->|condition| either
  y -->|other| either
  x --> filled[where]
  keep -->|condition| filled
nodes: {filled: {value: 1}}
outputs: [either, filled]
"""


@pytest.mark.parametrize("opset", [18, 23])
def test_booleans_are_chosen_by_booleans(tmp_path: Path, opset: int) -> None:
    built = stackc.build(spec(tmp_path, BOOLEANS), Options(out=tmp_path, opset=opset, measure=False))
    x, y = np.array([[True, False, True, False]] * 2), np.array([True, True, False, False])
    keep = np.array([[True], [False]])
    outputs = stackc.run(built.folder, {"x": x, "keep": keep, "y": y})
    np.testing.assert_array_equal(outputs["either"], np.where(keep, x, y))
    np.testing.assert_array_equal(outputs["filled"], np.where(keep, x, True))


def test_halves_are_cast_as_they_enter(tmp_path: Path) -> None:
    path = spec(tmp_path, HALVES)
    built = stackc.build(path, Options(out=tmp_path))
    random = np.random.default_rng(0)
    feeds = {
        "x": random.uniform(-2, 5, (2, 4)).astype(np.float16),
        "z": random.standard_normal((2, 4)).astype(ml_dtypes.bfloat16),
        "kind": np.array([-1, 3], np.int8),
    }
    outputs = stackc.run(built.folder, feeds)
    assert {x.dtype for x in outputs.values()} == {np.dtype(np.float32)}
    np.testing.assert_array_equal(outputs["same"], feeds["z"].astype(np.float32))
    np.testing.assert_array_equal(outputs["entered"], feeds["x"].astype(np.float32))
    np.testing.assert_array_equal(outputs["number"], [-1, 3])

    weight, bias = (stackc.module(path).get_parameter(f"head.{name}").detach().numpy() for name in ("weight", "bias"))
    entering = np.concatenate([outputs["entered"], outputs["same"]], 1)
    np.testing.assert_allclose(outputs["y"], entering @ weight.T + bias, rtol=1e-5, atol=1e-5)

    vectors = read_npz(built.folder / VECTORS)
    assert vectors["input.x"].dtype == np.float16
    assert vectors["input.z"].dtype == np.dtype(ml_dtypes.bfloat16)
    assert vectors["input.x"].min() >= -2.5
    verify(built.folder)


def test_bfloat16_passes_through_npz_files_as_numpy_writes_them(tmp_path: Path) -> None:
    z = np.array([1.5, -3.0, 1e30], ml_dtypes.bfloat16)
    np.savez(tmp_path / "numpy.npz", z=z)
    write_npz(tmp_path / "own.npz", {"z": z})
    for name in ("numpy", "own"):
        np.testing.assert_array_equal(read_npz(tmp_path / f"{name}.npz")["z"], z)


def test_an_input_of_another_float_type_is_refused(tmp_path: Path) -> None:
    built = stackc.build(spec(tmp_path, HALVES), Options(out=tmp_path, verify=False, measure=False))
    feeds: dict[str, Any] = {
        "x": np.zeros((1, 4), np.float16),
        "z": np.zeros((1, 4), np.float32),
        "kind": np.zeros(1, np.int8),
    }
    with pytest.raises(SpecError) as raised:
        stackc.run(built.folder, feeds)
    (diagnostic,) = raised.value.diagnostics
    assert diagnostic.message == "input 'z' takes bfloat16, not float32"
    assert diagnostic.hint == "convert it with .astype('bfloat16'), after `import ml_dtypes`"
