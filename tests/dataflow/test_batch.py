"""The batch axis of whole specs: independent examples, joinable requests, and what makes them dependent."""

from __future__ import annotations

from pathlib import Path

import pytest

from stackc.core.types import Dim
from stackc.dataflow.batch import BatchAnswer, independent_examples, joinable_requests
from stackc.dataflow.batch_axis import batch_axes, joined_batches
from stackc.frontend import Checked, check_source, check_spec
from stackc.spec.source import Source

SPECS = sorted((Path(__file__).parents[2] / "specs").glob("*.yaml"))
WITH_CONCAT = [path for path in SPECS if "concat" in path.read_text(encoding="utf-8")]
MODEL = """\
stackc: 1
name: model
inputs: {{x: {{shape: [batch, seq, 8]}}}}
graph: |
  x --> first[linear] --> middle[{op}] --> pool[mean_pool] --> head[linear]
nodes: {{first: {{out: 8}}, middle: {{{fields}}}, head: {{out: 4}}}}
outputs: {{logits: head}}
"""
TRAIN = """\
train:
  inputs: {label: {dtype: int64, shape: [batch], below: 4}}
  graph: |
    logits --> loss[cross_entropy]
    label -->|target| loss
  data: {batch: 8}
  optimizer: {op: adamw, lr: 1e-2}
  steps: 1
"""


def checked(text: str) -> Checked:
    return check_source(Source("model.yaml", text))


def in_training(text: str) -> BatchAnswer:
    training = checked(text).training
    assert training is not None
    return independent_examples(training)


@pytest.mark.parametrize(
    ("op", "fields"),
    [
        ("gelu", ""),
        ("layer_norm", ""),
        ("attention", "heads: 2"),
        ("group_norm", "groups: 2, axis: -1"),
        ("lstm", "hidden: 8"),
    ],
)
def test_examples_are_independent(op: str, fields: str) -> None:
    answer = in_training(MODEL.format(op=op, fields=fields) + TRAIN)
    assert (answer.is_independent, str(answer.dim), answer.axes) == (True, "batch", {"x": 0, "label": 0})


def test_batch_norm_mixes_examples_in_training_alone() -> None:
    text = MODEL.format(op="batch_norm", fields="axis: -1")
    (found,) = in_training(text + TRAIN).refusals
    assert found.message == (
        "'middle' (batch_norm) computes its statistics over all examples and positions in training"
    )
    assert found.span is not None
    assert found.span.line == 5
    assert joinable_requests(checked(text).program).is_independent

    frozen = text + TRAIN + "  freeze: [middle]\n"
    assert in_training(frozen).is_independent


def test_a_loss_that_compares_examples_is_named() -> None:
    text = MODEL.format(op="gelu", fields="") + TRAIN.replace(
        "label: {dtype: int64, shape: [batch], below: 4}", "label: {shape: [batch, 4]}"
    )
    (found,) = in_training(text.replace("cross_entropy", "contrastive")).refusals
    assert (found.path, found.op) == ("loss", "contrastive")
    assert "compares each example with all others" in found.message


@pytest.mark.parametrize(
    ("op", "fields", "reason"),
    [
        ("softmax", "axis: 0", "'middle' (softmax) normalizes over the axis"),
        ("cumsum", "axis: 0", "'middle' (cumsum) goes from one entry to the next"),
        ("flip", "axis: 0", "'middle' (flip) reverses the axis"),
        ("slice", "axis: 0, size: 1", "'middle' (slice) takes only some entries of the axis"),
    ],
)
def test_requests_that_cannot_be_joined(op: str, fields: str, reason: str) -> None:
    (found,) = joinable_requests(checked(MODEL.format(op=op, fields=fields)).program).refusals
    assert found.message == reason


def test_an_output_of_no_request() -> None:
    text = MODEL.format(op="gelu", fields="").replace("{logits: head}", "{logits: head, where: places}")
    text = text.replace("graph: |\n", "graph: |\n  x --> places[positions]\n")
    (found,) = joinable_requests(checked(text).program).refusals
    assert found.message == "the output 'where' has no batch axis, so that it belongs to no request"


def test_inputs_that_share_no_dim() -> None:
    text = MODEL.format(op="gelu", fields="").replace("[batch, seq, 8]", "[1, 4, 8]")
    (found,) = joinable_requests(checked(text).program).refusals
    assert found.message == "the inputs share no dim (x float32[1, 4, 8])"


def test_the_batch_axis_is_the_first_that_all_inputs_share() -> None:
    text = MODEL.format(op="gelu", fields="").replace("{x:", "{state: {shape: [seq, batch]}, x:")
    text = text.replace("graph: |\n", "graph: |\n  state --> relu\n").replace(
        "{logits: head}", "{logits: head, s: relu}"
    )
    inputs = checked(text).program.inputs
    assert batch_axes(inputs) == (Dim.symbol("seq"), {"state": 0, "x": 1})
    assert batch_axes({"x": inputs["x"]}) == (Dim.symbol("batch"), {"x": 0})


MERGED = "'stages.0.layers.0.attn.flat' (reshape) merges or cuts the axis"
SHARE_NONE = "the inputs share no dim"
REFUSED = {
    "clip": SHARE_NONE,  # texts and images differ in number
    "dmpnn": SHARE_NONE,  # molecules of a batch are one graph
    "gcn": SHARE_NONE,
    "two_tower": SHARE_NONE,  # users and items differ in number
    "swin": MERGED,  # its windows are examples of their own, and joined again afterwards: independent, but not seen
    "swin_image_classification": MERGED,
}
"""The specs whose requests cannot be joined, or are not seen to be independent."""


@pytest.mark.slow
def test_requests_to_the_models_of_the_field_can_be_joined() -> None:
    refused = {}
    for path in SPECS:
        answer = joinable_requests(check_spec(path).program)
        if not answer.is_independent:
            (found,) = answer.refusals
            refused[path.stem] = found.message.partition(" (")[0] if answer.dim is None else found.message
    assert refused == REFUSED


# -- concatenation of batches


@pytest.mark.parametrize(("axis", "expected"), [(0, ["join"]), (-3, ["join"]), (1, []), (-1, [])])
def test_concat_along_the_batch_axis_is_found(axis: int, expected: list[str]) -> None:
    text = (
        "stackc: 1\ninputs: {x: {shape: [batch, seq, 8]}}\ngraph: |\n  x --> g[gelu] --> join[concat]\n  x --> join\n"
    )
    program = checked(f"{text}nodes: {{join: {{axis: {axis}}}}}\n").program
    assert [call.path for call in joined_batches(program)] == expected


@pytest.mark.slow
@pytest.mark.parametrize(
    "path", [path for path in SPECS if "concat" in path.read_text("utf-8")], ids=lambda path: path.stem
)
def test_no_spec_of_the_zoo_joins_batches(path: Path) -> None:
    assert joined_batches(check_spec(path).program) == ()
