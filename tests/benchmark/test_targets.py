"""Targets and their inputs: names of candidates, sizes, drawn inputs, and errors before anything is run."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from safetensors.numpy import save_file

from stackc.benchmark import plan_benchmark
from stackc.benchmark.inputs import batch_of, draw_inputs, sizes_of
from stackc.benchmark.job import Engine
from stackc.benchmark.targets import Target, read_target
from stackc.core.diagnostics import SpecError
from stackc.frontend import Overrides

HEAD = '<ir_version: 10, opset_import: ["" : 18]> g '
SPEC = """
stackc: 1
dims: {seq: {min: 2, max: 64}}
inputs:
  ids: {dtype: int64, shape: [batch, seq]}
  mask: {dtype: int64, shape: [batch, seq], values: [0, 1]}
graph: |
  ids --> embed[embedding] --> pool[mean_pool]
  mask -->|mask| pool
nodes: {embed: {vocab: 50, dim: 8}}
"""


def names(*paths: str, engines: tuple[Engine, ...] = (), threads: tuple[int, ...] = (2,)) -> list[str]:
    plan = plan_benchmark([Path(path) for path in paths], engines, ["cpu"], threads)
    return [candidate.name for candidate in plan.candidates]


def test_what_takes_part() -> None:
    assert names("a.yaml") == ["eager", "compile", "onnx", "openvino"]
    assert names("a.onnx") == ["onnx", "openvino"]
    assert names("a.yaml", engines=("onnx", "eager")) == ["onnx", "eager"]
    assert names("a.onnx", engines=("eager",)) == []


def test_names_say_what_differs() -> None:
    assert names("x/a.yaml", "b.onnx", engines=("eager", "onnx")) == ["a.yaml eager", "a.yaml onnx", "b.onnx onnx"]
    assert names("a.onnx", engines=("onnx",), threads=(1, 2)) == ["onnx 1 thread", "onnx 2 threads"]
    assert names("x/a.onnx", "y/a.onnx", "x/a.onnx", engines=("onnx",)) == [
        "x/a.onnx onnx",
        "y/a.onnx onnx",
        "x/a.onnx#2 onnx",
    ]


def test_providers_and_the_devices_of_modules(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stackc.benchmark.candidates.choose", lambda name: (name, "asked for"))
    plan = plan_benchmark([Path("a.yaml")], ["eager", "onnx", "openvino"], ["cpu", "cuda", "tensorrt"], [1, 2])
    assert [(c.name, c.provider, c.threads) for c in plan.candidates] == [
        ("eager cpu 1 thread", "cpu", 1),
        ("eager cpu 2 threads", "cpu", 2),
        ("eager cuda 1 thread", "cuda", 1),
        ("onnx cpu 1 thread", "cpu", 1),
        ("onnx cpu 2 threads", "cpu", 2),
        ("onnx cuda 1 thread", "cuda", 1),
        ("onnx tensorrt 1 thread", "tensorrt", 1),
        ("openvino 1 thread", "cpu", 1),
        ("openvino 2 threads", "cpu", 2),
    ]


def test_what_is_not_installed_is_left_out_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    plan = plan_benchmark([Path("a.onnx")], (), ["cpu"], [1])
    assert [candidate.engine for candidate in plan.candidates] == ["onnx"]
    assert [left.reason for left in plan.left_out] == ["openvino is not installed: pip install openvino"]


@pytest.fixture
def spec(tmp_path: Path) -> Target:
    (tmp_path / "spec.yaml").write_text(SPEC)
    return read_target("spec.yaml", tmp_path / "spec.yaml", Overrides(), None, 0)


def file(folder: Path, body: str) -> Target:
    path = folder / "file.onnx"
    path.write_bytes(onnx.parser.parse_model(HEAD + body).SerializeToString())
    return read_target("file.onnx", path, Overrides(), None, 0)


def test_inputs_of_a_spec_are_what_it_promises(spec: Target) -> None:
    sizes = sizes_of([spec], {"seq": 64})
    feeds = draw_inputs([spec], sizes, 0)
    assert feeds["ids"].shape == (sizes["batch"], 64)
    assert 40 < feeds["ids"].max() < 50
    assert set(np.unique(feeds["mask"])) == {0, 1}
    assert batch_of([spec], feeds) == sizes["batch"]
    np.testing.assert_array_equal(draw_inputs([spec], sizes, 0)["ids"], feeds["ids"])


def test_inputs_of_a_file_are_drawn_by_their_types(tmp_path: Path) -> None:
    target = file(tmp_path, "(float[N, 4] x, int64[N] ids, bool[3] b, float s) => (float[N, 4] y) { y = Identity (x) }")
    feeds = draw_inputs([target], sizes_of([target], {"N": 1000}), 0)
    assert {name: (str(array.dtype), array.shape) for name, array in feeds.items()} == {
        "x": ("float32", (1000, 4)),
        "ids": ("int64", (1000,)),
        "b": ("bool", (3,)),
        "s": ("float32", ()),
    }
    assert abs(feeds["x"].std() - 1) < 0.05
    assert set(np.unique(feeds["ids"])) == {0, 1}
    assert batch_of([target], feeds) is None, "b and s have no batch"


def test_a_file_gets_what_is_drawn_for_the_spec(spec: Target, tmp_path: Path) -> None:
    target = file(tmp_path, "(int64[n, m] ids, int64[n, m] mask) => (int64[n, m] y) { y = Add (ids, mask) }")
    feeds = draw_inputs([target, spec], sizes_of([target, spec], {"batch": 2, "seq": 5}), 0)
    assert feeds["ids"].max() > 1


def the_problem(call: Callable[[], object]) -> tuple[str, str, str | None]:
    with pytest.raises(SpecError) as raised:
        call()
    (diagnostic,) = raised.value.diagnostics
    return diagnostic.code, diagnostic.message, diagnostic.hint


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ({"sq": 3}, ("R435", "no input has a dim 'sq'", "did you mean 'seq'?")),
        ({"seq": 1}, ("R417", "dim 'seq' must be from 2 up to 64, but is 1", "the spec limits it under `dims:`")),
    ],
)
def test_error_sizes(spec: Target, sizes: dict[str, int], expected: tuple[str, str, str]) -> None:
    assert the_problem(lambda: sizes_of([spec], sizes)) == expected


def test_error_an_open_size_of_a_file(tmp_path: Path) -> None:
    named = file(tmp_path, "(float[N] x) => (float[N] y) { y = Identity (x) }")
    hint = "choose the size to time, as in `--dims {}=1`"
    assert the_problem(lambda: sizes_of([named], {})) == (
        "R436",
        "the size of 'N' in file.onnx is open",
        hint.format("N"),
    )
    unnamed = file(tmp_path, "(float[?] x) => (float[?] y) { y = Identity (x) }")
    assert the_problem(lambda: sizes_of([unnamed], {}))[2] == hint.format("x.0")
    assert draw_inputs([unnamed], sizes_of([unnamed], {"x.0": 3}), 0)["x"].shape == (3,)


def test_error_inputs_that_do_not_fit(spec: Target, tmp_path: Path) -> None:
    target = file(tmp_path, "(int32[n] ids, float[n] x) => (float[n] y) { y = Identity (x) }")
    sizes = sizes_of([spec, target], {"batch": 2, "seq": 4})
    assert the_problem(lambda: draw_inputs([spec, target], sizes, 0)) == (
        "R434",
        "file.onnx takes ids: int32[n], x: float32[n], but the inputs of spec.yaml are ids: int64[2, 4], "
        "mask: int64[2, 4]",
        "the model has no input 'mask'; input 'ids' takes int32, not int64; input 'ids' takes 1 dims, not 2: (2, 4)",
    )


def test_error_more_than_there_is_memory(spec: Target) -> None:
    code, message, hint = the_problem(lambda: draw_inputs([spec], sizes_of([spec], {"batch": 10**12, "seq": 2}), 0))
    assert (code, hint) == ("R437", "choose smaller sizes with `--dims`")
    assert message == "at seq=2, batch=1000000000000 the inputs of spec.yaml alone take 32,000,000,000,000 bytes"


@pytest.mark.parametrize(
    ("declared", "dtype"), [("string[2]", "string"), ("float[]", "tensor of any rank"), ("seq(float[2])", "sequence")]
)
def test_error_an_input_that_cannot_be_drawn(declared: str, dtype: str, tmp_path: Path) -> None:
    target = file(tmp_path, f"({declared} x) => ({declared} y) {{ y = Identity (x) }}")
    assert the_problem(lambda: draw_inputs([target], {}, 0))[:2] == (
        "R437",
        f"the input 'x' of file.onnx has type {dtype}, which cannot be drawn",
    )


@pytest.mark.parametrize("location", ["../weights", "LINK", "ABSOLUTE"])
def test_error_data_outside_of_the_folder(location: str, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    np.zeros(4, "float32").tofile(tmp_path / "weights")
    os.symlink(tmp_path / "weights", tmp_path / "in" / "LINK")
    location = location.replace("ABSOLUTE", str(tmp_path / "weights"))
    body = f'(float[4] x) => (float[4] y) <float[4] w = ["location": "{location}"]> {{ y = Add (x, w) }}'
    code, message, _ = the_problem(lambda: file(tmp_path / "in", body))
    assert (code, message) == (
        "A605",
        f"{tmp_path / 'in' / 'file.onnx'}: the data of 'w' lies outside, at {location}",
    )


def test_error_a_broken_file(tmp_path: Path) -> None:
    (tmp_path / "file.onnx").write_bytes(b"\x08\x0a\x3a\xff")
    code, message, _ = the_problem(lambda: read_target("file.onnx", tmp_path / "file.onnx", Overrides(), None, 0))
    assert code == "A610"
    assert message.startswith(f"{tmp_path / 'file.onnx'} cannot be read: ")


def test_error_no_file(tmp_path: Path) -> None:
    file(tmp_path, "(float[1] x) => (float[1] y) { y = Identity (x) }")
    assert the_problem(lambda: read_target("fil.onnx", tmp_path / "fil.onnx", Overrides(), None, 0)) == (
        "R405",
        f"there is no model file {tmp_path / 'fil.onnx'}",
        f"did you mean '{tmp_path / 'file.onnx'}'?",
    )


def test_several_files_of_weights(tmp_path: Path) -> None:
    spec = tmp_path / "one.yaml"
    spec.write_text(
        "stackc: 1\nname: one\ninputs: {x: {shape: [batch, 2]}}\ngraph: x --> y[linear]\nnodes: {y: {out: 1}}\n"
    )
    files = (tmp_path / "a.safetensors", tmp_path / "b.safetensors")
    save_file({"y.weight": np.ones((1, 2), "float32")}, files[0])
    save_file({"y.bias": np.ones(1, "float32")}, files[1])
    module = read_target("one", spec, Overrides(), files, 0).module
    assert module is not None
    assert module.weights == files
    assert module.weights_note == "the weights of a.safetensors and b.safetensors"
