"""Spec trees and edits on every spec of the repository: the same programs, and candidates that check."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tests.artifact.test_lock import WITHOUT_ARROWS

from stackc.core.diagnostics import SpecError
from stackc.frontend import Checked, Overrides, check_source, check_spec
from stackc.reduction import structure
from stackc.reduction.inline import inline_all
from stackc.reduction.raw import reduce_text
from stackc.reduction.sizes import short_names, smaller_numbers, trees_with_fixed_dims
from stackc.reduction.tree import SpecTree, resolved_tree
from stackc.reduction.tree_types import TreeTypes
from stackc.reduction.write import plain_text, write_tree
from stackc.spec.source import Source
from stackc.spec.yaml.yaml_reader import read_yaml

SPECS = sorted((Path(__file__).parents[2] / "specs").iterdir())
SHARED = """\
stackc: 1
name: shared
inputs: {ids: {dtype: int64, shape: [batch, 4], below: 9}}
graph: |
  ids --> word[embedding] --> one[part] --> two --> head[linear]
nodes:
  word: {vocab: 9, dim: 6}
  two: {same_as: one}
  head: {out: 9, tie: {weight: word.weight}, bias: false}
blocks:
  part: {inputs: [x], graph: "x --> up[linear] --> gelu", nodes: {up: {out: 6}}}
outputs: {scores: head}
"""


def spec_tree(checked: Checked) -> SpecTree:
    return resolved_tree(checked.graph, checked.ranges)


def checked_again(tree: SpecTree) -> Checked:
    return check_source(Source("again.yaml", write_tree(tree)))


def wiring(checked: Checked) -> list[tuple[object, ...]]:
    """Number the values and parameters of a program in running order, so that names do not matter."""
    numbers: dict[str | None, int] = {None: -1}
    rows: list[tuple[object, ...]] = [(str(type_),) for type_ in checked.program.inputs.values()]
    for name in checked.program.inputs:
        numbers[name] = len(numbers)
    for call in checked.program.calls:
        operands = [numbers[name] for name in call.inputs]
        for name in (*call.outputs, *call.parameters.values(), *call.buffers.values()):
            numbers.setdefault(f" {name}" if name not in call.outputs else name, len(numbers))
        tensors = [numbers[f" {name}"] for name in (*call.parameters.values(), *call.buffers.values())]
        rows.append((call.component, call.reparams, operands, tensors, list(map(str, call.signature.outputs))))
    return [*rows, [numbers[value] for value in checked.program.outputs.values()]]  # type: ignore[list-item]


@pytest.mark.parametrize("spec", SPECS, ids=lambda path: path.name)
def test_a_tree_and_its_inlined_form_are_the_same_program(spec: Path) -> None:
    checked = check_spec(spec)
    tree = spec_tree(checked)
    flat = inline_all(tree)
    scanned = {node.fields["of"] for node in flat.body.nodes.values() if node.op == "scan"}
    assert flat.blocks.keys() == scanned, "the block of a scan stays one"
    assert tree.components() == flat.components() == len(checked.program.calls)
    for form in (tree, flat, *short_names(flat)):
        assert wiring(checked_again(form)) == wiring(checked)


@pytest.mark.parametrize("name", WITHOUT_ARROWS)
def test_a_drawing_without_arrows_is_the_same_program(name: str) -> None:
    checked = check_source(Source("passed.yaml", WITHOUT_ARROWS[name]))
    tree = spec_tree(checked)
    for form in (tree, inline_all(tree)):
        assert wiring(checked_again(form)) == wiring(checked)


def test_shared_modules_and_ties_survive_inlining() -> None:
    checked = check_source(Source("shared.yaml", SHARED))
    flat = checked_again(inline_all(spec_tree(checked)))
    assert list(flat.program.tensors()) == ["word.weight", "one_up.weight", "one_up.bias"]
    assert wiring(flat) == wiring(checked)


def test_of_a_shared_module_that_goes_the_next_one_gets_its_own() -> None:
    checked = check_source(Source("shared.yaml", SHARED))
    flat = inline_all(spec_tree(checked))
    cut = checked_again(structure.cut(flat, TreeTypes.of(checked_again(flat).typed), {"two_up", "two_gelu", "head"}))
    assert {name: str(type_) for name, type_ in cut.program.tensors().items()} == {
        "two_up.weight": "float32[6, 6]", "two_up.bias": "float32[6]", "head.weight": "float32[9, 6]",
    }  # fmt: skip


def test_inputs_of_a_cut_have_names_that_nothing_else_has() -> None:
    """The values of `a`, `b` and the second output of `gru` are read; their names are taken by outputs and a node."""
    text = (
        "stackc: 1\ninputs: {x: {shape: [batch, 3, 4]}, gru_h: {shape: [1]}}\n"
        "graph: |\n  x --> a[relu] --> sum[add] --> b[tanh] --> last[relu]\n  x --> gru --> sum\n"
        "  gru -->|h:x| b_2[relu]\n  gru_h --> small[relu]\n  b --> side[tanh]\n"
        "nodes: {gru: {hidden: 4}}\noutputs: {a: sum, b: last, last: b_2, side: side, small: small}\n"
    )
    checked = check_source(Source("names.yaml", text))
    tree, types = spec_tree(checked), TreeTypes.of(checked.typed)
    kept = ("sum", "last", "b_2", "side", "small")
    alone = checked_again(structure.cut(tree, types, kept))
    assert {name: str(type_) for name, type_ in alone.program.inputs.items()} == {
        "gru_h": "float32[1]", "a_2": "float32[batch, 3, 4]", "gru": "float32[batch, 3, 4]",
        "b_3": "float32[batch, 3, 4]", "gru_h_2": "float32[1, batch, 4]",
    }  # fmt: skip
    assert alone.program.outputs == {"a": "sum", "b": "last", "last": "b_2", "side": "side", "small": "small"}
    for id, inputs in (("sum", ["a_2", "gru"]), ("last", ["b_3"]), ("side", ["b_3"]), ("b_2", ["gru_h_2"])):
        assert [list(call.inputs) for call in alone.program.calls if call.path == id] == [inputs]


def test_an_output_of_a_cut_takes_the_name_of_no_other() -> None:
    """`two` is read no more, and becomes an output; that name is one of `one`, and `two_2` is an input."""
    text = "stackc: 1\ninputs: {two_2: {shape: [4]}}\ngraph: two_2 --> one[relu] --> two[tanh] --> three[relu]\n"
    checked = check_source(Source("names.yaml", text + "outputs: {two: one, three: three}\n"))
    cut = structure.cut(spec_tree(checked), TreeTypes.of(checked.typed), ["one", "two"])
    assert checked_again(cut).program.outputs == {"two": "one", "two_3": "two"}


@pytest.mark.parametrize("spec", SPECS, ids=lambda path: path.name)
def test_each_component_alone_is_a_spec(spec: Path) -> None:
    """Its inputs have the types that its operands had, and its parameters their shapes."""
    checked = checked_again(inline_all(spec_tree(check_spec(spec))))
    flat = spec_tree(checked)
    types = TreeTypes.of(checked.typed)
    distinct = {(call.component, *map(str, call.signature.outputs)): call for call in checked.program.calls}
    for call in distinct.values():
        if not call.inputs:
            continue  # a constant alone is no spec, which has inputs
        alone = checked_again(structure.cut(flat, types, {call.path}))
        (again,) = alone.program.calls
        assert again.component == call.component
        assert [str(t) for t in again.signature.outputs] == [str(t) for t in call.signature.outputs]


@pytest.mark.slow
@pytest.mark.parametrize("spec", SPECS, ids=lambda path: path.name)
def test_edits_give_specs_or_mistakes_but_never_a_crash(spec: Path) -> None:
    checked = check_spec(spec)
    tree = spec_tree(checked)
    edits = [
        *list(structure.bypasses(tree))[:16],
        *list(structure.fewer_operands(tree))[:8],
        *structure.fewer_outputs(tree),
        *structure.merged_inputs(tree),
        *list(smaller_numbers(tree))[:8],
        *trees_with_fixed_dims(tree, checked.program.contract),
    ]
    sound = 0
    for edited in edits:
        try:
            checked_again(edited)
            sound += 1
        except SpecError as error:
            assert not {d.code for d in error.diagnostics} & {"S001", "S004", "N302"}, write_tree(edited)  # noqa: PT017
    assert sound > len(edits) // 4


def test_bypassing_and_pruning_by_hand() -> None:
    """x → a → b, with a block of two ports of which only the second is needed."""
    text = (
        "stackc: 1\ninputs: {x: {shape: [4]}, y: {shape: [4]}}\n"
        "graph: |\n  x --> a[relu] --> b[two]\n  y -->|other| b\n"
        'blocks:\n  two: {inputs: [x, other], graph: "x --> add; other --> add", outputs: {z: add}}\n'
    )
    tree = spec_tree(check_source(Source("two.yaml", text)))
    written = {re.sub(r"\s+", " ", write_tree(edited)) for edited in structure.bypasses(tree)}
    assert any("graph: | x --> b[two] y" in text for text in written)
    assert any("inputs: [other] graph: | other" in text or "inputs: y: {shape: [4]}" in text for text in written)


@pytest.mark.parametrize("value", [1, 1.5, 1e-12, "word", "two words", "true", "1", "a: b", "height/2", True, None])
def test_scalars_are_written_as_yaml_reads_them(value: object) -> None:
    tree = read_yaml(f"[{plain_text(value)}]", file="x.yaml")  # type: ignore[arg-type]
    assert isinstance(tree.data, tuple)
    assert [item.data for item in tree.data] == [value]


def test_a_text_is_reduced_to_the_words_that_count() -> None:
    text = "stackc: 1\nname: long\nnodes: {a: {op: wrong, b: 2}, c: {d: 3}}\n"
    assert reduce_text(text, lambda part: "wrong" in part and "d" in part.split("wrong")[1]).strip() == "wrongd"
    assert reduce_text("any text", lambda part: True) == ""


def test_overrides_are_written_into_the_tree() -> None:
    unet = Path(SPECS[0]).parent / "unet.yaml"
    tree = spec_tree(check_spec(unet, Overrides({"width0": "4"}, {"height": 16, "width": 32, "batch": 2})))
    assert tree.inputs == {"image": {"dtype": "float32", "shape": [2, 3, 16, 32]}}
    assert tree.dims == {}
