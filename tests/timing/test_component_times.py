"""Where the time goes: nodes that ONNX Runtime fuses, renames and merges, led back to components, and their figures."""

from __future__ import annotations

import json
from pathlib import Path

import onnx
import onnxruntime
import pytest

from stackc.export.functions import unfold_functions
from stackc.frontend import Checked, check_spec
from stackc.pipeline import Options, build
from stackc.proof.points import Point, draw_feeds
from stackc.runtime.profile import NodeTime, Profile, read_profile
from stackc.timing import component_times
from stackc.timing.component_times import ComponentTimes, time_components
from stackc.timing.fused_nodes import nodes_within, stamped_path
from stackc.timing.time_table import time_rows, time_summary

IMAGE = """
stackc: 1
name: image
inputs: {x: {shape: [batch, 3, 32, 32]}}
graph: |
  x --> c1[conv2d] --> b1[batch_norm] --> r1[relu] --> c2[conv2d] --> b2[batch_norm] --> a[add] --> r2[relu]
  r2 --> p[max_pool2d] --> fl[flatten] --> head[linear]
  r1 --> a
nodes:
  c1: {out: 16, kernel: 3, padding: 1}
  c2: {out: 16, kernel: 3, padding: 1}
  b1: {axis: 1}
  b2: {axis: 1}
  p: {kernel: 2}
  head: {out: 3}
"""
TEXT = """
stackc: 1
name: text
inputs: {x: {shape: [batch, seq, 16]}, mask: {dtype: int64, shape: [batch, seq], values: [0, 1]}}
graph: |
  x --> encoder[stack]
  mask -->|mask| encoder
nodes: {encoder: {of: layer, repeat: 2}}
blocks:
  layer:
    inputs: [x, mask]
    graph: |
      x --> attn[attention] --> up[linear] --> g[gelu] --> down[linear]
      mask -->|mask| attn
    nodes: {attn: {heads: 2}, up: {out: 32}, down: {out: 16}}
"""
SIZES = {"image": {"batch": 2}, "text": {"batch": 2, "seq": 5}}


class Case:
    """A built model, the graph that ONNX Runtime makes of it, and its spec."""

    def __init__(self, folder: Path, text: str, name: str, *, functions: bool = False) -> None:
        (folder / f"{name}.yaml").write_text(text, encoding="utf-8")
        options = Options(out=folder / "out", verify=False, measure=False, functions=functions)
        self.model = build(folder / f"{name}.yaml", options).folder / "model.onnx"
        self.checked: Checked = check_spec(folder / f"{name}.yaml")
        self.sizes = SIZES[name]

    def optimized(self, folder: Path) -> onnx.ModelProto:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        options.optimized_model_filepath = str(folder / "optimized.onnx")
        onnxruntime.InferenceSession(self.model, options, providers=["CPUExecutionProvider"])
        return onnx.load(folder / "optimized.onnx")

    def times(self) -> ComponentTimes:
        feeds = draw_feeds(self.checked.program, self.checked.ranges, Point("", self.sizes))
        return time_components(self.checked.program, self.model, feeds, self.sizes, 1)


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Case:
    return Case(tmp_path_factory.mktemp("image"), IMAGE, "image")


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> Case:
    return Case(tmp_path_factory.mktemp("text"), TEXT, "text")


@pytest.fixture
def one_millisecond(monkeypatch: pytest.MonkeyPatch) -> list[Profile]:
    """Every node takes a millisecond and moves no values; the profiles that were read are kept."""
    profiles: list[Profile] = []

    def read(path: Path, warm: int) -> Profile:
        nodes = {name: NodeTime(node.op_type, 1e-3, 0) for name, node in read_profile(path, warm).nodes.items()}
        profiles.append(Profile(nodes, 0.5, 7))
        return profiles[-1]

    monkeypatch.setattr(component_times, "read_profile", read)
    return profiles


def test_fused_convolutions_are_led_back(image: Case, tmp_path: Path) -> None:
    """ONNX Runtime folds the norms into the weights, and adds and rectifies in the convolution."""
    optimized = image.optimized(tmp_path)
    within = nodes_within(onnx.load(image.model), optimized)
    components = [
        sorted({stamped_path(node) for node in within[node.name]})
        for node in optimized.graph.node
        if node.op_type.endswith("Conv")  # or FusedConv, where nothing is blocked
    ]
    assert components == [["b1", "c1", "r1"], ["a", "b2", "c2", "r2"]]
    assert all(within.values())


def test_what_is_computed_once_for_several_belongs_to_all(text: Case, tmp_path: Path) -> None:
    """The mask of both layers is made of the same input by the same nodes."""
    optimized = text.optimized(tmp_path)
    within = nodes_within(onnx.load(text.model), optimized)
    shared = {node.op_type for node in optimized.graph.node if len({stamped_path(n) for n in within[node.name]}) > 1}
    assert {"BiasGelu", "Where"} <= shared
    (masks,) = [node for node in optimized.graph.node if node.op_type == "Where"]
    assert {stamped_path(node) for node in within[masks.name]} == {"encoder.0.attn", "encoder.1.attn"}


def test_all_time_is_shared_out_by_work(image: Case, one_millisecond: list[Profile]) -> None:
    times = image.times()
    assert (times.run_seconds, times.runs, times.unattributed) == (0.5, 7, 0)
    assert sum(row.seconds for row in times.rows) == pytest.approx(1e-3 * len(one_millisecond[0].nodes))

    rows = {row.path: row for row in times.rows}
    elements, product = 2 * 16 * 32 * 32, 2 * 2 * 16 * 32 * 32 * 16 * 9  # c2: [2, 16, 32, 32], 3×3 over 16 channels
    assert rows["c2"].flops == product
    works = {"c2": product + elements, "b2": 2 * elements, "a": elements, "r2": elements}  # the norm is two nodes
    for path, work in works.items():
        assert rows[path].seconds == pytest.approx(1e-3 * work / sum(works.values()))
        assert set(rows[path].shared_with) == works.keys() - {path}
    assert rows["head"].shared_with == ()
    assert rows["head"].flops_per_second == pytest.approx(2 * 2 * 3 * 16 * 16 * 16 / 1e-3)


def test_bytes_are_those_of_values_and_weights(image: Case) -> None:
    head = next(row for row in image.times().rows if row.path == "head")
    assert head.bytes == 4 * (2 * 4096 + 4096 * 3 + 3 + 2 * 3)


def test_functions_are_seen_through(text: Case, tmp_path: Path, one_millisecond: list[Profile]) -> None:
    folded = Case(tmp_path, TEXT, "text", functions=True)
    assert onnx.load(folded.model).functions
    assert len(unfold_functions(onnx.load(folded.model)).graph.node) == len(onnx.load(text.model).graph.node)
    assert {row.path: (row.seconds, row.shared_with) for row in folded.times().rows} == {
        row.path: (row.seconds, row.shared_with) for row in text.times().rows
    }


def test_the_table_names_what_is_shared(text: Case, one_millisecond: list[Profile]) -> None:
    times = text.times()
    rows = {row.path: row for row in time_rows(times, 100)}
    assert next(iter(rows)) == times.slowest_first()[0].path
    assert rows["encoder.0.g"].fused == "up"
    assert rows["encoder.0.up"].line.startswith("text.yaml:")
    assert rows["encoder.0.g"].product == "–"
    assert time_summary(times).startswith("a run takes 500 ms under the profile")
    assert len(time_rows(times, 2)) == 2


def test_figures_are_json(text: Case) -> None:
    facts = json.loads(json.dumps(text.times().to_json(), allow_nan=False))
    assert [row["path"] for row in facts["components"]] == [call.path for call in text.checked.program.calls]
    assert facts["product_flops_per_second"] > 0


def event(name: str, start: int, duration: int, cat: str = "Node", **details: str) -> dict[str, object]:
    return {"cat": cat, "name": name, "ts": start, "dur": duration, "args": details}


def test_a_profile_is_read_without_its_first_runs(tmp_path: Path) -> None:
    """Events of ONNX Runtime: a run ends after its nodes, and begins before them; a node in a loop has several."""
    events = [event("session_initialization", 0, 90, "Session")]
    for run, start in enumerate((100, 200, 300, 400)):
        took = (50, 7, 3, 5)[run]
        events += [
            event("a/Add_kernel_time", start + 1, took, op_name="Add", activation_size="8", output_size="4"),
            event("loop/Mul_kernel_time", start + 2, 1, op_name="Mul"),
            event("loop/Mul_kernel_time", start + 3, 2, op_name="Mul"),
            event("model_run", start, 10 * took, "Session"),
        ]
    path = tmp_path / "profile.json"
    path.write_text(json.dumps(events), encoding="utf-8")
    profile = read_profile(path, warm=1)
    assert profile.runs == 3
    assert profile.run_seconds == pytest.approx(50e-6)
    add = profile.nodes["a/Add"]
    assert (add.op_type, add.value_bytes) == ("Add", 12)
    assert add.seconds == pytest.approx(5e-6)
    assert profile.nodes["loop/Mul"].seconds == pytest.approx(3e-6)
