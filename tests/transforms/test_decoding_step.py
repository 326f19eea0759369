"""Decoding steps: legal programs, equal in pieces to the whole model in float64, whatever the pieces."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from stackc.frontend import Checked, Overrides, check_source
from stackc.ir.decoding import Decoding
from stackc.ir.verifier import verify_program
from stackc.spec.source import Source
from stackc.torch_backend.flat import lower_program
from stackc.torch_backend.lower import lower

SPECS = Path(__file__).parents[2] / "specs"
DECODE = "\ndecode: {along: seq, inputs: [input_ids], whole: [attention_mask], outputs: [logits]}\n"
SMALL = {"vocab": "61", "dim": "16", "layers": "2", "heads": "2", "hidden": "24", "positions": "16"}
LENGTH = 9
PIECES = [(9,), (1,) * 9, (4, 5), (1, 3, 1, 4), (8, 1)]
ATTENTIONS = {
    "plain": "heads: 2",
    "grouped": "heads: 4, kv_heads: 2",
    "wide": "heads: 2, head_dim: 12, bias: false",
    "rotary": "heads: 2, rotary: halves",
    "interleaved": "heads: 2, rotary: interleaved, rotary_dim: 4, qk_norm: head",
    "yarn": "heads: 2, rotary: halves, rope_scaling: {rope_type: yarn, factor: 4, original_max_position_embeddings: 8}",
    "window": "heads: 2, window: 3",
    "softcap": "heads: 2, softcap: 5.0, window: 4",
    "sinks": "heads: 2, sinks: true, qk_norm: full",
    "alibi": "heads: 2, alibi: true",
}
PLACES = {
    "none": "embed --> attn[attention]",
    "learned": "embed --> sum[add] --> attn[attention]; ids --> p[learned_position] --> sum",
    "sinusoidal": "embed --> sum[add] --> attn[attention]; embed --> p[sinusoidal_position] --> sum",
    "counted": "embed --> sum[add] --> attn[attention]; ids --> n[positions] --> p[embedding] --> sum",
}
FIELDS = {"learned": "p: {max: 16, dim: 8}", "sinusoidal": "p: {start: 2}", "counted": "p: {vocab: 16, dim: 8}"}


def spec(attention: str, places: str = "none", *, masked: bool = True) -> Checked:
    mask = "mask -->|mask| attn" if masked else "mask --> rest[identity]"
    graph = [*PLACES[places].split("; "), "attn --> more[add] --> head[linear]", "embed --> more", mask]
    nodes = ["embed: {vocab: 50, dim: 8}", f"attn: {{{ATTENTIONS[attention]}, causal: true}}", "head: {out: 50}"]
    lines = "".join(f"\n  {line}" for line in ["ids --> embed[embedding]", *graph])
    outputs, whole = ("", ", whole: [mask]") if masked else (", rest: rest", "")
    text = (
        "stackc: 1\nname: model\ndims: {seq: {max: 16}}\ninputs:\n"
        "  ids: {dtype: int64, shape: [batch, seq], below: 50}\n"
        "  mask: {dtype: int64, shape: [batch, seq], values: [0, 1]}\n"
        f"graph: |{lines}\nnodes: {{{', '.join([*nodes, FIELDS.get(places, 'more: {}')])}}}\n"
        f"outputs: {{logits: head{outputs}}}\n"
        f"decode: {{along: seq, inputs: [ids]{whole}, outputs: [logits]}}\n"
    )
    return check_source(Source("model.yaml", text))


def decoding_of(checked: Checked) -> Decoding:
    assert checked.decoding is not None
    verify_program(checked.decoding.program)
    return checked.decoding


def modules(checked: Checked) -> tuple[nn.Module, nn.Module]:
    """The whole model and its step, with the same random weights, in float64."""
    whole = lower(checked.typed, seed=1).double().eval()
    torch.manual_seed(0)
    for parameter in whole.parameters():  # biases start as zeros, norms as ones
        parameter.data.add_(torch.randn_like(parameter), alpha=0.3)
    return whole, lower_program(decoding_of(checked).program, whole)


def in_pieces(step: nn.Module, decoding: Decoding, ids: Tensor, mask: Tensor, pieces: Sequence[int]) -> list[Tensor]:
    """The logits of the step, piece by piece, then the last states."""
    program, sizes = decoding.program, {"batch": len(ids), decoding.past: 0}
    states = {
        state.past: torch.zeros([size.evaluate(sizes) for size in program.inputs[state.past].shape]).double()
        for state in decoding.states
    }
    logits, done = [], 0
    for new in pieces:
        given_ids, given_mask = ids[:, done : done + new], mask[:, : done + new]
        feeds = {name: given_mask if "mask" in name else given_ids for name in program.inputs} | states
        with torch.no_grad():
            outputs = dict(zip(program.outputs, step(*feeds.values()), strict=True))
        logits.append(outputs["logits"])
        states = {state.past: outputs[state.present] for state in decoding.states}
        done += new
    return [torch.cat(logits, dim=1), *states.values()]


def drawn(count: int = LENGTH, vocab: int = 50) -> tuple[Tensor, Tensor]:
    """Ids of two sequences, one of them padded on the left with two entries and in the middle with one."""
    torch.manual_seed(3)
    mask = torch.ones(2, count, dtype=torch.int64)
    mask[1, :2] = mask[1, 4] = 0
    return torch.randint(0, vocab, (2, count)), mask


def require_equal(checked: Checked, pieces: Sequence[int], vocab: int = 50) -> None:
    """Logits at positions that have a key, and all states, are those of the whole."""
    whole, step = modules(checked)
    ids, mask = drawn(vocab=vocab)
    decoding = decoding_of(checked)
    is_masked = any("mask" in name for name in decoding.program.inputs)
    with torch.no_grad():
        expected = whole(ids, mask)
    expected = expected if isinstance(expected, Tensor) else expected[0]
    logits, *states = in_pieces(step, decoding, ids, mask, pieces)
    _, *at_once = in_pieces(step, decoding, ids, mask, [LENGTH])

    counted = mask.bool() if is_masked else torch.ones_like(mask, dtype=torch.bool)
    torch.testing.assert_close(logits[counted], expected[counted], rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(states[0], at_once[0], rtol=1e-12, atol=1e-12)
    assert len(states) == len(at_once) == len(decoding.states)
    if not is_masked:  # at a masked query all keys count alike, later ones too, so that deeper states differ there
        for state, other in zip(states, at_once, strict=True):
            torch.testing.assert_close(state, other, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", ["gpt2", "llama"])
@pytest.mark.parametrize("pieces", PIECES, ids=str)
def test_a_language_model_in_pieces_is_the_whole(name: str, pieces: tuple[int, ...]) -> None:
    text = (SPECS / f"{name}.yaml").read_text(encoding="utf-8") + DECODE
    params = SMALL | ({"kv_heads": "1"} if name == "llama" else {})
    checked = check_source(Source(f"{name}.yaml", text), Overrides(params=params))
    require_equal(checked, pieces, vocab=61)


@settings(max_examples=40, deadline=None)
@given(
    attention=st.sampled_from([*ATTENTIONS]),
    places=st.sampled_from([*PLACES]),
    masked=st.booleans(),
    cuts=st.sets(st.integers(1, LENGTH - 1)),
)
def test_any_pieces_are_the_whole(attention: str, places: str, masked: bool, cuts: set[int]) -> None:
    ends = [0, *sorted(cuts), LENGTH]
    pieces = [end - start for start, end in pairwise(ends)]
    require_equal(spec(attention, places, masked=masked), pieces)


def test_a_step_takes_and_returns_what_it_keeps() -> None:
    decoding = decoding_of(spec("grouped", "learned"))
    inputs = {name: str(type_) for name, type_ in decoding.program.inputs.items()}
    assert inputs == {
        "ids": "int64[batch, seq]",
        "mask": "int64[batch, past_seq + seq]",
        "past.attn.keys": "float32[batch, 2, past_seq, 2]",
        "past.attn.values": "float32[batch, 2, past_seq, 2]",
    }
    assert [*decoding.program.outputs] == ["logits", "present.attn.keys", "present.attn.values"]
    assert {name: (sizes.minimum, sizes.maximum) for name, sizes in decoding.program.contract.items()} == {
        "seq": (1, 16), "past_seq": (0, 15), "batch": (1, None),
    }  # fmt: skip
    assert decoding.program.tensors() == spec("grouped", "learned").program.tensors()


def test_a_module_that_is_called_again_keeps_twice() -> None:
    """State belongs to the call, not to the module."""
    text = (
        "stackc: 1\nname: model\ndims: {seq: {max: 16}}\ninputs: {x: {shape: [batch, seq, 8]}}\n"
        "graph: x --> one --> two\nnodes: {one: {op: attention, heads: 2, causal: true}, two: {same_as: one}}\n"
        "outputs: {y: two}\ndecode: {along: seq, inputs: [x], outputs: [y]}\n"
    )
    decoding = decoding_of(check_source(Source("model.yaml", text)))
    assert [state.owner for state in decoding.states] == ["one", "one", "two", "two"]
    assert {call.owner for call in decoding.program.calls} == {"one"}


@pytest.mark.parametrize(
    ("fault", "piece"),
    [
        (lambda states: [*states[:1], states[1] * 0, *states[2:]], "values that are lost"),
        (lambda states: [states[2], *states[1:]], "keys of another layer"),
        (lambda states: [state[:, :, 1:] for state in states], "a past that lacks its first entry"),
    ],
)
def test_a_wrong_state_shows(fault: object, piece: str) -> None:
    """The comparison of this file can fail."""
    text = (SPECS / "gpt2.yaml").read_text(encoding="utf-8") + DECODE
    checked = check_source(Source("gpt2.yaml", text), Overrides(params=SMALL))
    whole, step = modules(checked)
    ids, mask = drawn(vocab=61)
    _, *states = in_pieces(step, decoding_of(checked), ids[:, :4], mask[:, :4] | 1, [4])
    wrong = fault(states)  # type: ignore[operator]  # a function of the table above
    gone = states[0].shape[2] - wrong[0].shape[2]
    with torch.no_grad():
        right = whole(ids[:, :5], torch.ones(2, 5, dtype=torch.int64))[:, 4:]
        other = step(ids[:, 4:5], torch.ones(2, 5 - gone, dtype=torch.int64), *wrong)[0]
    assert (right - other).abs().max() > 1e-3, piece
