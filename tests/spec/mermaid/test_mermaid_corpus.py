"""Our reader against Mermaid's own: mermaid_corpus.json holds Mermaid's answers, by mermaid_judge.mjs."""

import json
from pathlib import Path
from typing import Any

import pytest
from tests.spec.mermaid.mermaid_writer import write_drawing

from stackc.core.diagnostics import SpecError
from stackc.spec.drawing import Drawing
from stackc.spec.mermaid.mermaid_reader import read_drawing

CORPUS = json.loads(Path(__file__).with_name("mermaid_corpus.json").read_text(encoding="utf-8"))
FLOWCHARTS = [chart for chart in CORPUS["flowcharts"] if "refused" not in chart]
REFUSED = [chart["text"] for chart in CORPUS["flowcharts"] if "refused" in chart]


def plain(text: str) -> str:
    """Remove what Mermaid's database leaves out: the backticks of markdown, the slash of `<br/>`."""
    text = text[1:-1] if text.startswith("`") and text.endswith("`") else text
    return text.strip().replace("<br/>", "<br>").replace("#quot;", '"')


def our_answer(drawing: Drawing) -> dict[str, Any]:
    return {
        "direction": drawing.direction or "TB",
        "vertices": [[n.id, plain(n.id if n.label is None else n.label), n.shape] for n in drawing.nodes.values()],
        "edges": [[a.source, a.target, plain(a.text or ""), a.stroke, a.length, a.id] for a in drawing.arrows],
        "subgraphs": sorted(
            [g.id, plain(g.id if g.label is None else g.label), sorted(g.members), g.direction]
            for g in drawing.groups.values()
        ),
    }


def mermaids_answer(chart: dict[str, Any]) -> dict[str, Any]:
    groups = {id for id, *_ in chart["subgraphs"]}
    return {
        "direction": chart["direction"],
        "vertices": [
            [id, plain(text), "rect" if shape in (None, "square") else shape]
            for id, text, shape in chart["vertices"]
            if id not in groups  # Mermaid makes a vertex of a subgraph that a style line names
        ],
        "edges": [
            [source, target, plain(text), stroke, length, id]
            for source, target, text, stroke, length, id in chart["edges"]
            if stroke != "invisible"
        ],
        "subgraphs": sorted(
            [id, plain(title), members, "TB" if direction == "TD" else direction]
            for id, title, members, direction in chart["subgraphs"]
        ),
    }


def test_corpus_is_large() -> None:
    assert len(FLOWCHARTS) >= 300
    assert len(REFUSED) >= 60


@pytest.mark.parametrize("chart", FLOWCHARTS, ids=lambda chart: chart["text"][:60])
def test_reads_what_mermaid_reads(chart: dict[str, Any]) -> None:
    assert our_answer(read_drawing(chart["text"], file="chart.mmd")) == mermaids_answer(chart)


@pytest.mark.parametrize("chart", FLOWCHARTS, ids=lambda chart: chart["text"][:60])
def test_writes_what_it_reads(chart: dict[str, Any]) -> None:
    drawing = read_drawing(chart["text"], file="chart.mmd")
    again = read_drawing(write_drawing(drawing), file="chart.mmd")
    assert again == drawing
    assert list(again.nodes) == list(drawing.nodes)


@pytest.mark.parametrize("text", REFUSED, ids=lambda text: text[:60])
def test_refuses_what_mermaid_refuses(text: str) -> None:
    with pytest.raises(SpecError):
        read_drawing(text, file="chart.mmd")
