"""Faults that show only at large sizes are found, at the component that has them; what was not run is reported."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import helper
from tests.proof.conftest import Small, compiled
from tests.proof.test_planted_faults import constant, insert, node, weight
from torch import Tensor, nn

from stackc.core.diagnostics import SpecError
from stackc.frontend import Overrides, check_source, check_spec
from stackc.pipeline import Options, build_until
from stackc.proof import points, probes
from stackc.proof.points import points_of
from stackc.proof.sizes import sizes_to_prove
from stackc.spec.source import Source

SPECS = Path(__file__).parents[2] / "specs"

LONG = """\
stackc: 1
name: long
dims: {batch: {max: 4}, seq: {max: 600}}
inputs: {x: {shape: [batch, seq, 8]}}
graph: |
  x --> e[add] --> layers[stack] --> up[transpose] --> conv[conv1d] --> pool[avg_pool1d]
  x --> wpe[learned_position] --> e
  pool --> down[transpose] --> rec[lstm] --> mean[reduce_mean]
  e --> bias[relative_position_bias]
nodes:
  wpe: {max: 600, dim: 8}
  layers: {of: layer, repeat: 3}
  conv: {out: 8, kernel: 3, dilation: 100, padding: same}
  pool: {kernel: 3, stride: 1, padding: 1}
  rec: {hidden: 4}
  mean: {axis: 1}
  bias: {heads: 2, max_distance: 300}
blocks:
  layer:
    inputs: [x]
    graph: x --> attn[attention]
    nodes: {attn: {heads: 2, causal: true, window: 400, rotary: halves}}
outputs: {y: mean, b: bias}
"""


@pytest.fixture(scope="module")
def long() -> Small:
    return compiled(LONG)


@pytest.fixture(autouse=True)
def _short_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let whole passes of the model end at a length of about 50."""
    monkeypatch.setattr(points, "FLOP_BUDGET", 1e5)


def grown_from(graph: onnx.GraphProto, reader: str, axis: int, rank: int, first: int) -> None:
    """Make what a node reads half as large again, from an index of an axis on."""
    source, made = node(graph, reader).input[0], f"{reader}/grown"
    zero, one, end = (constant(graph, f"{made}{n}", n, "int64") for n in (0, 1, first))
    same, grown = (constant(graph, f"{made}{x}", x, "float32") for x in (1.0, 1.5))
    shape = constant(graph, f"{made}/shape", [-1, *[1] * (rank - 1 - axis)], "int64")
    insert(graph, reader, "Shape", [source], f"{made}/sizes")
    insert(graph, reader, "Gather", [f"{made}/sizes", constant(graph, f"{made}/axis", axis, "int64")], f"{made}/size")
    insert(graph, reader, "Range", [zero, f"{made}/size", one], f"{made}/index")
    insert(graph, reader, "Less", [f"{made}/index", end], f"{made}/early")
    insert(graph, reader, "Where", [f"{made}/early", same, grown], f"{made}/factors")
    insert(graph, reader, "Reshape", [f"{made}/factors", shape], f"{made}/factor")
    insert(graph, reader, "Mul", [source, f"{made}/factor"], made)
    node(graph, reader).input[0] = made


def window_dropped(graph: onnx.GraphProto) -> None:
    """In the second of three layers alone."""
    node(graph, "layers.1.attn/Trilu_1").input[1] = constant(graph, "far", -100_000, "int64")


def end_of_the_table_wrong(graph: onnx.GraphProto) -> None:
    def later_rows(table: np.ndarray) -> np.ndarray:
        return np.concatenate([table[:500], table[500:] + 1])

    weight(graph, "wpe.weight", later_rows)


def taps_nearer(graph: onnx.GraphProto) -> None:
    """As far outside of a short sequence as they were."""
    for attribute in node(graph, "conv/Conv").attribute:
        if attribute.name in ("dilations", "pads"):
            attribute.CopyFrom(helper.make_attribute(attribute.name, [60] * len(attribute.ints)))


def far_distances_in_one_bucket(graph: onnx.GraphProto) -> None:
    node(graph, "bias/Clip").input[2] = constant(graph, "near", 60, "int64")


FAULTS: dict[str, tuple[str, Callable[[onnx.GraphProto], None]]] = {
    "window dropped": ("layers.1.attn", window_dropped),
    "positions of one layer": ("layers.2.attn", lambda graph: grown_from(graph, "layers.2.attn/MatMul", 1, 3, 500)),
    "end of the table": ("wpe", end_of_the_table_wrong),
    "residual sum": ("e", lambda graph: grown_from(graph, "e/Add", 1, 3, 500)),
    "dilated kernel": ("conv", taps_nearer),
    "pool": ("pool", lambda graph: grown_from(graph, "pool/AveragePool", 2, 3, 500)),
    "steps of the lstm": ("rec", lambda graph: grown_from(graph, "rec/LSTM", 0, 3, 500)),
    "long mean": ("mean", lambda graph: grown_from(graph, "mean/ReduceMean", 1, 3, 500)),
    "distances": ("bias", far_distances_in_one_bucket),
}


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_beyond_whole_passes_is_blamed_on_its_component(fault: str, long: Small, tmp_path: Path) -> None:
    path, change = FAULTS[fault]
    with pytest.raises(SpecError) as caught:
        long.prove(long.file(tmp_path, change), compare=False)
    (diagnostic,) = caught.value.diagnostics
    message = diagnostic.message
    assert diagnostic.code == "P701"
    assert message.startswith(f"'{path}' (")
    assert "at batch=1, seq=600 (random) it is " in message
    assert "from the truth" in message


@pytest.mark.slow
def test_the_proof_says_how_far_it_goes(long: Small, tmp_path: Path) -> None:
    parity = long.prove(long.file(tmp_path), compare=False)
    batch, seq = parity.coverage
    assert (str(batch), batch.complete) == ("batch 1…4 (whole)", True)
    assert seq.whole < 100
    assert str(seq) == f"seq 1…600 (components), to {seq.whole} (whole)"
    # one call of each distinct component: the layers differ in nothing but weights
    assert {row.path for row in parity.probes} == {"bias", "conv", "layers.0.attn", "mean", "pool", "rec", "wpe"}
    assert {row.point.sizes["seq"] for row in parity.probes} == {600}
    summary = parity.summary()
    assert summary["proven"] == f"proven for {batch}; {seq}"
    assert json.loads(json.dumps(summary["sizes"]))[1]["components"] == 600


@pytest.mark.slow
def test_what_does_not_fit_is_named_with_its_size(long: Small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probes, "MEMORY", 2e6)
    parity = long.prove(long.file(tmp_path), compare=False)
    seq = parity.coverage[1]
    assert {gap.path for gap in seq.gaps} == {"layers.0.attn", "bias"}
    assert seq.whole < seq.components < 600
    assert str(seq) == f"seq 1…{seq.components} of 600 (components), to {seq.whole} (whole)"
    (attention,) = (gap for gap in seq.gaps if gap.path == "layers.0.attn")
    assert attention.reason == "at 600 it takes about 4.64 MB, of 2 MB"  # 6·(600·600·2 + 3·600·8) + 24·2·600·8 bytes
    (row,) = (row for row in parity.probes if row.path == "layers.0.attn")
    assert row.point.sizes["seq"] == attention.size

    assert not long.prove(long.file(tmp_path), thorough=True, compare=False).coverage[1].gaps


@pytest.mark.slow
def test_work_that_is_too_long_is_shared(long: Small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probes, "WORK", 2e7)
    parity = long.prove(long.file(tmp_path), compare=False)
    gaps = parity.coverage[1].gaps
    assert gaps
    assert all("too long" in gap.reason for gap in gaps)
    assert {row.path for row in parity.probes if row.point.sizes["seq"] == 600} >= {"wpe", "mean"}


@pytest.mark.slow
def test_nothing_is_added_where_whole_passes_reach_all_sizes(small: Small, tmp_path: Path) -> None:
    parity = small.prove(small.file(tmp_path))
    assert parity.probes == ()
    assert [str(dim) for dim in parity.coverage] == ["batch 1…3 (whole)", "seq 1…13 (whole)"]


def reached(name: str) -> dict[str, int]:
    program = check_spec(SPECS / name).program
    return {dim: max(point.sizes[dim] for point in points_of(program)) for dim in program.contract}


def test_no_dim_starves_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    assert reached("t5.yaml") == {"batch": 16, "seq": 128, "target": 128}
    assert reached("unet.yaml") == {"batch": 8, "height": 256, "width": 256}
    assert reached("llama.yaml") == {"batch": 16, "seq": 32}
    largest = [dict(point.sizes) for point in points_of(check_spec(SPECS / "t5.yaml").program)[3:]]
    assert largest[0] == {"batch": 16, "seq": 4, "target": 4}


def test_a_dim_without_maximum_goes_beyond_what_the_spec_names() -> None:
    text = LONG.replace("{max: 4}, seq: {max: 600}", ", seq: ").replace("x --> wpe[learned_position] --> e", "x --> e")
    sizes = sizes_to_prove(check_source(Source("t.yaml", text.replace("  wpe: {max: 600, dim: 8}\n", ""))).program)
    assert sizes["batch"] == 64
    assert 402 <= sizes["seq"] <= 804


OWN = """\
stackc: 1
name: own
dims: {seq: {max: 600}}
inputs: {x: {shape: [seq, 8]}}
graph: x --> wpe[torch] --> y[add]
nodes: {wpe: {of: HERE.ShortTable}}
"""


class ShortTable(nn.Module):
    """Has fewer positions than the contract allows."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(300, 8)

    def forward(self, x: Tensor) -> Tensor:
        """[seq, 8] → the same."""
        positions: Tensor = self.table(torch.arange(x.shape[0]))
        return x + positions


@pytest.mark.slow
def test_error_a_module_that_fails_at_a_large_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(points, "MEMORY_BUDGET", 3e4)
    spec = tmp_path / "own.yaml"
    spec.write_text(OWN.replace("HERE", __name__), encoding="utf-8")
    with pytest.raises(SpecError) as caught:
        build_until(spec, "prove", Options(Overrides(trust=(__name__,))))
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.code == "P705"
    assert diagnostic.message.startswith(f"'wpe' ({__name__}.ShortTable) fails at seq=600 (random), in PyTorch: Index")
    assert diagnostic.span is not None
    assert diagnostic.span.line == 5
