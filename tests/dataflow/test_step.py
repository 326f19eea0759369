"""Steps along a sequence: which specs have one, what it keeps, and why others have none."""

from __future__ import annotations

from pathlib import Path

import pytest

from stackc.dataflow.step import StepAnswer, decoding_step
from stackc.frontend import check_source, check_spec
from stackc.spec.source import Source

SPECS = Path(__file__).parents[2] / "specs"
MODEL = """\
stackc: 1
name: model
dims: {{seq: {{min: 2}}}}
inputs: {{ids: {{dtype: int64, shape: [batch, seq], below: 50}}, other: {{shape: [batch, seq, 8]}}}}
graph: |
  ids --> embed[embedding] --> middle[{op}] --> head[linear]
  {more}
nodes: {{embed: {{vocab: 50, dim: 8}}, middle: {{{fields}}}, head: {{out: 4}}}}
outputs: {{logits: head}}
"""
UNUSED = "other --> relu"


def step_of(op: str, fields: str, more: str = UNUSED, outputs: tuple[str, ...] = ("logits",)) -> StepAnswer:
    text = MODEL.format(op=op, fields=fields, more=more)
    text = text.replace("{logits: head}", "{logits: head, rest: relu}") if more == UNUSED else text
    return decoding_step(check_source(Source("model.yaml", text)).program, "seq", ["ids"], outputs)


@pytest.mark.parametrize(
    ("op", "fields", "states"),
    [
        ("gelu", "", {}),
        ("attention", "heads: 2, causal: true", {"keys": "[batch, 2, seq, 4]", "values": "[batch, 2, seq, 4]"}),
        ("gru", "hidden: 8, layers: 2", {"h": "[2, batch, 8]"}),
        ("lstm", "hidden: 8", {"h": "[1, batch, 8]", "c": "[1, batch, 8]"}),
        ("cumsum", "axis: 1", {"total": "[batch, 1, 8]"}),
    ],
)
def test_what_a_step_keeps(op: str, fields: str, states: dict[str, str]) -> None:
    answer = step_of(op, fields)
    assert answer.exists
    assert {name: str(state.type).removeprefix("float32") for (_, name), state in answer.states.items()} == states
    assert [call.path for call in answer.calls] == ["embed", "middle", "head"]


def test_a_window_keeps_its_width() -> None:
    answer = step_of("attention", "heads: 2, causal: true, window: 5, rotary: halves")
    assert {state.last for state in answer.states.values()} == {4}
    assert answer.positional == ("middle",)


@pytest.mark.parametrize(
    ("op", "fields", "message"),
    [
        ("attention", "heads: 2", "'middle' (attention) attends to later entries too"),
        (
            "attention",
            "heads: 2, causal: true, rotary: halves, "
            "rope_scaling: {rope_type: dynamic, factor: 2, original_max_position_embeddings: 16}",
            "'middle' (attention) scales its angles by the length of the sequence",
        ),
        ("lstm", "hidden: 8, bidirectional: true", "'middle' (lstm) reads the sequence from its end too"),
        ("softmax", "axis: 1", "'middle' (softmax) normalizes over the axis"),
        ("flip", "axis: 1", "'middle' (flip) reverses the axis"),
        ("slice", "axis: 1, start: 1", "'middle' (slice) takes only some entries of the axis"),
        ("pad", "axis: 1, before: 1", "'middle' (pad) adds entries to the axis"),
        ("flatten", "start: 0, end: 1", "'middle' (flatten) merges the axis with another"),
        ("topk", "k: 1, axis: 1", "'middle' (topk) chooses among all entries of the axis"),
        ("instance_norm", "axis: -1", "'middle' (instance_norm) computes its statistics over the axis"),
        ("reduce_mean", "axis: 1", "'middle' (reduce_mean) reduces the axis to one entry"),
    ],
)  # fmt: skip
def test_why_there_is_no_step(op: str, fields: str, message: str) -> None:
    (refusal,) = step_of(op, fields).refusals
    assert refusal.message == message
    assert refusal.span is not None
    assert refusal.span.line == 6


def test_a_value_of_another_sequence_with_the_same_dim() -> None:
    """`other` has seq too, but its entries do not come with those of ids."""
    (refusal,) = step_of("add", "", "other --> middle").refusals
    assert refusal.message == "'middle' (add) combines the axis with another one of the same size"


def test_a_static_context_is_computed_once() -> None:
    answer = step_of("attention", "heads: 2", "other --> memory[gelu] -->|context| middle")
    assert answer.exists
    assert (answer.static, answer.states) == (("memory",), {})


def test_an_output_that_does_not_go_on() -> None:
    (refusal,) = step_of("gelu", "", outputs=("rest",)).refusals
    assert refusal.message == "the output 'rest' does not go on along the axis"


CAUSAL = {
    "gemma2", "gemma3", "gpt2", "gpt_neo", "gpt_neox", "llama", "llama_gguf", "mamba", "mistral", "mixtral", "olmo2",
    "phi", "qwen2", "qwen3",
}  # fmt: skip
WITH_ENCODER = {"bart", "marian", "mbart", "pegasus", "t5", "whisper"}


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(CAUSAL | WITH_ENCODER))
def test_the_language_models_of_the_field_have_a_step(name: str) -> None:
    """A step keeps something for every layer, and of an encoder only its output is read."""
    program = check_spec(SPECS / f"{name}.yaml").program
    prefix, dim = ("decoder_", "target") if name in WITH_ENCODER else ("", "seq")
    masks = [mask for mask in (f"{prefix}attention_mask",) if mask in program.inputs]
    answer = decoding_step(program, dim, [f"{prefix}input_ids"], [next(iter(program.outputs))], masks)
    assert answer.exists
    assert len(answer.states) >= 2
    assert not any(call.path.startswith("encoder") for call in answer.calls)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["distilbert", "modernbert", "t5_encoder"])
def test_encoders_have_none(name: str) -> None:
    program = check_spec(SPECS / f"{name}.yaml").program
    answer = decoding_step(program, "seq", ["input_ids"], [next(iter(program.outputs))], ["attention_mask"])
    assert ["attends to later entries too" in refusal.message for refusal in answer.refusals] == [True]
