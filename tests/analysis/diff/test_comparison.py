"""Differences between specs: one edit, one change; nothing else is reported; the figures add up."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest
from tests.analysis.diff.base import BASE, edited, growth, typed

from stackc.analysis.diff.changes import Change
from stackc.analysis.diff.comparison import compare
from stackc.analysis.diff.report import write_text
from stackc.frontend import Overrides, check_spec
from stackc.ir.typed import TypedGraph

SPECS = Path(__file__).parents[3] / "specs"


def changes(*edits: tuple[str, str]) -> list[Change]:
    return list(compare(typed(BASE), edited(*edits)).changes)


@pytest.mark.parametrize("path", sorted(SPECS.iterdir()), ids=lambda path: path.name)
def test_a_spec_does_not_differ_from_itself(path: Path) -> None:
    difference = compare(check_spec(path).typed, check_spec(path).typed)
    assert not difference.changes
    assert difference.before == difference.after


@pytest.mark.parametrize(
    ("edits", "expected"),
    [
        (
            [("c[linear] --> d", "c[linear] --> new[tanh] --> d")],
            [
                Change("added", None, "new", "tanh"),
                Change("rewired", "d", "d", "layer_norm", ("x: from c → from new",)),
            ],
        ),
        (
            [("--> b[gelu] ", "")],
            [
                Change("removed", "b", None, "gelu"),
                Change("rewired", "c", "c", "linear", ("x: from b → from a",)),
            ],
        ),
        (
            [("a: {out: 64}", "a: {out: 64, bias: false}")],
            [Change("changed", "a", "a", "linear", ("bias: true → false",), 1, -64)],
        ),
        ([("b[gelu]", "b[tanh]")], [Change("changed", "b", "b", "tanh", ("gelu → tanh",))]),
        ([("b[gelu]", "act[gelu]")], [Change("renamed", "b", "act", "gelu")]),
        ([("b[gelu]", 'b["activation"]'), ("nodes:\n  a", "nodes:\n  b: {op: gelu}\n  a")],
         [Change("changed", "b", "b", "gelu", ("label: gelu → activation",))]),
        ([("a --> s[stack]", "x --> s[stack]")], [Change("rewired", "s", "s", "stack", ("x: from a → from x",))]),
        ([("max: 8", "max: 9")], [Change("changed", "batch", "batch", "dim", ("from 1 up to 8 → from 1 up to 9",))]),
        ([("y: e", "z: e")], [Change("renamed", "y", "z", "output")]),
        ([("inputs: {x:", "inputs: {image:"), ("  x --> a[", "  image --> a[")],
         [Change("renamed", "x", "image", "input")]),
        ([("name: test", "name: other")], [Change("renamed", "test", "other", "model")]),
        ([("name: test", "name: test\ndescription: a test")],
         [Change("changed", "test", "test", "model", ("description: none → a test",))]),
        ([("{max: 8}", "{max: 8, multiple_of: 4}")],
         [Change("changed", "batch", "batch", "dim", ("from 1 up to 8 → from 1 up to 8, a multiple of 4",))]),
        ([("outputs: {", "weights: {file: a.npz, map: {a.*: f.*}, ignore: [g]}\noutputs: {")],
         [Change("added", None, "weights", "weights",
                 ("file: none → a.npz", "map of a.*: none → f.*", "ignore: none → g"))]),
        ([("y: e", "y: e, tap: a")], [Change("added", None, "tap", "output", ("float32[batch, 64]",))]),
    ],
)  # fmt: skip
def test_one_edit_is_one_change(edits: list[tuple[str, str]], expected: list[Change]) -> None:
    assert changes(*edits) == expected


def test_a_change_in_a_layer_is_told_once() -> None:
    (change,) = changes(("act[relu]", "act[gelu]"))
    assert change == Change("changed", "s.0.act", "s.0.act", "gelu", ("relu → gelu",), 12)
    wider = changes(("up: {out: 128}", "up: {out: 256}"))
    assert [(c.path, c.repeat, c.parameters) for c in wider] == [
        ("s.0.up", 12, 12 * 128 * 65),
        ("s.0.down", 12, 12 * 128 * 64),
    ]
    assert wider[1].details == ("weight: float32[64, 128] → float32[64, 256]",)


def test_parameters_that_changed_shape_are_counted() -> None:
    before, after = (
        typed(
            f"stackc: 1\nname: t\ninputs: {{x: {{shape: [batch, seq, {dim}]}}}}\n"
            "graph: x --> n[layer_norm] --> a[attention]\nnodes: {a: {heads: 4}}\n"
        )
        for dim in (64, 128)
    )
    norm, attention = (
        change for change in compare(before, after).changes if change.path in ("n", "a") and change.op != "output"
    )
    assert norm.details == ("weight: float32[64] → float32[128]", "1 more parameter changed shape")
    assert attention.details[1] == "7 more parameters changed shape"


def test_more_layers_are_added_to_those_that_are_there() -> None:
    each = 65 * 128 + 129 * 64
    assert changes(("repeat: 12", "repeat: 30")) == [Change("added", None, "s.12", "layer", (), 18, 18 * each)]
    assert changes(("repeat: 12", "repeat: 5")) == [Change("removed", "s.5", None, "layer", (), 7, -7 * each)]


def test_a_shared_module_changes_once() -> None:
    shared = ("repeat: 12", "repeat: 12, share: true")
    before, after = edited(shared), edited(shared, ("up: {out: 128}", "up: {out: 256, bias: true}"))
    up, _ = compare(before, after).changes
    assert (up.repeat, up.parameters) == (12, 128 * 65)


def test_a_sub_model_in_the_middle_of_a_list_shifts_no_other() -> None:
    ofs = [("of: layer, repeat: 12", f"of: [{ops}]") for ops in ("tanh, gelu, relu", "tanh, silu, gelu, relu")]
    stack, member = compare(edited(ofs[0]), edited(ofs[1])).changes
    assert stack.details == ("of: tanh, gelu, relu → tanh, silu, gelu, relu",)
    assert member == Change("added", None, "s.1", "silu")


def test_a_stack_that_shares_says_so_in_the_words_of_the_spec() -> None:
    each = 65 * 128 + 129 * 64
    shared = ("repeat: 12", "repeat: 12, share: true")
    assert changes(shared) == [Change("changed", "s", "s", "stack", ("share: false → true",), 1, -11 * each)]
    (back,) = compare(edited(shared), typed(BASE)).changes
    assert (back.details, back.parameters) == (("share: true → false",), 11 * each)


@pytest.mark.parametrize(
    "edits",
    [
        [],
        [("repeat: 12", "repeat: 5")],
        [("up: {out: 128}", "up: {out: 32}")],
        [("of: layer, repeat: 12", "of: linear, repeat: 5, with: {out: 64}")],
    ],
)
def test_parameters_add_up_where_a_stack_comes_to_share(edits: list[tuple[str, str]]) -> None:
    separate, shared = edited(*edits), edited(*edits, ("  s: {of", "  s: {share: true, of"))
    for before, after in ((separate, shared), (shared, separate), (typed(BASE), shared), (shared, typed(BASE))):
        difference = compare(before, after)
        assert sum(c.parameters for c in difference.changes) == growth(difference)


def test_a_renamed_block_is_told_once() -> None:
    assert changes(("of: layer", "of: cell"), ("  layer:\n", "  cell:\n")) == [
        Change("renamed", "layer", "cell", "block")
    ]
    renamed, inside = changes(("of: layer", "of: cell"), ("  layer:\n", "  cell:\n"), ("act[relu]", "act[gelu]"))
    assert renamed == Change("renamed", "layer", "cell", "block")
    assert inside == Change("changed", "s.0.act", "s.0.act", "gelu", ("relu → gelu",), 12)


def test_a_tap_is_told_by_its_path() -> None:
    before, after = edited(("y: e", "y: e, tap: s.3")), edited(("y: e", "y: e, tap: s.4.act"))
    tap, *_ = compare(before, edited(("y: e", "y: e, tap: s.4"))).changes
    assert tap == Change("rewired", "tap", "tap", "output", ("from s.3 → from s.4",))
    changed, rewired = compare(before, after).changes
    assert changed.details == ("float32[batch, 64] → float32[batch, 128]",)
    assert rewired.details == ("from s.3 → from s.4.act",)
    assert compare(before, edited(("y: e", "y: e, end: s.3"))).changes == (Change("renamed", "tap", "end", "output"),)
    assert compare(before, edited(("y: e", "y: e, first: s.0, tap: s.3"))).changes == (
        Change("added", None, "first", "output", ("float32[batch, 64]",)),
    )
    assert [c.kind for c in compare(before, edited(("y: e", "y: e, end: s.4"))).changes] == ["removed", "added"]


def test_what_an_input_holds_is_told_in_numbers() -> None:
    text = """\
stackc: 1
name: test
params: {vocab: 100}
inputs:
  ids: {shape: [batch], dtype: int64, below: vocab}
  mask: {shape: [batch], dtype: int64, values: [0, 1]}
graph: |
  ids --> e[embedding]
  mask --> f[embedding]
  e --> y[add]
  f --> y
nodes: {e: {vocab: 100, dim: 8}, f: {vocab: 4, dim: 8}}
"""

    below = typed(text.replace("vocab: 100}\n", "vocab: 50}\n", 1))
    assert compare(typed(text), below).changes == (Change("changed", "ids", "ids", "input", ("below: 100 → 50",)),)

    values = typed(text.replace("[0, 1]", "[0, 1, 3]"))
    assert compare(typed(text), values).changes == (
        Change("changed", "mask", "mask", "input", ("values: 0, 1 → 0, 1, 3",)),
    )

    other = typed(text.replace("mask: {shape: [batch], dtype: int64", "mask: {shape: [batch], dtype: int32"))
    assert compare(typed(text), other).changes[0].details == ("int64[batch] → int32[batch]",)


def test_a_number_is_the_same_however_it_is_written() -> None:
    """A lock says -1.0 of an input of floats for which the spec says -1."""
    other = ("{x: {shape: [batch, 64]}}", "{x: {shape: [batch, 64], min: -1.0, max: 2/2}}")
    before = edited(("{x: {shape: [batch, 64]}}", "{x: {shape: [batch, 64], min: -1, max: 1}}"))
    assert not compare(before, edited(other)).changes
    (change,) = compare(before, edited((other[0], other[1].replace("-1.0", "-1.5")))).changes
    assert change.details == ("min: -1 → -1.5",)


def test_renamed_inputs_are_told_apart_by_what_takes_them() -> None:
    text = """\
stackc: 1
name: test
inputs: {a: {shape: [batch, 8]}, b: {shape: [batch, 8]}}
graph: |
  a --> one[tanh] --> y[add]
  b --> two[gelu] --> y
"""

    names = (("{a:", "{q:"), (", b:", ", p:"), ("  a -->", "  q -->"), ("  b -->", "  p -->"))
    other = text
    for old, new in names:
        other = other.replace(old, new)
    assert compare(typed(text), typed(other)).changes == (
        Change("renamed", "a", "q", "input"),
        Change("renamed", "b", "p", "input"),
    )


def test_a_change_leads_to_the_line_that_makes_it() -> None:
    lines = BASE.splitlines()

    def line_of(part: str) -> int:
        return next(number for number, line in enumerate(lines, 1) if part in line)

    (narrower, *_), (changed,), (rewired,) = (
        changes(("down: {out: 64}", "down: {out: 64, bias: false}")),
        changes(("repeat: 12", "repeat: 12, share: true")),
        changes(("a --> s[stack]", "x --> s[stack]")),
    )
    assert str(narrower.place) == f"test.yaml:{line_of('down: {out')}"
    assert str(changed.place) == f"test.yaml:{line_of('of: layer')}"
    assert str(rewired.place) == f"test.yaml:{line_of('a --> s')}"
    (removed, *_) = changes(("--> b[gelu] ", ""))
    assert (str(removed.at[0]), removed.at[1]) == (f"test.yaml:{line_of('b[gelu]')}", None)


def test_a_small_change_is_told_to_the_last_digit() -> None:
    text = write_text(compare(typed(BASE), edited(("a: {out: 64}", "a: {out: 64, bias: false}"))))
    assert "parameters   207,360 → 207,296  -64 (-0.031 %)" in text
    assert "weights      829,440 B → 829,184 B  -256 B (-0.031 %)" in text


def test_a_dim_that_is_a_multiple_is_told_of_the_dim_alone() -> None:
    text = write_text(compare(typed(BASE), edited(("{max: 8}", "{max: 8, multiple_of: 4}"))))
    assert "FLOPs        410 k·batch  unchanged" in text


def merged(merge: str, arrows: str = "x --> d\n") -> TypedGraph:
    return edited(("  d --> e\n", f"  d --> e\n  {arrows}"), ("  c: {out", f"  d: {{merge: {merge}}}\n  c: {{out"))


def test_another_merge_is_told_of_the_node_that_takes_it() -> None:
    assert compare(merged("sum"), merged("mean")).changes == (
        Change("changed", "d", "d", "layer_norm", ("merge: sum → mean",)),
    )
    (change,) = compare(merged("sum"), merged("weighted")).changes
    assert (change.details, change.parameters) == (("merge: sum → weighted",), 3)
    more = merged("sum", "x --> d\n  b --> d\n")
    assert compare(merged("sum"), more).changes == (
        Change("rewired", "d", "d", "layer_norm", ("x: from c, x → from c, x, b",)),
    )
    assert compare(typed(BASE), merged("sum")).changes == (
        Change("changed", "d", "d", "layer_norm", ("merge: none → sum",)),
        Change("rewired", "d", "d", "layer_norm", ("x: from c → from c, x",)),
    )


def test_a_merge_goes_with_the_node_that_takes_it() -> None:
    without = (("c[linear] --> d[layer_norm]", "c[linear] --> f[tanh]"), ("  d --> e", "  f --> e"))
    difference = compare(merged("weighted"), edited(*without))
    removed = next(change for change in difference.changes if change.kind == "removed")
    assert (removed.before, removed.parameters) == ("d", -2 * 64 - 3)
    assert sum(c.parameters for c in difference.changes) == growth(difference)


def test_a_whole_chain_can_be_renamed() -> None:
    text = BASE
    for id in "abcdes":
        text = re.sub(rf"\b{id}\b(?=\[| -->|:|\}}| *$)", f"node_{id}", text, flags=re.MULTILINE)
    renames = compare(typed(BASE), typed(text)).changes
    assert [(change.kind, change.before, change.after) for change in renames] == [
        ("renamed", id, f"node_{id}") for id in check_order(typed(BASE))
    ]


def check_order(graph: TypedGraph) -> list[str]:
    return list(graph.root.region.nodes)


def test_blocks_are_renamed_with_all_that_is_in_them() -> None:
    renames = changes(("s[stack]", "tower[stack]"), ("  s: {of", "  tower: {of"), ("act[relu]", "nonlinear[relu]"))
    assert [(c.kind, c.before, c.after, c.repeat) for c in renames] == [
        ("renamed", "s", "tower", 1),
        ("renamed", "s.0.act", "tower.0.nonlinear", 12),
    ]


@pytest.mark.parametrize(
    ("spec", "params"),
    [
        ("gpt2.yaml", {"dim": "1024", "layers": "24", "heads": "16"}),
        ("bert_base.yaml", {"layers": "3"}),
        ("unet.yaml", {"width0": "16"}),
        ("ensemble.yaml", {}),
    ],
)
def test_the_changes_of_parameters_add_up(spec: str, params: dict[str, str]) -> None:
    difference = compare(check_spec(SPECS / spec).typed, check_spec(SPECS / spec, Overrides(params)).typed)
    assert sum(change.parameters for change in difference.changes) == growth(difference)


def test_unlike_models_add_up_too() -> None:
    difference = compare(check_spec(SPECS / "bert_base.yaml").typed, check_spec(SPECS / "t5.yaml").typed)
    assert sum(change.parameters for change in difference.changes) == growth(difference)


def test_a_renamed_model_of_3000_nodes_takes_a_moment() -> None:
    def chain(letter: str) -> TypedGraph:
        arrows = "\n".join(f"  {letter}{i} --> {letter}{i + 1}[{'tanh' if i % 2 else 'gelu'}]" for i in range(3000))
        return typed(
            f"stackc: 1\nname: t\ninputs: {{x: {{shape: [batch, 8]}}}}\ngraph: |\n  x --> {letter}0[tanh]\n{arrows}\n"
        )

    before, after = chain("a"), chain("b")
    start = time.process_time()
    differences = compare(before, after).changes
    assert time.process_time() - start < 5
    assert {change.kind for change in differences if change.op != "output"} == {"renamed"}
