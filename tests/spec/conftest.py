"""The hypothesis strategy of `Drawing`, for `st.from_type(Drawing)`."""

from dataclasses import replace

from hypothesis import strategies as st

from stackc.core.diagnostics import Span
from stackc.spec.drawing import Arrow, Drawing, DrawnNode, Group, StyleLine
from stackc.spec.mermaid.shapes import BRACKETS, NAMES

IDS = st.sampled_from(["a", "b", "x1", "子模型1", "norm_1", "a-b", "Ω", "o", "x", "v", "2b", "endpoint", "é"])
TEXTS = st.one_of(
    st.sampled_from(["end", "a b", "a:b", "`**md**`", "#quot;", "a<br/>b", "two\n  lines", "(x)", "a;b", "--> b", "v"]),
    st.text(st.characters(exclude_categories=["C", "Z"], exclude_characters='"`') | st.just(" "), max_size=12).map(
        str.strip
    ),
).filter(lambda text: not text.startswith("<") and "direction" not in text and "<" not in text.replace("<br/>", ""))
BRACKETED = sorted({shape for closings in BRACKETS.values() for shape in closings.values()})


@st.composite
def drawings(draw: st.DrawFn) -> Drawing:
    """Drawings as the reader makes them: every arrow connects nodes, and a node is in at most one group."""
    ids = draw(st.lists(IDS, min_size=1, unique=True))
    labelled = st.builds(DrawnNode, st.just(""), TEXTS, st.sampled_from(BRACKETED + sorted(NAMES)))
    bare = st.builds(DrawnNode, st.just(""), st.none(), st.sampled_from(sorted(NAMES)))
    nodes = {id: replace(draw(labelled | bare), id=id) for id in ids}

    arrow = st.builds(
        Arrow,
        st.sampled_from(ids),
        st.sampled_from(ids),
        st.none() | TEXTS.filter(lambda text: text and text.count(":") < 2),
        st.none(),
        st.sampled_from(["normal", "thick", "dotted"]),
        st.integers(1, 10),
        st.builds(Span, st.just("x"), st.integers(1, 9)),
    )
    arrows = draw(st.lists(arrow, max_size=8))
    with_ids = [replace(a, id=f"e{i}") if draw(st.booleans()) else a for i, a in enumerate(arrows)]

    comment = st.builds(StyleLine, TEXTS.filter(lambda text: "\n" not in text), st.just(Span("x", 3)))
    style = st.sampled_from([StyleLine("classDef hot fill:#f9f"), StyleLine("class a hot")])
    comments = draw(st.lists(comment, max_size=2))
    return Drawing(
        draw(st.sampled_from([None, "LR", "TB", "BT", "RL"])),
        nodes,
        tuple(with_ids),
        draw(groups(ids)),
        tuple(draw(st.lists(style, max_size=2))),
        tuple(comments),
    )


@st.composite
def groups(draw: st.DrawFn, ids: list[str]) -> dict[str, Group]:
    """Groups g0, g1, …; each group and each node is in no group or in an earlier one."""
    count = draw(st.integers(0, 3))
    members: list[list[str]] = [[] for _ in range(count)]
    for member, earlier in [*((id, count) for id in ids), *((f"g{i}", i) for i in range(count))]:
        if earlier and draw(st.booleans()):
            members[draw(st.integers(0, earlier - 1))].append(member)
    directions = st.sampled_from([None, "LR", "TB"])
    return {f"g{i}": Group(f"g{i}", draw(st.none() | TEXTS), tuple(members[i]), draw(directions)) for i in range(count)}


st.register_type_strategy(Drawing, drawings())
