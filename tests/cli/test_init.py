"""`stackc init`: a bare drawing becomes a spec to fill in, and the templates work."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from stackc.build import Options, build
from stackc.cli import cli
from stackc.components import REGISTRY
from stackc.diagnostics import SpecError
from stackc.front import check_source, check_spec
from stackc.guess import MEANT, fitting
from stackc.outline import outline
from stackc.spec.reader import read
from stackc.spec.source import Source
from stackc.starters import starters

SPECS = Path(__file__).parents[2] / "specs"
ARTICLE = SPECS.joinpath("seed.mmd").read_text(encoding="utf-8").rpartition("---\n")[2]


def init(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["init", *arguments])


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_article_s_drawing_becomes_a_spec_to_fill_in(folder: Path) -> None:
    (folder / "article.mmd").write_text(ARTICLE, encoding="utf-8")
    done = init("article.mmd")
    assert done.output == ("wrote article.spec.mmd; fill in A, B, C, D, E, F; then: stackc check article.spec.mmd\n")
    written = (folder / "article.spec.mmd").read_text(encoding="utf-8")
    assert written == (
        """\
---
stackc: 1
name: article
inputs:
  # no arrow enters A: an input feeds what it names by `to`
  x: {shape: [batch, seq, 64], to: A}
nodes:
  # A, 'Transformer模型': one arrow in, from an input
  # it could be a block of your own or stack or mlp or linear or attention
  A: {op: …}
  # B, '叠加组件': one arrow in, from A
  # it could be add or stack or identity
  B: {op: …}
  # C, '子模型1': one arrow in, from B
  # it could be a block of your own or mlp or linear or attention
  C: {op: …}
  # D, '子模型2': one arrow in, from B
  # it could be a block of your own or mlp or linear or attention
  D: {op: …}
  # E, '子模型3': one arrow in, from B
  # it could be a block of your own or mlp or linear or attention
  E: {op: …}
  # F, '归一化组件': 3 arrows in, from E, C, D
  # it could be layer_norm or rms_norm or batch_norm or instance_norm, behind a merge (sum, mean, concat, mul, weighted)
  # or without a merge add or mean or concat or mul
  F: {op: …, merge: sum}
---
"""
        + ARTICLE
    )


def test_what_is_open_is_asked_for_and_filled_in_it_is_sound() -> None:
    made = outline(ARTICLE, "article.mmd", "article")
    with pytest.raises(SpecError) as raised:
        check_source(Source("article.mmd", made.text))
    assert {d.code for d in raised.value.diagnostics} == {"N301"}
    assert len(raised.value.diagnostics) == len(made.waiting) == 6

    ops = {
        "A": "attention, heads: 4",
        "B": "identity",
        "C": "mlp, hidden: 256",
        "D": "attention, heads: 4",
        "E": "linear, out: 64",
        "F": "layer_norm",
    }
    text = made.text
    for node, op in ops.items():
        text = text.replace(f"{node}: {{op: …", f"{node}: {{op: {op}")
    checked = check_source(Source("article.mmd", text))
    assert {str(t) for t in checked.program.inputs.values()} == {"float32[batch, seq, 64]"}
    assert len(checked.program.calls) == 7  # six nodes, and the sum


def test_inputs_are_guessed_and_known_ops_ask_for_their_fields() -> None:
    drawing = (
        "flowchart TD\n  tokens --> e[embedding] --> l[layer_norm] --> s[Feed forward] --> o[Output head]\n"
        "  mask --> s\n  l --> s\n  e --> t[linear] --> a[add]\n  e --> a --> o\n"
    )
    made = outline(drawing, "drawing.mmd", "drawing")
    assert made.waiting == ("e", "s", "o", "t")
    document = read(Source("drawing.mmd", made.text))
    assert {name: decl.dtype for name, decl in document.inputs.items()} == {"tokens": "int64", "mask": "int64"}
    for line in (
        "  # e is embedding; vocab: how many ids there are\n",
        "  e: {vocab: …, dim: …}\n",
        "  t: {out: …}\n",
        "  # it could be mlp, behind a merge (sum, mean, concat, mul, weighted)\n",
    ):
        assert line in made.text
    assert "  l:" not in made.text
    assert "  a:" not in made.text


def test_mermaid_s_own_front_matter_stays_as_a_comment() -> None:
    made = outline("---\ntitle: A model\n---\ngraph LR\n  x --> y[tanh]\n", "a.mmd", "a")
    assert made.text.startswith("---\n# title: A model\nstackc: 1\n")
    assert made.waiting == ()
    check_source(Source("a.mmd", made.text))


def test_a_spec_is_refused() -> None:
    done = init(str(SPECS / "seed.mmd"))
    assert isinstance(done.exception, SpecError)
    assert done.exception.diagnostics[0].code == "S011"


def test_no_file_is_overwritten_unasked(folder: Path) -> None:
    (folder / "mlp.yaml").write_text("mine", encoding="utf-8")
    done = init("--template", "mlp")
    assert isinstance(done.exception, SpecError)
    assert str(done.exception) == "error[S012]: mlp.yaml is there already"
    assert (folder / "mlp.yaml").read_text(encoding="utf-8") == "mine"
    assert init("--template", "mlp", "--force").output == "wrote mlp.yaml; next: stackc build mlp.yaml\n"
    check_spec(folder / "mlp.yaml")


@pytest.mark.parametrize("name", starters())
def test_every_template_builds(name: str, folder: Path) -> None:
    assert init("--template", name, "-o", f"mine{starters()[name].name}").exit_code == 0
    built = build(
        folder / f"mine{starters()[name].name}", Options(out=folder, measure=False), lambda stage, found: None
    )
    assert built.parity is not None


def test_templates_are_listed_and_misspelt_ones_guessed() -> None:
    listed = init("--list").output
    assert all(name in listed for name in starters())
    done = init("--template", "ensembel")
    assert done.exit_code == 2
    assert "no template is called 'ensembel'; did you mean 'ensemble'?" in done.output
    assert init().exit_code == 2
    assert init("a.mmd", "--template", "mlp").exit_code == 2


def test_a_broken_drawing_is_a_diagnostic(folder: Path) -> None:
    (folder / "broken.mmd").write_text("graph LR\n  A --> [\n", encoding="utf-8")
    run = subprocess.run(
        [sys.executable, "-m", "stackc", "init", "broken.mmd"], capture_output=True, text=True, check=False
    )
    assert run.returncode == 1
    assert "broken.mmd:2" in run.stderr
    assert "Traceback" not in run.stderr


def test_only_ops_that_exist_are_proposed() -> None:
    proposed = {op for ops in MEANT.values() for op in ops} | {*fitting(1), *fitting(2)}
    assert proposed - {"block", "stack"} <= REGISTRY.keys()
