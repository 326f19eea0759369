"""Model cards, as huggingface_hub and a Markdown parser read them."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from click.testing import CliRunner
from huggingface_hub import ModelCard
from markdown_it import MarkdownIt

from stackc.artifact.folder import load_artifact
from stackc.artifact.model_card import write_card
from stackc.cli import cli
from stackc.core.diagnostics import Span
from stackc.ir.assertions import Asserted, Assertion
from stackc.pipeline import Options, build

pytestmark = pytest.mark.slow

SPEC = """\
stackc: 1
name: rows
dims: {batch: {min: 1, max: 6}, seq: {min: 1, max: 9}}
inputs: {ids: {dtype: int64, shape: [batch, seq], below: 11}}
graph: ids --> e[embedding] --> y[linear]
nodes: {e: {vocab: 11, dim: 4}, y: {out: 3}}
"""
PARAMETERS = 11 * 4 + 4 * 3 + 3


@pytest.fixture(scope="module", params=[True, False], ids=["proven", "unproven"])
def artifact(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("built")
    (folder / "rows.yaml").write_text(SPEC, encoding="utf-8")
    return build(folder / "rows.yaml", Options(out=folder, verify=request.param, measure=False)).folder


def cells(text: str) -> list[list[str]]:
    """The rows of all tables, as a Markdown parser finds them."""
    rows: list[list[str]] = []
    tokens = MarkdownIt("commonmark").enable("table").parse(text)
    for before, token in pairwise(tokens):
        if before.type == "tr_open":
            rows.append([])
        if before.type in ("td_open", "th_open"):
            rows[-1].append(token.content.strip("`"))
    return rows


def test_the_card_says_what_the_artifact_says(artifact: Path, tmp_path: Path) -> None:
    out = tmp_path / "README.md"
    done = CliRunner().invoke(cli, ["card", str(artifact), "--license", "apache-2.0", "-o", str(out)])
    assert done.exit_code == 0, done.output
    card = ModelCard.load(out)
    assert card.data.to_dict() == {"library_name": "onnx", "license": "apache-2.0", "tags": ["onnx", "stackc"]}
    assert "![The graph of rows](graph.svg)" in card.text
    assert (artifact / "graph.svg").is_file()
    assert "**random weights**, seed 0" in card.text

    rows = cells(card.text)
    assert ["input", "ids", "int64[batch, seq]", "below: 11"] in rows
    assert ["output", "y", "float32[batch, seq, 3]", ""] in rows
    assert ["batch", "1 to 6"] in rows
    assert ["parameters", f"{PARAMETERS}"] in rows
    manifest = json.loads((artifact / "manifest.json").read_text(encoding="utf-8"))
    assert ["rows.yaml", manifest["spec"]["rows.yaml"]] in rows
    if manifest["parity"] is None:
        assert "built without a proof" in card.text
    else:
        (proof,) = [row for row in rows if row[0] == "y" and len(row) == 4]
        worst = max(manifest["parity"]["rows"], key=lambda row: row["onnx"] / row["allowed"])
        assert proof[1:] == [f"{worst[name]:.1e}" for name in ("torch", "onnx", "allowed")]
        assert manifest["parity"]["proven"] in card.text


def test_without_a_license_none_is_named(artifact: Path) -> None:
    text = CliRunner().invoke(cli, ["card", str(artifact)]).stdout
    assert "license" not in text.split("---")[1]
    assert text.startswith("---\nlibrary_name: onnx\n")


def test_a_figure_that_the_spec_asserts_is_in_it(artifact: Path) -> None:
    loaded = load_artifact(artifact)
    fact = Asserted(Assertion("accuracy", 0.9, 1.0, Span("rows.yaml", 1)), 0.9375, "on 64 examples").to_json()
    text = write_card(replace(loaded, manifest=replace(loaded.manifest, asserted=(fact,))), PARAMETERS)
    assert ["accuracy, on 64 examples", "0.9375"] in cells(text)
