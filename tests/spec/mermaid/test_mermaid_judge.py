"""Compare with Mermaid itself: it reads what we read, accepts what we write, and refuses the words we list as reserved.

This needs Node and a folder with `npm install mermaid@11 jsdom@26`, named by STACKC_MERMAID; `.ci/run` makes one.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from tests.spec.mermaid.mermaid_writer import write_drawing

from stackc.authoring.scaffold import scaffold
from stackc.core.diagnostics import SpecError
from stackc.frontend import check_spec
from stackc.spec.drawing import Drawing
from stackc.spec.mermaid.mermaid_reader import read_drawing
from stackc.spec.names import MERMAID_WORDS
from stackc.spec.source import load_source
from stackc.spec.writer import convert_syntax
from stackc.view.compose import compose
from stackc.view.mermaid import write_mermaid

PROJECT = Path(__file__).parents[3]
SPECS = [*(PROJECT / "specs").iterdir(), *(PROJECT / "compiler" / "stackc" / "authoring" / "templates").iterdir()]
CORPUS = Path(__file__).with_name("mermaid_corpus.json")
FOLDER = os.environ.get("STACKC_MERMAID")

Answer: TypeAlias = dict[str, Any]
Judge: TypeAlias = Callable[[list[str]], list[Answer]]


@pytest.fixture(scope="module")
def judge() -> Judge:
    """Mermaid's answer to each text: the content of its flowchart database, or `refused`."""
    if not FOLDER and os.environ.get("CI"):
        pytest.fail("in CI STACKC_MERMAID must name a folder with the npm packages of Mermaid")
    if not FOLDER:
        pytest.skip("STACKC_MERMAID does not name a folder with the npm packages of Mermaid")

    def answers(texts: list[str]) -> list[Answer]:
        request = json.dumps({"flowcharts": [{"text": text} for text in texts]})
        command = ["node", str(CORPUS.with_name("mermaid_judge.mjs"))]
        done = subprocess.run(command, input=request, capture_output=True, encoding="utf-8", check=False, cwd=FOLDER)
        assert done.returncode == 0, done.stderr
        flowcharts: list[Answer] = json.loads(done.stdout)["flowcharts"]
        assert [answer["text"] for answer in flowcharts] == texts
        return flowcharts

    return answers


def refused(charts: dict[str, str], judge: Judge) -> dict[str, str]:
    answers = zip(charts, judge([*charts.values()]), strict=True)
    return {name: answer["refused"] for name, answer in answers if "refused" in answer}


def project_charts() -> Iterator[tuple[str, str]]:
    """Every Mermaid file, and every fenced diagram that is not marked as wrong."""
    for path in (path for folder in ("compiler", "specs", "tests") for path in (PROJECT / folder).rglob("*.mmd")):
        if path.parent.name != "bad_specs":
            yield str(path.relative_to(PROJECT)), path.read_text(encoding="utf-8")
    for path in (PROJECT / "README.md", *(PROJECT / "compiler").rglob("*.md")):
        for token in MarkdownIt().parse(path.read_text(encoding="utf-8")):
            if token.type == "fence" and token.map and re.match(r"mermaid(?!.*\bwrong\b)", token.info):
                yield f"{path.relative_to(PROJECT)}:{token.map[0] + 1}", token.content


def written_charts() -> Iterator[tuple[str, str]]:
    """What stackc writes of its specs: drawings, their Mermaid syntax, the scaffold of a bare diagram."""
    for path in SPECS:
        typed = check_spec(path).typed
        for depth in (1, 2, 9):
            yield f"show {path} --depth {depth}", write_mermaid(compose(typed, depth))
        mermaid = convert_syntax(load_source(path), "mermaid")
        yield f"show {path} --as mermaid", mermaid
        yield f"init {path}", scaffold(mermaid.rpartition("---\n")[2], path.name, "bare").text


@pytest.mark.slow
def test_mermaid_accepts_what_the_project_shows(judge: Judge) -> None:
    charts = dict(project_charts())
    assert {"specs/seed.mmd", "README.md"} <= {name.partition(":")[0] for name in charts}
    assert not refused(charts, judge)


@pytest.mark.slow
def test_mermaid_accepts_what_stackc_writes(judge: Judge) -> None:
    charts = dict(written_charts())
    assert len(charts) == 5 * len(SPECS)
    assert not refused(charts, judge)


@pytest.mark.slow
def test_the_corpus_has_mermaids_answers(judge: Judge) -> None:
    """test_mermaid_corpus.py compares our reader with the corpus where Mermaid is not installed."""
    corpus = json.loads(CORPUS.read_text(encoding="utf-8"))["flowcharts"]
    assert len(corpus) >= 300
    for answer, expected in zip(judge([chart["text"] for chart in corpus]), corpus, strict=True):
        if "refused" in expected:
            assert "refused" in answer, answer["text"]
        else:
            assert answer == expected


@pytest.mark.slow
def test_mermaid_reads_what_is_generated(judge: Judge) -> None:
    drawn: list[Drawing] = []

    @settings(max_examples=100, derandomize=True, database=None, deadline=None, phases=[Phase.generate])
    @given(st.from_type(Drawing))
    def draw(drawing: Drawing) -> None:
        drawn.append(drawing)

    draw()
    for answer, drawing in zip(judge([write_drawing(drawing) for drawing in drawn]), drawn, strict=True):
        assert "refused" not in answer, answer["text"]
        ids = [id for id, *_ in answer["vertices"] if id not in drawing.groups]
        assert ids == list(drawing.nodes)
        arrows = [[a.source, a.target, a.stroke, a.length, a.id] for a in drawing.arrows]
        assert [[start, end, *rest] for start, end, _, *rest in answer["edges"]] == arrows
        members = {id: sorted(group.members) for id, group in drawing.groups.items()}
        assert {id: inside for id, _, inside, _ in answer["subgraphs"]} == members


def test_the_reserved_words_are_mermaids(judge: Judge) -> None:
    charts = {word: f"flowchart LR\n  a --> {word}" for word in sorted(MERMAID_WORDS)}
    assert refused(charts, judge).keys() == MERMAID_WORDS


@pytest.mark.slow
def test_no_word_of_mermaids_grammars_is_overlooked(judge: Judge) -> None:
    """Words in the rules of all its lexers, including those of other diagrams."""
    assert FOLDER is not None
    chunks = Path(FOLDER, "node_modules", "mermaid", "dist", "chunks", "mermaid.core").glob("*.mjs")
    rules = [rule for chunk in chunks for rule in re.findall(r"/\^.*?/i?[,\]]", chunk.read_text(encoding="utf-8"))]
    words = {word for rule in rules for word in re.findall(r"(?<![\w-])[A-Za-z_]+(?:-[a-z]+)*", rule)}
    assert words >= MERMAID_WORDS
    charts = {word: f"flowchart LR\n  a --> {word}" for word in sorted(words)}
    for word in refused(charts, judge):
        with pytest.raises(SpecError):
            read_drawing(charts[word], file=word)
