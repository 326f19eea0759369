"""The content of a picture: boxes, frames, arrows, and their texts."""

from __future__ import annotations

from pathlib import Path

import pytest

from stackc.frontend import Overrides, check_source, check_spec
from stackc.ir.typed import TypedGraph
from stackc.spec.source import Source
from stackc.view.compose import compose
from stackc.view.picture import Box, Cluster, Picture, PictureArrow, walk

SPECS = Path(__file__).parents[2] / "specs"

FFN = """
blocks:
  ffn:
    params: {hidden: 128}
    inputs: [x]
    graph: |
      x --> up[linear] --> gelu --> down[linear] --> r[add]
      x --> r
    nodes: {up: {out: hidden}, down: {out: 64}}
"""


def typed_of(nodes: str, graph: str = "x --> s[stack]", rest: str = "") -> TypedGraph:
    indented = "\n".join(f"  {line}" for line in graph.splitlines())
    text = f"""\
stackc: 1
name: test
inputs:
  x: {{shape: [batch, 64]}}
graph: |
{indented}
nodes: {nodes}
{rest}
{FFN}"""
    return check_source(Source("test.yaml", text)).typed


def spec(name: str, **params: str) -> TypedGraph:
    return check_spec(SPECS / name, Overrides(params)).typed


def boxes(picture: Picture) -> dict[str, Box]:
    return {box.id: box for box in picture.boxes()}


def clusters(picture: Picture) -> dict[str, Cluster]:
    return {part.id: part for part in walk(picture.parts) if isinstance(part, Cluster)}


def ends(picture: Picture) -> list[tuple[str, str]]:
    return [(arrow.source, arrow.target) for arrow in picture.arrows]


def test_the_articles_diagram_keeps_its_labels_and_arrows() -> None:
    picture = compose(spec("seed.mmd"))

    assert {id: box.title for id, box in boxes(picture).items()} == {
        "x": "x",
        "A": "Transformer模型",
        "B": "叠加组件",
        "C": "子模型1",
        "D": "子模型2",
        "E": "子模型3",
        "F_merge": "+",
        "F": "归一化组件",
        "output F": "F",
    }

    drawn = {("A", "B"), ("B", "C"), ("B", "D"), ("B", "E"), ("C", "F_merge"), ("D", "F_merge"), ("E", "F_merge")}
    assert set(ends(picture)) == {*drawn, ("x", "A"), ("F_merge", "F"), ("F", "output F")}
    assert picture.direction == "LR"
    assert not clusters(picture)


def test_a_box_says_what_it_is_and_what_it_costs() -> None:
    word = boxes(compose(spec("bert_base.yaml")))["word"]
    assert word == Box("word", "word", ("embedding · vocab 30522 · dim 768", "23.4 M parameters"), family="embedding")
    down = boxes(compose(spec("ensemble.yaml"), 3))["encoders.2.down"]
    assert down.lines[0] == "linear · out 256 · weight: standardize"


def test_arrows_tell_ports_and_types_once() -> None:
    picture = compose(spec("bert_base.yaml"))
    labels = {(arrow.source, arrow.target): arrow.label for arrow in picture.arrows}
    assert labels["position", "embed"] == "[1, seq, 768]"
    assert labels["attention_mask", "encoder"] == "mask"  # whose type stands on the input
    assert labels["encoder", "cls"] == "[batch, seq, 768]"


def test_depth_opens_one_level_after_the_other() -> None:
    closed, opened, more = (compose(spec("ensemble.yaml"), depth) for depth in (1, 2, 3))
    assert not clusters(closed)
    assert list(clusters(opened)) == ["encoders"]
    assert list(clusters(more)) == ["encoders", "encoders.0", "encoders.1", "encoders.2"]
    assert compose(spec("ensemble.yaml"), 4) == more
    assert clusters(more)["encoders.1"].title == "pre_norm"


def test_a_stack_of_equal_members_is_one_of_them() -> None:
    closed = boxes(compose(spec("bert_base.yaml")))["encoder"]
    assert (closed.repeat, closed.form, closed.family) == (12, "model", "stack")
    assert closed.lines[:2] == ("stack of layer", "85.1 M parameters")
    opened = compose(spec("bert_base.yaml", layers="7"), 2)
    encoder = clusters(opened)["encoder"]
    assert encoder.repeat == 7
    assert [part.id.rpartition(".")[2] for part in encoder.parts] == [
        "x", "attn", "drop1", "add1", "norm1", "mlp", "drop2", "add2", "norm2",
    ]  # fmt: skip
    assert ("encoder.0.norm2", "cls") in ends(opened)


def test_a_stack_of_equal_components_stays_a_box() -> None:
    picture = compose(spec("stacked.yaml"), 5)
    assert not clusters(picture)
    assert boxes(picture)["layers"].repeat == 3


def test_the_repeated_stretch_of_a_stack_is_folded_within_too() -> None:
    typed = typed_of("{s: {of: ffn, repeat: 12, norm: layer_norm, norm_every: 4}}")
    assert boxes(compose(typed))["s"].repeat == 12
    frame = clusters(compose(typed, 2))["s"]
    assert [(part.id, part.title, part.repeat) for part in frame.parts] == [
        ("s.0", "ffn", 4),
        ("s.norm_3", "layer_norm", 1),
    ]
    assert frame.repeat == 3
    assert ends(compose(typed, 2)) == [("x", "s.0"), ("s.0", "s.norm_3"), ("s.norm_3", "output s")]


def test_members_that_differ_stay_apart() -> None:
    typed = typed_of("{s: {of: ffn, repeat: 4, with: {hidden: 64 + 64 * (index // 3)}}}")
    frame = clusters(compose(typed, 2))["s"]
    assert [(part.id, part.repeat) for part in frame.parts] == [("s.0", 3), ("s.3", 1)]
    assert boxes(compose(typed))["s"].repeat == 4


def test_a_tap_ends_what_is_folded() -> None:
    typed = typed_of("{s: {of: ffn, repeat: 8}}", rest="outputs: {y: s, third: s.2}")
    picture = compose(typed, 2)
    frame = clusters(picture)["s"]
    assert [(part.id, part.repeat) for part in frame.parts] == [("s.0", 3), ("s.3", 5)]
    assert ends(picture) == [("x", "s.0"), ("s.0", "s.3"), ("s.3", "output y"), ("s.0", "output third")]


def test_a_tap_inside_a_repeated_stretch_keeps_it_apart() -> None:
    typed = typed_of("{s: {of: ffn, repeat: 4, norm: layer_norm}}", rest="outputs: {y: s, raw: s.1}")
    frame = clusters(compose(typed, 2))["s"]
    assert [(part.id, part.repeat) for part in frame.parts] == [
        ("s.0", 1),
        ("s.norm_0", 1),
        ("s.1", 1),
        ("s.norm_1", 1),
        ("s.2…norm_3", 2),
    ]


def test_equal_members_side_by_side_have_one_arrow_to_the_merge() -> None:
    picture = compose(typed_of("{s: {of: ffn, repeat: 3, mode: mean}}"), 2)
    assert [(part.id, part.title, part.repeat) for part in clusters(picture)["s"].parts] == [
        ("s.0", "ffn", 3),
        ("s.mean", "mean", 1),
    ]
    assert ends(picture) == [("x", "s.0"), ("s.0", "s.mean"), ("s.mean", "output s")]


def test_a_shared_module_counts_its_parameters_once() -> None:
    apart = boxes(compose(typed_of("{s: {of: ffn, repeat: 5}}")))["s"].lines
    shared = boxes(compose(typed_of("{s: {of: ffn, repeat: 5, share: true}}")))["s"].lines
    assert (64 + 1) * 128 + (128 + 1) * 64 == 16_576
    assert apart[:2] == ("stack of ffn", "82.9 k parameters")
    assert shared[:2] == ("stack of ffn · one shared module", "16.6 k parameters")


def test_an_arrow_that_forks_inside_has_a_port_to_fork_at() -> None:
    picture = compose(typed_of("{}", "x --> f[ffn]"), 2)
    port = boxes(picture)["f.x"]
    assert (port.title, port.form) == ("x", "port")
    assert ends(picture)[:2] == [("x", "f.x"), ("f.x", "f.up")]


def test_arrows_around_others_leave_the_type_to_them() -> None:
    picture = compose(typed_of("{a: {out: 64}, b: {out: 64}}", "x --> a[linear] --> b[linear] --> c[add]\na --> c"))
    assert [arrow for arrow in picture.arrows if arrow.source in "abc"] == [
        PictureArrow("a", "b", type="[batch, 64]"),
        PictureArrow("b", "c", type="[batch, 64]"),
        PictureArrow("a", "c", type="[batch, 64]", around=True),
        PictureArrow("c", "output c"),
    ]
    assert picture.arrows[3].label == ""


def test_groups_of_the_drawing_are_frames() -> None:
    graph = """\
subgraph tower ["塔 #quot;A#quot;"]
  x --> a[linear] --> b
  subgraph inner
    b[add]
  end
end
x --> b
b --> c[tanh]"""

    picture = compose(typed_of("{a: {out: 64}, b: {}}", graph))
    tower, inner = clusters(picture)["tower"], clusters(picture)["inner"]
    assert tower.title == '塔 "A"'
    assert [part.id for part in tower.parts] == ["x", "a", "inner"]
    assert [part.id for part in inner.parts] == ["b"]
    assert [part.id for part in picture.parts] == ["tower", "c", "output c"]


@pytest.mark.parametrize("path", sorted(SPECS.iterdir()), ids=lambda path: path.name)
def test_every_arrow_joins_boxes_and_runs_onward(path: Path) -> None:
    typed = check_spec(path).typed
    for depth in (1, 2, 3, 4):
        picture = compose(typed, depth)
        ids = [part.id for part in walk(picture.parts)]
        assert len(ids) == len(set(ids))
        place = {box.id: number for number, box in enumerate(picture.boxes())}
        assert all(place[source] < place[target] for source, target in ends(picture))


def test_arrows_into_a_port_are_numbered_where_their_order_matters_and_lines_hide_it() -> None:
    graph = """\
x --> a[linear] --> y[concat]
x --> b[linear] --> y
a & b --> s[add]
a & b --> one_line[concat]
y & s & one_line --> all[concat]"""
    picture = compose(typed_of("{a: {out: 64}, b: {out: 64}}", graph))
    numbers = {(arrow.source, arrow.target): arrow.number for arrow in picture.arrows if arrow.number}
    assert numbers == {("a", "y"): 1, ("b", "y"): 2}
