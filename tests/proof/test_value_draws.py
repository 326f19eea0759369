"""Values that a proof draws: within ranges, at their ends, of every part of a table, and beyond if none is declared."""

from __future__ import annotations

import dataclasses
import itertools
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper
from tests.proof.conftest import Small

from stackc.core.diagnostics import SpecError
from stackc.export.compile import compile_units
from stackc.export.pipeline import spans_of
from stackc.export.units import units_of
from stackc.frontend import Checked, check_source
from stackc.proof.points import draws
from stackc.proof.tolerance import judge
from stackc.runtime import Array
from stackc.spec.source import Source
from stackc.torch_backend.lower import lower

EXTREMES = {"zeros", "plus 100", "minus 100", "times 1e3", "times 1e-3"}


def floats(declaration: str) -> Checked:
    text = f"stackc: 1\ndims: {{n: {{max: 9}}}}\ninputs: {{x: {{shape: [n, 40]{declaration}}}}}\ngraph: x --> gelu\n"
    return check_source(Source("spec.yaml", text))


def drawn(checked: Checked, seed: int = 0) -> dict[str, Array]:
    """Return the input x of every draw, one of each name."""
    return {point.draw: feeds["x"] for point, feeds in draws(checked.program, checked.ranges, seed=seed)}


def test_floats_without_a_range_are_drawn_beyond_what_is_usual() -> None:
    found = drawn(floats(""))
    assert set(found) == {"full", "random"} | EXTREMES
    assert np.array_equal(found["zeros"], np.zeros((3, 40), np.float32))
    for draw, center, scale in [("random", 0, 1), ("plus 100", 100, 1), ("minus 100", -100, 1), ("times 1e3", 0, 1e3),
                                ("times 1e-3", 0, 1e-3)]:  # fmt: skip
        assert found[draw].dtype == np.float32
        assert abs(found[draw].mean() - center) < 0.4 * scale
        assert 0.7 * scale < found[draw].std() < 1.4 * scale


@pytest.mark.parametrize(
    ("declaration", "low", "high", "extreme"),
    [
        (", min: 0.1, max: 0.3", 0.1, 0.3, False),
        (", min: 1e30, max: 3e38", 1e30, 3e38, False),
        (", min: -3.4e38, max: 3.4e38", -3.4e38, 3.4e38, False),
        (", min: 0.1", 0.1, np.inf, True),
        (", max: -7", -np.inf, -7, True),
        (", min: 16777216", 16777216, np.inf, True),
        (", values: [-0.1, 0.7]", -0.1, 0.7, False),
    ],
)
def test_floats_stay_within_their_range(declaration: str, low: float, high: float, extreme: bool) -> None:
    found = drawn(floats(declaration))
    for array in found.values():
        assert (array >= np.float32(low)).all()
        assert (array <= np.float32(high)).all()
    assert (set(found) >= EXTREMES) == extreme
    if np.isfinite(low):
        assert set(np.unique(found["at min"])) == {np.float32(low)}
    if np.isfinite(high):
        assert set(np.unique(found["at max"])) == {np.float32(high)}
    if not declaration.startswith(", values"):
        assert len(np.unique(found["random"])) > 20


IDS = """\
stackc: 1
name: table
dims: {batch: {max: 3}, seq: {max: 7}}
inputs: {x: {dtype: int64, shape: [batch, seq]}, mask: {dtype: int64, shape: [batch, seq], values: [0, 1]}}
graph: |
  x --> e[embedding] --> p[mean_pool] --> y[linear]
  mask -->|mask| p
nodes: {e: {vocab: 1000, dim: 8}, y: {out: 4}}
"""


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("vocab", [1000, 67, 66, 5, 1_000_000])
def test_a_number_of_every_64th_of_a_range_is_read_where_masks_show_it(vocab: int, seed: int) -> None:
    checked = check_source(Source("spec.yaml", IDS.replace("1000", str(vocab))))
    read: set[int] = set()
    for _, feeds in draws(checked.program, checked.ranges, seed=seed):
        assert feeds["x"].min() >= 0
        assert feeds["x"].max() < vocab
        read |= set(feeds["x"][feeds["mask"] != 0].tolist())
    assert {0, vocab - 1} <= read
    if vocab <= 66:
        assert read == set(range(vocab))
    edges = [vocab * part // 64 for part in range(65)]
    parts = [range(start, end) for start, end in itertools.pairwise(edges) if end > start]
    assert all(read.intersection(part) for part in parts)


# -- what an extreme draw is judged by


def test_at_an_extreme_draw_only_what_pytorch_computes_is_judged() -> None:
    truth = np.array([1.0, np.inf, 1e39, np.nan, 2.0])
    single = np.array([1.0, np.inf, np.inf, np.nan, 2.0], np.float32)
    onnx_values = np.array([1.0, np.nan, np.nan, 3.0, 2.0], np.float32)
    verdict = judge(onnx_values, single, truth, extreme=True)
    assert verdict.problem is None
    assert verdict.numbers == 2
    assert dataclasses.astuple(verdict.nonfinite) == (2, 3, 2)
    assert judge(onnx_values, single, truth).problem is not None

    onnx_values[0] = np.nan
    verdict = judge(onnx_values, single, truth, extreme=True)
    assert verdict.problem == "has NaN or Inf where PyTorch has none, at 1 of 5 numbers"
    onnx_values[0] = 1.1
    problem = judge(onnx_values, single, truth, extreme=True).problem
    assert problem is not None
    assert problem.startswith("is 1.00e-01 from the truth")


# -- faults that only such draws show


def model(text: str) -> Small:
    checked = check_source(Source("spec.yaml", text))
    units = units_of(checked.program, 23)
    return Small(checked, lower(checked.typed), units, compile_units(spans_of(checked.program, units)))


@pytest.mark.slow
def test_a_64th_of_a_table_that_is_wrong_in_the_file_is_found(tmp_path: Path) -> None:
    table = model(IDS)
    assert table.prove(table.file(tmp_path)).failures == ()
    for part in (0, 1, 31, 62, 63):

        def negated(graph: onnx.GraphProto, part: int = part) -> None:
            (tensor,) = (tensor for tensor in graph.initializer if tensor.name == "e.weight")
            rows = numpy_helper.to_array(tensor).copy()
            rows[1000 * part // 64 : 1000 * (part + 1) // 64] *= -1
            tensor.CopyFrom(numpy_helper.from_array(rows, tensor.name))

        with pytest.raises(SpecError, match=r"P701.*'e' \(embedding\)"):
            table.prove(table.file(tmp_path, negated))


CLIPPED = """\
stackc: 1
name: clipped
dims: {batch: {max: 3}}
inputs: {x: {shape: [batch, 8]RANGE}}
graph: x --> y[linear]
nodes: {y: {out: 4}}
"""


def clip(graph: onnx.GraphProto) -> None:
    """Clip the input at ±50, which N(0, 1) never reaches."""
    graph.initializer.append(numpy_helper.from_array(np.array(-50, np.float32), "low"))
    graph.initializer.append(numpy_helper.from_array(np.array(50, np.float32), "high"))
    first = graph.node[0]
    new = helper.make_node("Clip", ["x", "low", "high"], ["x.clipped"], name="x.clipped")
    new.metadata_props.extend(first.metadata_props)
    first.input[0] = "x.clipped"
    nodes = list(graph.node)
    del graph.node[:]
    graph.node.extend([new, *nodes])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("declared", "found"), [("", True), (", min: -60, max: 60", True), (", min: -40, max: 40", False)]
)
def test_a_fault_beyond_50_is_found_unless_the_range_ends_before(declared: str, found: bool, tmp_path: Path) -> None:
    """The tensors of the file are not compared: those of the fault would be found at any range."""
    clipped = model(CLIPPED.replace("RANGE", declared))
    path = clipped.file(tmp_path, clip)
    if found:
        with pytest.raises(SpecError, match="P701"):
            clipped.prove(path, compare=False)
    else:
        assert clipped.prove(path, compare=False).failures == ()


LOG = """\
stackc: 1
name: logarithm
dims: {batch: {max: 3}}
inputs: {x: {shape: [batch, 8]RANGE}}
graph: x --> ln[log] --> y[linear]
nodes: {y: {out: 4}}
"""


@pytest.mark.slow
def test_a_logarithm_is_proven_where_its_input_is_declared_to_be_positive(tmp_path: Path) -> None:
    """The file of shared/cases/proof/log_of_noise.yaml, and the fix that its help names."""
    noise = model(LOG.replace("RANGE", ""))
    with pytest.raises(SpecError, match="P706") as caught:
        noise.prove(noise.file(tmp_path))
    assert "`min` and `max` of the input" in str(caught.value.diagnostics[0].hint)

    positive = model(LOG.replace("RANGE", ", min: 0.1"))
    parity = positive.prove(positive.file(tmp_path))
    assert {"at min", *EXTREMES} < {row.point.draw for row in parity.rows}

    zero = model(LOG.replace("RANGE", ", min: 0"))
    with pytest.raises(SpecError, match=r"P706.*at min"):
        zero.prove(zero.file(tmp_path))
