"""The SVG: well-formed, complete, the same bytes each time, nothing on top of anything else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from itertools import combinations
from pathlib import Path
from xml.etree import ElementTree

import pytest

from stackc.core.diagnostics import SpecError
from stackc.frontend import check_spec
from stackc.view import layout
from stackc.view.compose import compose
from stackc.view.dot import write_dot
from stackc.view.layout import Rectangle, lay_out
from stackc.view.palette import colour_of
from stackc.view.picture import Cluster, walk
from stackc.view.svg import draw_svg

SPECS = Path(__file__).parents[2] / "specs"
SVG = {"svg": "http://www.w3.org/2000/svg"}


def svg_of(name: str, depth: int = 1) -> ElementTree.Element:
    return ElementTree.fromstring(draw_svg(check_spec(SPECS / name).typed, depth))


def texts(svg: ElementTree.Element) -> list[str]:
    return [element.text or "" for element in svg.iterfind(".//svg:text", SVG)]


def test_labels_types_and_totals_stand_in_it() -> None:
    shown = texts(svg_of("seed.mmd"))
    for text in ("seed", "Transformer模型", "叠加组件", "归一化组件", "mlp · hidden 512", "413 k parameters · "):
        assert any(line.startswith(text) for line in shown), text
    assert shown.count("[batch, seq, 128]") == 8


def test_repeats_are_marked_and_stand_on_a_card() -> None:
    svg = svg_of("bert_base.yaml")
    encoder = svg.find(".//svg:g[svg:title='encoder']", SVG)
    assert encoder is not None
    assert len(encoder.findall("svg:rect", SVG)) == 2
    assert texts(encoder)[0] == "encoder ×12"


def test_no_arrow_is_seen_through_the_texts_at_the_top_of_a_frame() -> None:
    """An opaque background lies under them, drawn after the arrows."""
    svg = svg_of("t5.yaml", 3)
    drawn = list(svg.iter())
    arrows = [number for number, element in enumerate(drawn) if element.get("class") == "arrow"]
    for head in ("decoder ×6", "stack of decoder_layer", "encoder ×6"):
        (number,) = (number for number, element in enumerate(drawn) if element.text == head)
        background = next(e for e in reversed(drawn[:number]) if e.tag.endswith("rect"))
        assert number > max(arrows)
        assert background.get("fill-opacity") == "1"
        top, left = float(background.attrib["y"]), float(background.attrib["x"])
        assert top < float(drawn[number].attrib["y"]) < top + float(background.attrib["height"])
        assert left < float(drawn[number].attrib["x"]) < left + float(background.attrib["width"])


def test_boxes_have_the_colour_of_their_family() -> None:
    svg = svg_of("bert_base.yaml", 2)
    fills: dict[str, set[str]] = {}
    for box in svg.iterfind(".//svg:g[@class]", SVG):
        kind, *_, family = box.attrib["class"].split()
        rect = box.find("svg:rect", SVG)
        if kind == "box" and rect is not None:
            fills.setdefault(family, set()).add(rect.attrib["fill"])
    assert {"embedding", "attention", "norm", "linear", "merge", "activation", "pool", "input", "output"} <= set(fills)
    assert fills == {family: {colour_of(family).fill} for family in fills}
    assert len({colour_of(family) for family in fills}) == len(fills)


@pytest.mark.parametrize("depth", [1, 2, 3])
@pytest.mark.parametrize("path", sorted(SPECS.iterdir()), ids=lambda path: path.name)
def test_boxes_stand_apart_and_inside_their_frames(path: Path, depth: int) -> None:
    picture = compose(check_spec(path).typed, depth)
    places = lay_out(picture)
    for first, second in combinations(places.boxes.values(), 2):
        assert not overlap(first, second)
    for part in walk(picture.parts):
        if isinstance(part, Cluster):
            inner = [places.boxes.get(p.id) or places.clusters[p.id] for p in walk(part.parts)]
            assert all(contains(places.clusters[part.id], place) for place in inner)
    for arrow, curve in zip(picture.arrows, places.curves, strict=True):
        assert near(curve.points[0], places.boxes[arrow.source])
        assert near(curve.tip, places.boxes[arrow.target])
        assert bool(curve.label) == bool(arrow.label)


def overlap(a: Rectangle, b: Rectangle) -> bool:
    across = a.x < b.x + b.width and b.x < a.x + a.width
    return across and a.y < b.y + b.height and b.y < a.y + a.height


def contains(outer: Rectangle, inner: Rectangle) -> bool:
    right, bottom = inner.x + inner.width <= outer.x + outer.width, inner.y + inner.height <= outer.y + outer.height
    return outer.x <= inner.x and outer.y <= inner.y and right and bottom


def near(point: tuple[float, float], box: Rectangle) -> bool:
    x, y = point
    return box.x - 2 <= x <= box.x + box.width + 2 and box.y - 2 <= y <= box.y + box.height + 2


def test_the_bytes_do_not_depend_on_hash_seeds() -> None:
    code = f"""
import sys
from pathlib import Path
from stackc.frontend import check_spec
from stackc.view.svg import draw_svg
sys.stdout.buffer.write(draw_svg(check_spec(Path({str(SPECS / "ensemble.yaml")!r})).typed, 3).encode())
"""
    first, second = (
        subprocess.check_output([sys.executable, "-c", code], env=os.environ | {"PYTHONHASHSEED": seed})
        for seed in ("1", "2")
    )
    assert first == second
    assert first.startswith(b"<svg")


def test_drawing_loads_nothing_heavy(tmp_path: Path) -> None:
    code = f"""
import json, sys
from pathlib import Path
from stackc.cli.show import command
command.main(["{SPECS / "seed.mmd"}", "-o", {str(tmp_path / "seed.png")!r}], standalone_mode=False)
print(json.dumps(sorted(sys.modules)))
"""
    loaded = json.loads(subprocess.check_output([sys.executable, "-c", code]).splitlines()[-1])
    assert "resvg_py" in loaded
    assert not {"torch", "onnx", "onnxruntime", "numpy"} & set(loaded)


def test_dot_has_clusters_and_sizes_of_its_own() -> None:
    dot = write_dot(compose(check_spec(SPECS / "bert_base.yaml").typed, 2))
    assert 'subgraph "cluster_encoder" {' in dot
    assert "<B>encoder ×12</B>" in dot
    assert dot.count("fixedsize=true") == 1
    assert '"attention_mask" -> "encoder.0.attn" [id=' in dot


def test_error_the_layout_program_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda *_, **__: None)
    with pytest.raises(SpecError) as error:
        draw_svg(check_spec(SPECS / "seed.mmd").typed)
    (diagnostic,) = error.value.diagnostics
    message = "the program graphviz-pure, which lays out pictures, is not installed"
    assert (diagnostic.code, diagnostic.message) == ("V101", message)
    assert diagnostic.hint == f"install it with: {sys.executable} -m pip install graphviz-pure"


def test_error_the_layout_program_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layout, "write_dot", lambda picture: "digraph {")
    with pytest.raises(SpecError, match=r"error\[V102\]: graphviz-pure could not lay out the picture: .*syntax error"):
        draw_svg(check_spec(SPECS / "seed.mmd").typed)
