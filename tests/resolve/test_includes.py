"""Specs in several files: blocks by `FILE#block`, whole specs by `FILE`, and files that may not be included."""

from __future__ import annotations

from pathlib import Path

import pytest

from stackc.artifact.lock import write_lock
from stackc.core.diagnostics import SpecError
from stackc.frontend import check_source, check_spec
from stackc.spec.source import Source

LAYERS = """\
stackc: 1
name: backbone
params: {width: 8, depth: }
inputs: {image: {shape: [n, width], to: up}}
graph: up --> down[linear]
nodes: {up: {op: twice}, down: {out: width}}
blocks:
  twice: {params: {factor: 2}, inputs: [x], graph: "x --> lin[linear] --> gelu", nodes: {lin: {out: factor*width}}}
"""
MAIN = """\
stackc: 1
name: main
inputs: {x: {shape: [batch, 8]}}
graph: x --> a --> b --> s[stack]
nodes:
  a: {op: parts/layers.yaml#twice, factor: 3}
  b: {op: parts/layers.yaml, width: 16, depth: 1}
  s: {of: [parts/layers.yaml#twice, twice], repeat: 2}
blocks: {twice: {inputs: [x], graph: x --> relu}}
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "layers.yaml").write_text(LAYERS, encoding="utf-8")
    (tmp_path / "main.yaml").write_text(MAIN, encoding="utf-8")
    return tmp_path


def codes(path: Path, text: str) -> list[str]:
    path.write_text(text, encoding="utf-8")
    with pytest.raises(SpecError) as caught:
        check_spec(path)
    return [d.code for d in caught.value.diagnostics]


def test_blocks_and_specs_of_other_files(project: Path) -> None:
    checked = check_spec(project / "main.yaml")
    widths = {call.path: str(call.signature.outputs[0].shape[1]) for call in checked.program.calls}
    assert widths == {
        "a.lin": "24", "a.gelu": "24", "b.up.lin": "16", "b.up.gelu": "16", "b.down": "16",
        "s.0.lin": "16", "s.0.gelu": "16", "s.1.relu": "16", "s.2.lin": "16", "s.2.gelu": "16", "s.3.relu": "16",
    }  # fmt: skip
    layers = str(project / "parts" / "layers.yaml")
    assert [source.file for source in checked.graph.includes] == [layers]
    assert set(checked.sources) == {checked.source.file, layers}
    assert checked.sources[layers] == Path(layers).read_text(encoding="utf-8")


def test_every_component_has_a_span_in_the_file_that_draws_it(project: Path) -> None:
    checked = check_spec(project / "main.yaml")
    files = {call.path: Path(call.span.file).name for call in checked.program.calls}
    assert files["a.lin"] == "layers.yaml"
    assert files["s.1.relu"] == "main.yaml"


def test_the_lock_needs_no_other_file(project: Path) -> None:
    checked = check_spec(project / "main.yaml")
    again = check_source(Source("alone.yaml", write_lock(checked)))
    assert [(c.path, c.component) for c in again.program.calls] == [
        (c.path, c.component) for c in checked.program.calls
    ]


def test_a_mistake_in_an_included_file_is_reported_there(project: Path) -> None:
    path = project / "parts" / "layers.yaml"
    path.write_text(LAYERS.replace("gelu", "gelo"), encoding="utf-8")
    with pytest.raises(SpecError) as caught:
        check_spec(project / "main.yaml")
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.code == "N301"
    assert diagnostic.span is not None
    assert (diagnostic.span.file, diagnostic.span.line) == (str(path), 8)


def test_specs_that_include_each_other_in_a_circle(project: Path) -> None:
    text = "stackc: 1\nname: {}\ninputs: {{x: {{shape: [n, 8]}}}}\ngraph: x --> a\nnodes: {{a: {{op: {}.yaml}}}}\n"
    (project / "one.yaml").write_text(text.format("one", "two"), encoding="utf-8")
    assert codes(project / "two.yaml", text.format("two", "one")) == ["N315"]


@pytest.mark.parametrize(
    "op",
    [
        "parts/none.yaml",
        "parts/layers.yaml#none",
        "../outside.yaml",
        "/etc/outside.yaml",
        "file:///outside.yaml",
        "link.yaml",
    ],
)
def test_what_cannot_be_included(project: Path, op: str) -> None:
    outside = project.parent / "outside.yaml"
    outside.write_text(LAYERS, encoding="utf-8")
    (project / "link.yaml").symlink_to(outside)
    text = f"stackc: 1\nname: t\ninputs: {{x: {{shape: [n, 8]}}}}\ngraph: x --> a\nnodes: {{a: {{op: '{op}'}}}}\n"
    assert codes(project / "t.yaml", text) == ["N314"]


def test_the_folder_of_pyproject_is_the_root_of_the_project(project: Path) -> None:
    (project / "pyproject.toml").touch()
    (project / "deep").mkdir()
    path = project / "deep" / "t.yaml"
    path.write_text(MAIN.replace("parts/", "../parts/"), encoding="utf-8")
    assert check_spec(path).cost == check_spec(project / "main.yaml").cost


def test_two_specs_of_one_markdown_file_have_one_text(tmp_path: Path) -> None:
    spec = "stackc: 1\nname: {}\ninputs: {{x: {{shape: [batch, 8]}}}}\ngraph: x --> y[{}]"
    parts = ("whole", "README.md#part"), ("part", "tanh")
    blocks = [f"```yaml\n{spec.format(name, op)}\n```" for name, op in parts]
    text = "\n\n".join(blocks).replace("y[README.md#part]", "y\nnodes: {y: {op: README.md#part}}")
    (tmp_path / "README.md").write_text(text, encoding="utf-8")
    checked = check_spec(tmp_path / "README.md#whole")
    (text,) = checked.sources.values()
    assert [line for line in text.split("\n") if "name:" in line] == ["name: whole", "name: part"]
    assert text.split("\n")[2] == "name: whole"
