"""`stackc init`: a bare drawing becomes a spec to fill in, and the templates work."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from stackc.authoring.scaffold import scaffold
from stackc.authoring.starter_specs import starters
from stackc.cli import cli
from stackc.components import REGISTRY
from stackc.core.diagnostics import SpecError
from stackc.frontend import check_source, check_spec
from stackc.pipeline import Options, build
from stackc.resolve.op_guess import MEANT, meant_by, ops_by_arity
from stackc.spec.drawing import DrawnNode
from stackc.spec.reader import parse
from stackc.spec.source import Source

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
    assert done.output == "wrote article.spec.mmd; fill in A, B, C, D, E, F; then: stackc check article.spec.mmd\n"

    written = (folder / "article.spec.mmd").read_text(encoding="utf-8")
    assert written == (
        """\
---
stackc: 1
name: article
inputs:
  # no arrow enters A: an input feeds the nodes that its `to` names
  x: {shape: [batch, seq, 64], to: A}
nodes:
  # A, 'Transformer模型': one arrow in, from an input
  # it could be a block of your own or stack or mlp or linear or attention
  A: {op: …}
  # B, '叠加组件': one arrow in, from A
  # it could be stack or identity
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
  # it could be layer_norm or rms_norm or batch_norm or instance_norm, after a merge (sum, mean, concat, mul, weighted)
  # or without a merge add or mean or concat or mul
  F: {op: …, merge: sum}
---
"""
        + ARTICLE
    )


def test_check_asks_for_open_values_and_accepts_filled_in_ones() -> None:
    result = scaffold(ARTICLE, "article.mmd", "article")

    with pytest.raises(SpecError) as raised:
        check_source(Source("article.mmd", result.text))
    assert {d.code for d in raised.value.diagnostics} == {"N301"}
    assert len(raised.value.diagnostics) == len(result.waiting) == 6
    first = raised.value.diagnostics[0]
    assert first.message == "still to fill in: the op of 'A' (Transformer模型)"
    assert first.hint is not None
    assert first.hint.startswith("it could be a block of your own or stack or mlp or linear or attention; ")

    ops = {
        "A": "attention, heads: 4",
        "B": "identity",
        "C": "mlp, hidden: 256",
        "D": "attention, heads: 4",
        "E": "linear, out: 64",
        "F": "layer_norm",
    }
    text = result.text
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
    result = scaffold(drawing, "drawing.mmd", "drawing")
    assert result.waiting == ("e", "s", "o", "t")

    document = parse(Source("drawing.mmd", result.text))
    assert {name: decl.dtype for name, decl in document.inputs.items()} == {"tokens": "int64", "mask": "int64"}
    for line in (
        "  # e is embedding; vocab: the number of ids\n",
        "  e: {vocab: …, dim: …}\n",
        "  t: {out: …}\n",
        "  # it could be mlp, after a merge (sum, mean, concat, mul, weighted)\n",
    ):
        assert line in result.text
    with pytest.raises(SpecError) as raised:
        check_source(Source("drawing.mmd", result.text.replace("op: …", "op: linear")))
    assert {d.message for d in raised.value.diagnostics} >= {"still to fill in: a value"}

    assert "  l:" not in result.text
    assert "  a:" not in result.text


def test_mermaid_s_own_front_matter_stays_as_a_comment() -> None:
    result = scaffold("---\ntitle: A model\n---\ngraph LR\n  x --> y[tanh]\n", "a.mmd", "a")
    assert result.text.startswith("---\n# title: A model\nstackc: 1\n")
    assert result.waiting == ()
    check_source(Source("a.mmd", result.text))


def test_a_spec_is_refused() -> None:
    done = init(str(SPECS / "seed.mmd"))
    assert isinstance(done.exception, SpecError)
    assert done.exception.diagnostics[0].code == "S011"


def test_no_file_is_overwritten_without_force(folder: Path) -> None:
    (folder / "mlp.yaml").write_text("mine", encoding="utf-8")
    done = init("--template", "mlp")
    assert isinstance(done.exception, SpecError)
    assert str(done.exception) == "error[S012]: mlp.yaml already exists"
    assert (folder / "mlp.yaml").read_text(encoding="utf-8") == "mine"
    assert init("--template", "mlp", "--force").output == "wrote mlp.yaml; next: stackc build mlp.yaml\n"
    check_spec(folder / "mlp.yaml")


@pytest.mark.slow
@pytest.mark.parametrize("name", starters())
def test_every_template_builds(name: str, folder: Path) -> None:
    assert init("--template", name, "-o", f"mine{starters()[name].name}").exit_code == 0
    built = build(
        folder / f"mine{starters()[name].name}", Options(out=folder, measure=False), lambda stage, summary: None
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


@pytest.mark.parametrize("name", ["vit.yaml", "graph.dot", "model.py"])
def test_error_not_a_drawing(name: str, folder: Path) -> None:
    (folder / name).write_text("digraph { a -> b; c -> d }\n", encoding="utf-8")
    done = init(name)
    assert done.exit_code == 2
    assert f"'{name}' is not a Mermaid drawing; init takes a .mmd or .mermaid file" in " ".join(done.output.split())
    assert not (folder / "vit.spec.mmd").exists()


MARKDOWN = """\
# The model

Text.

```mermaid
graph LR
    x --> y[tanh]
```

## A second one

- in a list

  ```mermaid
  flowchart TD
      x --> z[Feed forward]
  ```

```mermaid
---
title: Third
---
graph LR
    x --> w[gelu]
```

```mermaid
sequenceDiagram
    a ->> b: no network
```
"""


def test_a_block_of_markdown_becomes_a_spec_to_fill_in(folder: Path) -> None:
    (folder / "README.md").write_text(MARKDOWN.partition("## A second")[0], encoding="utf-8")
    assert init("README.md").output == "wrote README.spec.mmd; then: stackc check README.spec.mmd\n"
    written = (folder / "README.spec.mmd").read_text(encoding="utf-8")
    assert written.endswith("---\ngraph LR\n    x --> y[tanh]\n")
    check_spec(folder / "README.spec.mmd")


@pytest.mark.parametrize(
    ("name", "ends"),
    [
        ("the-model", "graph LR\n    x --> y[tanh]\n"),
        ("A second one", "flowchart TD\n    x --> z[Feed forward]\n"),
        ("third", "graph LR\n    x --> w[gelu]\n"),
    ],
)
def test_a_block_of_markdown_goes_by_its_title_or_heading(name: str, ends: str, folder: Path) -> None:
    (folder / "README.md").write_text(MARKDOWN, encoding="utf-8")
    done = init(f"README.md#{name}")
    assert done.exit_code == 0, done.output
    assert (folder / f"{name}.spec.mmd").read_text(encoding="utf-8").endswith(f"---\n{ends}")
    several = init("README.md")
    assert isinstance(several.exception, SpecError)
    assert several.exception.diagnostics[0].hint == (
        "write README.md#NAME; its drawings are the-model (line 6), a-second-one (line 15), third (line 20)"
    )


def test_error_a_cycle(folder: Path) -> None:
    (folder / "circle.mmd").write_text("graph LR\n  a[tanh] --> b[gelu]\n  b --> a\n", encoding="utf-8")
    done = init("circle.mmd")
    assert isinstance(done.exception, SpecError)
    assert str(done.exception) == "circle.mmd:3:5: error[N305]: the drawing has a cycle: a → b → a"
    assert not (folder / "circle.spec.mmd").exists()


def test_an_op_for_several_arrows_gets_no_merge() -> None:
    drawing = "graph LR\n  x --> a[tanh] --> cat((Concat))\n  x --> cat\n"
    result = scaffold(drawing, "a.mmd", "a")
    assert "\n  cat: {op: concat}\n" in result.text
    check_source(Source("a.mmd", result.text))


def test_a_label_that_is_not_a_port_is_commented() -> None:
    drawing = "graph LR\n  x --> a[tanh] --> b[add]\n  x -->|gate| b\n  x -->|mask| c[attention]\n"
    result = scaffold(drawing, "a.mmd", "a")
    assert (
        "  # the label 'gate' from x names a port of b; remove it from the arrow, unless its op has such a port\n"
    ) in result.text
    assert "'mask'" not in result.text
    assert "\noutputs: [b, c]\n" in result.text  # the nodes that lead nowhere
    text = result.text.replace("-->|gate| b", "--> b").replace("-->|mask| c", "--> c").replace("heads: …", "heads: 4")
    check_source(Source("a.mmd", text))


@pytest.mark.parametrize(
    ("label", "first"),
    [
        ("Multi-Head", "attention"),
        ("Multi-Head Attention", "attention"),
        ("MaxPool", "max_pool2d"),
        ("Positional Encoding", "sinusoidal_position"),
        ("Concat", "concat"),
        ("LayerNorm", "layer_norm"),
        ("Atention", "attention"),
        ("Global Average Pooling", "global_avg_pool"),
        ("Patch Embedding", "patch_embed"),
        ("MLP Head", "mlp"),
        ("Encoder ×6", "block"),
    ],
)
def test_common_words_suggest_ops(label: str, first: str) -> None:
    assert meant_by(DrawnNode("node", label))[0] == first


def test_images_have_the_shape_of_images() -> None:
    for drawing in (
        "graph LR\n  a[Input image] --> b[conv2d]\n",
        "graph LR\n  x --> b[conv2d]\n",
        "graph LR\n  b[Conv 3x3] --> c[gelu]\n",
    ):
        assert "shape: [batch, channels, height, width]" in scaffold(drawing, "a.mmd", "a").text


def test_only_ops_that_exist_are_proposed() -> None:
    proposed = {op for ops in MEANT.values() for op in ops} | {*ops_by_arity(1), *ops_by_arity(2)}
    assert proposed - {"block", "stack"} <= REGISTRY.keys()


# -- questions


def asked(monkeypatch: pytest.MonkeyPatch, *answers: str) -> Result:
    """What `stackc init` makes of answers on a terminal."""
    monkeypatch.setattr("stackc.cli.init._is_terminal", lambda: True)
    return CliRunner().invoke(cli, ["init"], input="".join(f"{answer}\n" for answer in answers))


def test_it_asks_for_task_template_and_sizes(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done = asked(monkeypatch, "1", "3", "", "64", "4")
    assert done.exit_code == 0, done.output
    assert "first steps  diagram, ensemble, mlp, transformer_encoder" in done.output
    assert "hidden [128]: 64" in done.output
    written = (folder / "mlp.yaml").read_text(encoding="utf-8")
    assert written == starters()["mlp"].read_text(encoding="utf-8").replace(
        "hidden: 128, classes: 10", "hidden: 64, classes: 4"
    )
    assert check_spec(folder / "mlp.yaml").program.outputs


def test_a_size_that_cannot_be_is_refused_and_nothing_written(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done = asked(monkeypatch, "1", "3", "", "-3", "4")
    assert isinstance(done.exception, SpecError)
    assert list(folder.iterdir()) == []


def test_in_a_pipe_it_does_not_ask() -> None:
    done = CliRunner().invoke(cli, ["init"], input="1\n")
    assert done.exit_code == 2
    assert "name a Mermaid file, or a template" in done.output
