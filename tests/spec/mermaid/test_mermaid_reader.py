"""Reading a diagram: its nodes, arrows and groups, and their spans."""

import pytest

from stackc.core.diagnostics import Span, SpecError
from stackc.spec.drawing import Arrow, Drawing, DrawnNode, Group, StyleLine
from stackc.spec.mermaid.mermaid_reader import read_drawing


def read(*lines: str) -> Drawing:
    return read_drawing("\n".join(lines), file="x.mmd", header=False)


def arrows(drawing: Drawing) -> list[tuple[str, str, str | None]]:
    return [(arrow.source, arrow.target, arrow.text) for arrow in drawing.arrows]


def test_the_articles_diagram() -> None:
    drawing = read(
        "graph LR",
        "    A[Transformer模型] --> B{叠加组件}",
        "    B --> C{子模型1}",
        "    B --> D{子模型2}",
        "    C --> F",
        "    D --> F{归一化组件}",
    )

    assert drawing == Drawing(
        direction="LR",
        nodes={
            "A": DrawnNode("A", "Transformer模型", "rect"),
            "B": DrawnNode("B", "叠加组件", "diamond"),
            "C": DrawnNode("C", "子模型1", "diamond"),
            "D": DrawnNode("D", "子模型2", "diamond"),
            "F": DrawnNode("F", "归一化组件", "diamond"),
        },
        arrows=(Arrow("A", "B"), Arrow("B", "C"), Arrow("B", "D"), Arrow("C", "F"), Arrow("D", "F")),
    )
    assert list(drawing.nodes) == ["A", "B", "C", "D", "F"]


def test_chains_and_lists_connect_each_with_each() -> None:
    assert arrows(read("a & b --> c & d --> e")) == [
        ("a", "c", None), ("a", "d", None), ("b", "c", None), ("b", "d", None), ("c", "e", None), ("d", "e", None),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("link", "text", "out", "into"),
    [
        ("-->", None, None, None),
        ("-->|mask|", "mask", None, "mask"),
        ("-- mask -->", "mask", None, "mask"),
        ("--mask-->", "mask", None, "mask"),
        ('-. "mask" .->', "mask", None, "mask"),
        ("==>|out : in|", "out : in", "out", "in"),
        ("-->|hidden:|", "hidden:", "hidden", None),
        ('-->|" "|', None, None, None),
    ],
)
def test_the_text_of_an_arrow_names_ports(link: str, text: str | None, out: str | None, into: str | None) -> None:
    (arrow,) = read(f"a {link} b").arrows
    assert (arrow.text, arrow.out, arrow.into) == (text, out, into)


def test_spans_lead_back_to_the_text() -> None:
    drawing = read_drawing(
        "  模型[网络] -->|mask| b\n  %% why\n  b --> c", file="m.yaml", line=7, column=5, header=False
    )
    assert drawing.nodes["模型"].span == Span("m.yaml", 7, 7, 9)
    assert drawing.nodes["模型"].label_span == Span("m.yaml", 7, 9, 13)
    assert drawing.nodes["b"].span == Span("m.yaml", 7, 24, 25)
    assert drawing.nodes["b"].label_span is None
    assert [arrow.span for arrow in drawing.arrows] == [Span("m.yaml", 7, 14, 23), Span("m.yaml", 9, 9, 12)]
    assert drawing.comments[0].span.line == 8


def test_a_span_stays_on_its_line() -> None:
    drawing = read('a["two', '  lines"] --> b')
    assert drawing.nodes["a"].label == "two\n  lines"
    assert drawing.nodes["a"].label_span == Span("x.mmd", 1, 2, 7)
    assert drawing.nodes["b"].span == Span("x.mmd", 2, 15, 16)


def test_a_node_belongs_to_the_first_group_that_ends_after_it() -> None:
    drawing = read(
        "subgraph outer [The outer]",
        "  direction TD",
        "  a --> b",
        "  subgraph two words",
        "    b --> c",
        "  end",
        "end",
        "subgraph late",
        "  a --> d",
        "end",
    )

    assert drawing.groups == {
        "outer": Group("outer", "The outer", ("a", "subGraph0"), "TB"),
        "subGraph0": Group("subGraph0", "two words", ("b", "c")),
        "late": Group("late", None, ("d",)),
    }


def test_styles_comments_and_directives_are_kept() -> None:
    drawing = read(
        "%%{init: {'theme': 'dark'}}%%",
        "graph LR",
        "%% above",
        "a:::hot e1@--> b ~~~ c",
        "classDef hot fill:#f9f;",
        'click a "https://x.org/?a;b"; b --> c',
        "e1@{ animate: true }",
        "b@{ w: 60, label: bee }",
    )

    assert [line.text for line in drawing.styling] == [
        "%%{init: {'theme': 'dark'}}%%",
        "class a hot",
        "b ~~~ c",
        "classDef hot fill:#f9f",
        'click a "https://x.org/?a;b"',
        "e1@{ animate: true }",
        "b@{ w: 60 }",
    ]
    assert drawing.comments == (StyleLine("above"),)
    assert drawing.nodes["b"].label == "bee"
    assert arrows(drawing) == [("a", "b", None), ("b", "c", None)]


def test_a_label_may_be_repeated_and_a_shape_changed() -> None:
    assert read("a[x] --> b", "a(x) --> c").nodes["a"] == DrawnNode("a", "x", "round")


def test_words_of_mermaid_inside_ids_are_part_of_the_id() -> None:
    assert list(read("endpoint --> graph1 --> styled --> xo").nodes) == ["endpoint", "graph1", "styled", "xo"]


@pytest.mark.parametrize("text", ["", "  \n;;\n", "graph"])
def test_nothing_is_a_drawing(text: str) -> None:
    assert read(text) == Drawing()


@pytest.mark.slow
@pytest.mark.parametrize(
    "piece",
    ["-", "=", ".", "-.", "(", "[", "<", ">", "|", '"', " & ", "%%{", "@{", "~", " ", ";", "-- a;", "-. a;", "A>a\n",
     "A[\n", 'A["\n', "A -->|x\n", "A --> ", "subgraph s\n", "end\n", "accDescr {\n", "style a ", "é", "<a", "A@x["],
)  # fmt: skip
def test_no_line_is_too_long(piece: str) -> None:
    """100,000 characters of anything are parsed or refused, without taking quadratic time."""
    many = piece * (100_000 // len(piece))
    assert problems(many) <= 1_001
    assert problems("A " + many) <= 1_001


def problems(text: str) -> int:
    try:
        read(text)
    except SpecError as error:
        return len(error.diagnostics)
    return 0
