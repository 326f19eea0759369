"""`stackc build --per-component`: the table on the screen, the complete list in parity.json, and only with a proof."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from stackc.cli import cli

SPECS = Path(__file__).parents[2] / "specs"
PATHS = {"A.attn", "A.add1", "A.norm1", "A.mlp", "A.add2", "A.norm2", "B", "C", "D", "E", "F_merge", "F"}


@pytest.mark.slow
def test_every_component_is_in_the_table_and_in_the_artifact(tmp_path: Path) -> None:
    command = ["build", str(SPECS / "seed.mmd"), "--set", "dim=16", "--out", str(tmp_path), "--no-bench"]
    done = CliRunner().invoke(cli, [*command, "--per-component"], catch_exceptions=False)
    assert done.exit_code == 0
    table = done.output.partition("Error of each component")[2]
    assert all(f"{path} (" in table for path in PATHS)
    parity = json.loads((tmp_path / "seed" / "parity.json").read_text(encoding="utf-8"))
    assert {row["path"] for row in parity["components"]} == PATHS
    assert all(row["problem"] is None and row["onnx"] <= row["allowed"] for row in parity["components"])
    lines = (SPECS / "seed.mmd").read_text(encoding="utf-8").splitlines()
    drawn = next(row for row in parity["components"] if row["path"] == "A.mlp")
    assert "mlp" in lines[int(drawn["source"].rpartition(":")[2]) - 1]


def test_error_it_needs_the_proof() -> None:
    done = CliRunner().invoke(cli, ["build", "x.yaml", "--no-verify", "--per-component"])
    assert done.exit_code == 2
    assert "--per-component is a part of the proof" in done.output
