"""What causal components keep is enough: a whole run equals one in random chunks, with the states between them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tests.components.cases import CASES, DTYPES, Case
from tests.components.test_along import Asked, asked, cut, filled_in, run
from tests.components.test_signature_property import draw_sizes
from torch import Tensor, nn

from stackc.components.along import Along, Reduces, State
from stackc.components.base import Component
from stackc.core.types import Dim, TensorType

Tensors = dict[str, Tensor]
Stepped = tuple[tuple[Tensor, ...], Tensors]
"""The outputs of a chunk, and the states after it."""


def kept_at_first(answer: Along, sizes: dict[str, int]) -> Tensors:
    """Return the states before the first entry."""

    def empty(state: State) -> Tensor:
        size = [d.evaluate(sizes) for d in state.type.shape]
        if state.axis is not None:
            size[state.axis] = 0
        return torch.zeros(size, dtype=DTYPES["float64" if state.type.is_float else state.type.dtype])

    return {state.name: empty(state) for state in answer.states}


def weights_in(component: Component, inputs: list[Tensor | None], module: nn.Module) -> nn.Module:
    """Return the module of a component for inputs of these sizes, with the weights of another."""
    types = [None if x is None else TensorType("float32", tuple(map(Dim.of, x.shape))) for x in inputs]
    other = component.module(*types).to(DTYPES["float64"]).eval()
    other.load_state_dict(module.state_dict())
    return other


def by_ports(question: Asked, module: nn.Module, inputs: list[Tensor | None], states: Tensors) -> Stepped:
    """The states enter by ports, and leave by outputs of their names."""
    component = question.case.component
    names = [port.name for port in component.ports]
    fed = [*inputs, *[None] * (len(names) - len(inputs))]
    for state in answer_of(question).states:
        fed[names.index(state.port or "")] = states[state.name]
    outputs = run(module, fed)
    return outputs, {name: y for name, y in zip(component.outputs, outputs, strict=True) if name in states}


def by_inputs(question: Asked, module: nn.Module, inputs: list[Tensor | None], states: Tensors) -> Stepped:
    """The last inputs precede those of the chunk, whose outputs are the last ones."""
    (x,) = inputs
    (state,) = answer_of(question).states
    assert x is not None
    assert state.last is not None
    joined = torch.cat([states["inputs"], x], dim=2)
    (y,) = run(module, [joined])
    return (y[:, :, state.last :],), {"inputs": joined[:, :, joined.shape[2] - state.last :]}


def by_total(question: Asked, module: nn.Module, inputs: list[Tensor | None], states: Tensors) -> Stepped:
    """The sum so far is added."""
    (axis,) = question.followed[0]
    (y,) = run(module, inputs)
    y = y + states["total"]
    return (y,), {"total": y.narrow(axis, y.shape[axis] - 1, 1)}


def by_keys(question: Asked, module: nn.Module, inputs: list[Tensor | None], states: Tensors) -> Stepped:
    """The keys and values so far precede those of the chunk: its queries are the last of all."""
    query, *pair = inputs
    joined = [torch.cat([states[name], x], dim=2) for name, x in zip(states, pair, strict=True) if x is not None]
    fed = [query, *joined]
    outputs = run(weights_in(question.case.component, fed, module), fed)
    last = answer_of(question).states[0].last
    first = 0 if last is None else max(joined[0].shape[2] - last, 0)
    kept = (x.narrow(2, first, x.shape[2] - first) for x in joined)
    return outputs[:1], dict(zip(states, kept, strict=True))


def answer_of(question: Asked) -> Along:
    assert isinstance(question.answer, Along)
    return question.answer


STEPS: dict[str, Any] = {
    "rnn": by_ports,
    "gru": by_ports,
    "lstm": by_ports,
    "conv1d": by_inputs,
    "cumsum": by_total,
    "scaled_dot_product_attention": by_keys,
}


@st.composite
def causal_questions(draw: st.DrawFn, op: str) -> Asked:
    """Draw a case of a component that is causal along a sequence."""
    case: Case = draw(CASES[op])
    if op == "conv1d":
        case = replace(case, component=replace(case.component, padding="causal", stride=1, padding_mode="zeros"))  # type: ignore[type-var]  # all are dataclasses
    if op in ("rnn", "gru", "lstm"):
        case = Case(replace(case.component, bidirectional=False), case.inputs[:1])  # type: ignore[type-var]  # as above
    if op == "scaled_dot_product_attention":
        query, key, *_ = case.inputs
        assert query is not None
        assert key is not None
        keys = key.with_shape(*key.shape[:2], query.shape[2], key.shape[3])
        case = Case(replace(case.component, causal=True), (query, keys, keys))  # type: ignore[type-var]  # as above
    sizes = sorted({s for x in case.inputs if x for s in x.shape if s.symbols()}, key=str)
    assume(sizes)
    question = asked(case, draw(st.sampled_from(sizes)))
    assume(isinstance(question.answer, Along) and question.answer.states)
    return question


@pytest.mark.parametrize("op", sorted(STEPS))
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_a_run_in_chunks_is_the_whole_run(op: str, data: st.DataObject) -> None:
    question = data.draw(causal_questions(op))
    answer = answer_of(question)
    sizes = data.draw(st.composite(draw_sizes)(question.case.signature), label="sizes")
    inputs = filled_in(question, sizes)
    module = question.case.component.module(*question.case.inputs).to(DTYPES["float64"]).eval()
    whole = run(module, inputs)

    port, axis = question.axes[0]
    x = inputs[port]
    assert x is not None
    count = x.shape[axis]
    ends = sorted(data.draw(st.sets(st.integers(1, count)), label="ends") | {count})
    states, start, chunks = kept_at_first(answer, sizes), 0, []
    for end in ends:
        pairs = zip(inputs, question.followed, strict=True)
        chunk = [None if each is None else cut(each, own, start, end) for each, own in pairs]
        outputs, states = STEPS[op](question, module, chunk, states)
        chunks.append(outputs)
        start = end

    for number, own in enumerate(answer.outputs[: len(chunks[0])]):
        if isinstance(own, Reduces):
            torch.testing.assert_close(chunks[-1][number], whole[number], rtol=1e-12, atol=1e-12)
        else:
            (place,) = own
            joined = torch.cat([outputs[number] for outputs in chunks], dim=place)
            torch.testing.assert_close(joined, whole[number], rtol=1e-12, atol=1e-12)
