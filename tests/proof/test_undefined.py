"""A proof passes on numbers only: NaN and Inf of the truth fail, at the component that makes them of finite numbers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from stackc.artifact.verify import verify
from stackc.core.diagnostics import Diagnostic, SpecError
from stackc.frontend import check_spec
from stackc.pipeline import Built, Options, build

LOG = """\
stackc: 1
name: log_of_noise
inputs: {power: {shape: [batch, 8]}}
graph: power --> ln[log] --> y[linear]
nodes: {y: {out: 3}}
"""
OVERFLOW = """\
stackc: 1
name: softmax_by_hand
inputs: {x: {shape: [batch, 8]}}
graph: |
  x --> s[scale] --> e[exp] --> sum[reduce_sum]
  e --> d[div]
  sum -->|other| d
  d --> y[log]
nodes: {s: {factor: 100.0}, sum: {axis: -1, keepdim: true}}
"""
NORM = """\
stackc: 1
name: weight_norm_of_zeros
inputs: {x: {shape: [batch, 8]}}
graph: x --> norm[layer_norm] --> y[linear]
nodes: {norm: {reparam: {bias: weight_norm}}, y: {out: 3}}
"""


def built(folder: Path, text: str) -> Built:
    path = folder / "model.yaml"
    path.write_text(text, encoding="utf-8")
    return build(path, Options(out=folder, measure=False, threads=1, provider="cpu"))


def refused(folder: Path, text: str) -> Diagnostic:
    with pytest.raises(SpecError) as caught:
        built(folder, text)
    (diagnostic,) = caught.value.diagnostics
    assert [path.name for path in folder.iterdir()] == ["model.yaml"]
    return diagnostic


@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "code", "message", "line", "hint"),
    [
        (
            LOG,
            "P706",
            "'ln' (log) is not finite: at batch=1 (full) it has",
            4,
            "outputs: {y: {of: y, nonfinite: [nan]}}",
        ),
        (OVERFLOW, "P701", "'e' (exp) differs from PyTorch: ", 5, "float32 ends at 3.4e38"),
        (NORM, "P706", "'norm' (layer_norm) is not finite: ", 4, "its parameter 'bias' is not finite"),
    ],
    ids=["undefined", "overflow", "parameter"],
)
def test_what_is_not_finite_fails_where_it_begins(
    text: str, code: str, message: str, line: int, hint: str, tmp_path: Path
) -> None:
    diagnostic = refused(tmp_path, text)
    assert (diagnostic.code, diagnostic.span.line if diagnostic.span else 0) == (code, line)
    assert diagnostic.message.startswith(message)
    assert hint in str(diagnostic.hint)


def test_an_output_that_is_meant_to_be_nan_builds_and_proves_nothing(tmp_path: Path) -> None:
    result = built(tmp_path, LOG + "outputs: {y: {of: y, nonfinite: [nan]}}\n")
    assert "nothing is proven of 'y': no finite number to compare, with random weights" in repr(result)
    report = (result.folder / "report.html").read_text(encoding="utf-8")
    assert "<b>not proven</b><span>no finite number to compare: y, with random weights</span>" in report

    manifest = json.loads((result.folder / "manifest.json").read_text(encoding="utf-8"))
    rows = [row for row in manifest["parity"]["rows"] if row["draw"] in ("full", "random", "empty")]
    assert sum(row["numbers"] for row in rows) == 0
    assert all(row["nonfinite"]["truth"] > 0 for row in rows)
    (distance,) = verify(result.folder, "cpu").distances
    assert (distance.numbers, distance.nonfinite > 0) == (0, True)
    assert check_spec(result.folder).document.body.outputs[0].nonfinite == ("nan",)


def test_scores_masked_by_infinity_are_proven_where_they_are_finite(tmp_path: Path) -> None:
    """log of relu has -Inf for about half of its numbers."""
    spec = "stackc: 1\nname: masked\ninputs: {x: {shape: [batch, 8]}}\ngraph: x --> r[relu] --> y[log]\n"
    diagnostic = refused(tmp_path, spec)
    assert (diagnostic.code, diagnostic.message.partition(" is not")[0]) == ("P706", "'y' (log)")
    result = built(tmp_path, spec + "outputs: {y: {of: y, nonfinite: [-inf]}}\n")
    assert result.parity is not None
    assert (
        0 < result.parity.numbers < sum(row.verdict.numbers + row.verdict.nonfinite.onnx for row in result.parity.rows)
    )
    report = (result.folder / "report.html").read_text(encoding="utf-8")
    assert "<b>proven with random weights</b>" in report
