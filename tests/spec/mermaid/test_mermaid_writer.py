"""A drawing written as Mermaid and parsed again is equal."""

from hypothesis import given
from hypothesis import strategies as st
from tests.spec.mermaid.mermaid_writer import write_drawing

from stackc.spec.drawing import Arrow, Drawing, DrawnNode
from stackc.spec.mermaid.mermaid_reader import read_drawing


def test_what_it_writes() -> None:
    text = """\
graph TD
  %% the tower
  x --> attn["self-attention (8 heads)"] & add1{add}
  y@{ shape: diam }; attn -. "q:x" .-> add1 e@==> out(((out)))
  subgraph layer [One layer]
    direction LR
    attn
    subgraph inner
      add1:::hot
    end
  end
  classDef hot fill:#f9f
"""
    written = """\
flowchart TB
    %% the tower
    x --> attn["self-attention (8 heads)"]
    x --> add1{add}
    attn -.->|"q:x"| add1
    y@{ shape: diam }
    add1 e@==> out(((out)))
    subgraph layer[One layer]
        direction LR
        attn
        subgraph inner
            add1
        end
    end
    class add1 hot
    classDef hot fill:#f9f
"""

    assert write_drawing(read_drawing(text, file="x.mmd")) == written
    assert write_drawing(read_drawing(written, file="x.mmd")) == written


def test_nodes_keep_the_order_of_their_first_mention() -> None:
    drawing = Drawing(
        nodes={id: DrawnNode(id, id.upper()) for id in "abcd"},
        arrows=(Arrow("d", "b"), Arrow("a", "c")),
    )
    assert write_drawing(drawing) == "flowchart\n    a[A]\n    b[B]\n    c[C]\n    d[D] --> b\n    a --> c\n"


def test_a_comment_stays_above_its_arrow() -> None:
    text = "flowchart LR\n    a --> b\n    %% second\n    b --> c\n    %% last\n"
    assert write_drawing(read_drawing(text, file="x.mmd")) == text


@given(st.from_type(Drawing))
def test_reading_what_was_written_gives_an_equal_drawing(drawing: Drawing) -> None:
    text = write_drawing(drawing)
    again = read_drawing(text, file="x.mmd")
    assert again == drawing
    assert list(again.nodes) == list(drawing.nodes)
