"""Bounds of speed: in the spec or on the command line, held, broken with the components to blame, or not measured."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

import stackc
from stackc.artifact.manifest import parse_manifest
from stackc.cli import cli
from stackc.core.diagnostics import Span, SpecError
from stackc.frontend import check_source
from stackc.ir.assertions import SPEED_FIGURES, Assertion
from stackc.resolve.assertions import with_bounds
from stackc.spec.source import Source
from stackc.timing import Comparison, Ratio, Timing
from stackc.timing.component_times import ComponentTime, ComponentTimes
from stackc.timing.speed_assertions import SpeedFigures, hold_speed, speed_figures

SPEC = """stackc: 1
name: two
inputs: {x: {shape: [batch, 8]}}
graph: x --> up[linear] --> act[gelu]
nodes: {up: {out: 4}}
"""
HERE = Span("two.yaml", 6, 10)


def comparison(others: float | None = 0.0) -> Comparison:
    timings = {"eager": Timing(np.full(9, 0.004)), "onnx": Timing(np.arange(1, 10) / 1000)}
    return Comparison(timings, (Ratio("onnx", "eager", 1.25, 1.0, 1.5),), others)


def times() -> ComponentTimes:
    seconds = {"up": 0.003, "act": 0.001, "out": 0.00001}
    rows = tuple(
        ComponentTime(path, "op", Span("two.yaml", i), s, 0, 0) for i, (path, s) in enumerate(seconds.items(), 4)
    )
    return ComponentTimes(rows, {}, 3, 1, 0.005, 0.0, 1e9)


def figures(**changes: Any) -> SpeedFigures:
    settings: dict[str, Any] = {
        "speed": comparison(), "note": "at batch=2", "session": None, "spans": {}, "times": times()
    } | changes  # fmt: skip
    return speed_figures(**settings)


def bound(name: str, most: float) -> Assertion:
    return Assertion(name, -np.inf, most, HERE)


def test_figures_are_percentiles_and_the_ratio_of_medians() -> None:
    assert figures().values == pytest.approx({"p50_ms": 5, "p90_ms": 8.2, "p99_ms": 8.92, "ratio_to_eager": 1.25})
    assert figures(speed=None).values == {}


def test_bounds_that_are_kept_are_told_with_what_was_measured() -> None:
    held = hold_speed([bound("p50_ms", 5.0), bound("ratio_to_eager", 2)], figures())
    assert [str(each) for each in held] == ["p50_ms 5 ≤ 5 at batch=2", "ratio_to_eager 1.25 ≤ 2 at batch=2"]


def test_error_names_the_slowest_components_by_line() -> None:
    with pytest.raises(SpecError) as caught:
        hold_speed(
            [bound("p50_ms", 4.9), bound("p90_ms", 100), bound("ratio_to_eager", 1)], figures(speed=comparison(1.5))
        )
    first, second = caught.value.diagnostics
    assert {first.code, second.code} == {"R451"}
    assert first.message == "p50_ms is 5 at batch=2, while other programs kept 1.5 cores busy, but ≤ 4.9 is asserted"
    assert [(note.message, note.span.line) for note in first.notes] == [
        ("'up' (op) takes 3 ms, 75%", 4),
        ("'act' (op) takes 1 ms, 25%", 5),
    ]  # the third has less than 1 %
    assert first.span == HERE


def test_what_was_not_measured_is_not_checked() -> None:
    (held,) = hold_speed([bound("cpu_nodes", 0)], figures())
    assert (held.figure, str(held)) == (None, "cpu_nodes ≤ 0 is not checked: it was not measured")


def test_bounds_of_a_command_replace_those_of_the_spec() -> None:
    asserted = check_source(Source("a.yaml", SPEC + "assert: {p50_ms: {max: 3}, cpu_nodes: {max: 0}}")).assertions
    merged = with_bounds(asserted, None, {"p50_ms": "p50_ms<=7.5", "p99_ms": "p99_ms>=1e-3"})
    assert [(each.name, each.bounds) for each in merged] == [
        ("cpu_nodes", "≤ 0"),
        ("p50_ms", "≤ 7.5"),
        ("p99_ms", "≥ 0.001"),
    ]
    with pytest.raises(SpecError, match=r"--assert speed<=1: error\[L302\].*'speed'"):
        with_bounds((), None, {"speed": "speed<=1"})


def test_a_spec_may_assert_every_figure_of_speed_without_train() -> None:
    every = ", ".join(f"{name}: {{max: 1}}" for name in SPEED_FIGURES)
    assert [each.name for each in check_source(Source("a.yaml", f"{SPEC}assert: {{{every}}}")).assertions] == [
        *SPEED_FIGURES
    ]


@pytest.mark.slow
def test_a_build_fails_and_leaves_the_artifact_before(tmp_path: Path) -> None:
    spec = tmp_path / "two.yaml"
    spec.write_text(SPEC + "assert: {cpu_nodes: {max: 100}}", encoding="utf-8")
    options = stackc.Options(out=tmp_path, provider="cpu", measure=False)
    folder = stackc.build(spec, options).folder
    before = (folder / "manifest.json").read_text(encoding="utf-8")
    (held,) = parse_manifest(before).asserted
    assert (held["name"], held["max"], held["measured"]) == ("cpu_nodes", 100, 2)  # a product with its bias, and gelu

    with pytest.raises(SpecError) as caught:
        stackc.build(
            spec, stackc.Options(out=tmp_path, provider="cpu", measure=False, asserted={"cpu_nodes": "cpu_nodes<=0"})
        )
    (only,) = caught.value.diagnostics
    assert only.message == "cpu_nodes is 2, but ≤ 0 is asserted"
    assert [note.message for note in only.notes] == ["'up' has 1 node on the CPU", "'act' has 1 node on the CPU"]
    assert (folder / "manifest.json").read_text(encoding="utf-8") == before


@pytest.mark.slow
def test_a_bench_fails_after_its_table(tmp_path: Path) -> None:
    spec = tmp_path / "two.yaml"
    spec.write_text(SPEC, encoding="utf-8")
    quick = ["--seconds", "0", "--sittings", "1", "--threads", "1", "--only", "onnx", "--dims", "batch=2"]
    done = CliRunner().invoke(cli, ["bench", str(spec), *quick, "--assert", "p50_ms<=0", "--assert", "p99_ms<=1e9"])
    assert "p50 ms" in done.output
    assert isinstance(done.exception, SpecError)
    (only,) = done.exception.diagnostics
    assert only.code == "R451"
    assert {note.message.split("'")[1] for note in only.notes} == {"up", "act"}
    kept = CliRunner().invoke(cli, ["bench", str(spec), *quick, "--assert", "p50_ms<=1e9"])
    assert (kept.exit_code, "✓ p50_ms" in kept.output, "shares nodes" in kept.output) == (0, True, False)


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (("bench", "two.yaml", "--assert", "p50_ms<3"), "'p50_ms<3' is not NAME<=NUMBER or NAME>=NUMBER"),
        (("bench", "two.yaml", "--assert", "p50_ms<=nan"), "is not NAME<=NUMBER"),
        (("build", "two.yaml", "--assert", "p50_ms<=3,p50_ms<=4"), "p50_ms is asserted twice"),
        (("build", "two.yaml", "--assert", "p50_ms<=3", "--no-assert"), "without --no-assert, --no-verify, --until"),
        (("bench", "two.yaml", "--only", "eager", "--assert", "p50_ms<=3"), "which --only leaves out"),
        (("bench", "two.yaml", "--only", "onnx", "--assert", "ratio_to_eager<=1"), "needs eager PyTorch beside 'onnx'"),
        (("bench", "two.yaml", "--assert", "cpu_nodes<=1"), "cpu_nodes is a figure of `stackc build --assert`"),
    ],
)
def test_wrong_usage(command: tuple[str, ...], message: str) -> None:
    done = CliRunner().invoke(cli, command)
    assert done.exit_code == 2
    assert message in " ".join(done.output.split())
