"""The Mermaid that `show` prints: golden texts, and read back by the reader that is tested against Mermaid itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from stackc.frontend import check_source, check_spec
from stackc.spec.mermaid.mermaid_reader import read_drawing
from stackc.spec.source import Source
from stackc.view.compose import compose
from stackc.view.mermaid import write_mermaid
from stackc.view.picture import Cluster, walk

SPECS = Path(__file__).parents[2] / "specs"
GOLDEN = Path(__file__).parent / "golden"


@pytest.mark.parametrize(("name", "depth"), [("seed.mmd", 1), ("minilm.yaml", 2)])
def test_golden(name: str, depth: int) -> None:
    golden = (GOLDEN / f"{Path(name).stem}-{depth}.mmd").read_text(encoding="utf-8")
    assert write_mermaid(compose(check_spec(SPECS / name).typed, depth)) == golden


@pytest.mark.slow
@pytest.mark.parametrize("depth", [1, 2, 3])
@pytest.mark.parametrize("path", sorted(SPECS.iterdir()), ids=lambda path: path.name)
def test_it_is_a_flowchart_with_everything_in_it(path: Path, depth: int) -> None:
    typed = check_spec(path).typed
    picture = compose(typed, depth)
    drawing = read_drawing(write_mermaid(picture).split("---\n")[2], file="drawn.mmd")
    assert drawing.direction == picture.direction
    assert len(drawing.nodes) == len(list(picture.boxes()))
    assert [arrow.text or "" for arrow in drawing.arrows] == [arrow.label for arrow in picture.arrows]
    assert len(drawing.groups) == sum(isinstance(part, Cluster) for part in walk(picture.parts))


def test_what_mermaid_would_read_is_escaped() -> None:
    text = """\
stackc: 1
name: 模型
inputs: {x: {shape: [batch, 8]}}
graph: |
  x --> a["say #quot;hi#quot; <b> #35;1<br/>two"]
nodes: {a: {op: tanh}}
"""
    drawn = write_mermaid(compose(check_source(Source("test.yaml", text)).typed))
    assert drawn.startswith('---\ntitle: "模型"\n# a drawing by `stackc show`, not a spec')
    assert '    a("say #quot;hi#quot; #lt;b#gt; #35;1<br/>two<br/>tanh"):::activation\n' in drawn


def test_ids_that_mermaid_cannot_read_are_replaced_and_stay_apart() -> None:
    text = """\
stackc: 1
name: test
inputs: {x: {shape: [batch, 8]}}
graph: |
  x --> a-b[tanh] --> a_b[tanh] --> output_a_b[tanh]
outputs: {a_b: output_a_b}
"""

    drawn = write_mermaid(compose(check_source(Source("test.yaml", text)).typed))
    arrows = [line.strip() for line in drawn.splitlines() if "-->" in line]
    assert arrows == [
        "x --> a_b",
        'a_b -->|"[batch, 8]"| a_b_2',
        'a_b_2 -->|"[batch, 8]"| output_a_b',
        "output_a_b --> output_a_b_2",
    ]
