"""The screen, the artifact and `stackc verify` say up to which size each dim is proven, and what was not run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from stackc.cli import cli
from stackc.proof import points, probes

SPEC = """\
stackc: 1
name: long
dims: {batch: {max: 4}, seq: {max: 600}}
inputs: {x: {shape: [batch, seq, 8]}}
graph: x --> act[gelu] --> y[reduce_mean]
nodes: {y: {axis: 1}}
"""


def run(*words: str) -> str:
    done = CliRunner().invoke(cli, words, catch_exceptions=False)
    assert done.exit_code == 0
    return done.output


@pytest.mark.slow
def test_each_output_says_how_far_the_proof_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # 8 bytes · (8·batch·seq + 8·batch) within 10,000: seq 150 at a batch of 1, by halving 600
    monkeypatch.setattr(points, "MEMORY_BUDGET", 1e4)
    (tmp_path / "long.yaml").write_text(SPEC, encoding="utf-8")
    command = ["build", str(tmp_path / "long.yaml"), "--out", str(tmp_path), "--no-bench", "--provider", "cpu"]
    text = "proven for batch 1…4 (whole); seq 1…600 (components), to 150 (whole)"
    assert text in run(*command).splitlines()

    folder = tmp_path / "long"
    assert f'<p class="proven">P{text[1:]}.</p>' in (folder / "report.html").read_text(encoding="utf-8")
    parity = json.loads((folder / "parity.json").read_text(encoding="utf-8"))
    assert parity["proven"] == text
    assert parity["sizes"][1] == {"dim": "seq", "min": 1, "max": 600, "whole": 150, "components": 600, "gaps": []}
    assert [(row["path"], row["sizes"]) for row in parity["probes"]] == [("y", {"batch": 1, "seq": 600})]
    assert json.loads((folder / "manifest.json").read_text(encoding="utf-8"))["parity"]["proven"] == text
    assert f"✓ sizes    {text}" in run("verify", str(folder), "--provider", "cpu").splitlines()
    assert json.loads(run("verify", str(folder), "--provider", "cpu", "--json"))["proven"] == text

    # 24 bytes · 8·(seq + 1) within 50,000: seq 259
    monkeypatch.setattr(probes, "MEMORY", 5e4)
    lines = run(*command).splitlines()
    place = lines.index("proven for batch 1…4 (whole); seq 1…259 of 600 (components), to 150 (whole)")
    assert lines[place + 1 : place + 3] == [
        "  y (reduce_mean) is proven to seq 259 only: at 600 it takes about 115 kB, of 50 kB",
        "  `--thorough` proves what this machine can run",
    ]
    # 8 times the memory, for a whole pass of all sizes but the batch of 4, and no budget for the component
    assert "proven for batch 1…4 (whole); seq 1…600 (whole)" in run(*command, "--thorough").splitlines()


def test_error_thorough_needs_the_proof() -> None:
    done = CliRunner().invoke(cli, ["build", "x.yaml", "--no-verify", "--thorough"])
    assert done.exit_code == 2
    assert "--thorough is a part of the proof, which --no-verify skips" in done.output
