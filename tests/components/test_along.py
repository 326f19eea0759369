"""How components act along a followed axis: every answer is held to the module, over random configurations."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest
import torch
from hypothesis import Phase, assume, given, settings
from hypothesis import strategies as st
from tests.components.cases import CASES, DTYPES, SYMBOLS, Case
from tests.components.test_axes import perturbed
from tests.components.test_signature_property import below, draw_sizes, filled, several
from torch import Tensor, nn

from stackc.components import REGISTRY, Component
from stackc.components.along import Along, Followed, Mixes, Portion, Portions, Reduces
from stackc.core.types import Dim

NO_INPUTS = {"constant"}


@dataclass(frozen=True)
class Asked:
    """A component with an axis followed, and its answer."""

    case: Case
    followed: tuple[Portions, ...]
    training: bool
    answer: Along | Mixes

    @property
    def axes(self) -> list[tuple[int, int]]:
        """The inputs and their followed axes."""
        return [(port, axis) for port, own in enumerate(self.followed) for axis in own]


def asked(
    case: Case,
    symbol: Dim,
    training: bool = False,
    without: frozenset[int] = frozenset(),
    whole: frozenset[int] = frozenset(),
) -> Asked:
    """Ask a component about the axes of this size, those of the inputs `without` left out.

    An input has the new entries along the first of them, and the whole along the others; `whole` are those that have
    the whole along the first as well.
    """
    portions: list[Portions] = []
    for port, x in enumerate(case.inputs):
        axes = [axis for axis, size in enumerate(x.shape) if size == symbol] if x and port not in without else []
        first = Portion.WHOLE if port in whole else Portion.NEW
        portions.append({axis: Portion.WHOLE if number else first for number, axis in enumerate(axes)})
    answer = case.component.along(Followed(tuple(portions), training), *case.inputs)
    return Asked(case, tuple(portions), training, answer)


@st.composite
def questions(draw: st.DrawFn, op: str, *, training: bool | None = None, some: bool = True) -> Asked:
    """Draw a case of a component, the size of a followed axis, and which inputs have it."""
    case = draw(CASES[op])
    sizes = {size for x in case.inputs if x for size in x.shape} & {*SYMBOLS}
    assume(sizes)
    symbol = draw(st.sampled_from(sorted(sizes, key=str)), label="size")
    numbers = st.frozensets(st.integers(0, len(case.inputs) - 1))
    without = draw(numbers, label="static inputs") if some and draw(st.integers(0, 3)) == 0 else frozenset()
    whole = draw(numbers, label="whole inputs") if some and draw(st.integers(0, 2)) == 0 else frozenset()
    mode = draw(st.booleans(), label="training") if training is None else training
    question = asked(case, symbol, mode, without, whole)
    assume(question.axes)
    return question


def module_of(question: Asked) -> nn.Module:
    module = question.case.component.module(*question.case.inputs).to(DTYPES["float64"])
    return module.train(question.training)


def run(module: nn.Module, inputs: list[Tensor | None]) -> tuple[Tensor, ...]:
    """Run a module, always with the same random draws."""
    with torch.no_grad(), torch.random.fork_rng():
        torch.manual_seed(0)
        return several(module(*inputs))


def filled_in(question: Asked, sizes: dict[str, int]) -> list[Tensor | None]:
    """Return random inputs; by a mask every query attends to a key: one without any attends to all, later ones too."""
    inputs = filled(question.case, sizes, "float64")
    component = question.case.component
    places = [number for number, port in enumerate(component.ports) if port.name == "mask"]
    if component.family in ("attention", "attention_parts"):
        for number in places:
            mask = inputs[number] if number < len(inputs) else None
            if mask is not None:
                (mask if getattr(component, "window", 0) else mask[..., :1]).fill_(1)
    return inputs


def is_equal(first: Tensor, second: Tensor) -> bool:
    if first.is_floating_point():
        return torch.equal(first.nan_to_num(7.0), second.nan_to_num(7.0))
    return torch.equal(first, second)


def kept(y: Tensor, axes: list[int], keep: Callable[[int], bool]) -> Tensor:
    """Return the entries of y whose index is to be kept along every one of these axes."""
    for axis in axes:
        y = y.index_select(axis, torch.tensor([i for i in range(y.shape[axis]) if keep(i)], dtype=torch.int64))
    return y


def examine(op: str, hold: Callable[[str, st.DataObject], None]) -> None:
    """Draw questions to a component: many where it has an answer of its own, some where it follows from its axes."""
    is_own = REGISTRY[op].along is not Component.along

    @settings(max_examples=60 if is_own else 8, deadline=None)
    @given(data=st.data())
    def search(data: st.DataObject) -> None:
        hold(op, data)

    search()


@pytest.mark.slow
@pytest.mark.parametrize("op", sorted(REGISTRY.keys() - NO_INPUTS))
def test_entries_depend_on_those_that_are_declared(op: str) -> None:
    """Pointwise: x[j] changes y[j] alone, exactly. Causal: y[< j] is bit-equal. Static: nothing changes."""
    examine(op, hold_declared_entries)


def hold_declared_entries(op: str, data: st.DataObject) -> None:
    question = data.draw(questions(op))
    answer = question.answer
    if isinstance(answer, Mixes):
        return

    module = module_of(question)
    sizes = data.draw(st.composite(draw_sizes)(question.case.signature), label="sizes")
    inputs = filled_in(question, sizes)
    port, axis = data.draw(st.sampled_from(question.axes), label="input and axis")
    x = inputs[port]
    assert x is not None
    index = data.draw(st.integers(0, x.shape[axis] - 1), label="index")

    before = run(module, inputs)
    after = run(
        module, [*inputs[:port], perturbed(x, axis, index, below(question.case, port, sizes)), *inputs[port + 1 :]]
    )
    is_causal = bool(answer.states)
    assert len(before) == len(answer.outputs)
    for old, new, own in zip(before, after, answer.outputs, strict=True):
        if isinstance(own, Reduces):
            continue
        assert all(old.shape[place] == x.shape[axis] for place in own)
        keep = (lambda i: i < index) if is_causal or Portion.WHOLE in own.values() else (lambda i: i != index)
        assert is_equal(kept(old, [*own], keep), kept(new, [*own], keep))


@pytest.mark.slow
@pytest.mark.parametrize("op", sorted(REGISTRY.keys() - NO_INPUTS))
def test_the_first_entries_alone_have_the_first_outputs(op: str) -> None:
    """What is pointwise or causal depends on no later entry, and neither on how many there are."""
    examine(op, hold_first_entries)


def hold_first_entries(op: str, data: st.DataObject) -> None:
    question = data.draw(questions(op, training=False, some=False))
    answer = question.answer
    if isinstance(answer, Mixes) or not all(isinstance(own, dict) for own in answer.outputs[:1]):
        return

    sizes = data.draw(st.composite(draw_sizes)(question.case.signature), label="sizes")
    inputs, module = filled_in(question, sizes), module_of(question)
    port, axis = question.axes[0]
    x = inputs[port]
    assert x is not None
    count = data.draw(st.integers(1, x.shape[axis]), label="first entries")
    (symbol,) = question.case.inputs[port].shape[axis].symbols()  # type: ignore[union-attr]  # it is connected
    assume(fits(question.case, {**sizes, symbol: count}))

    first = [
        None if each is None else cut(each, own, 0, count) for each, own in zip(inputs, question.followed, strict=True)
    ]
    for whole, part, own in zip(run(module, inputs), run(module, first), answer.outputs, strict=True):
        if not isinstance(own, Reduces):
            torch.testing.assert_close(part, cut(whole, own, 0, count), rtol=1e-12, atol=1e-12, equal_nan=True)


def fits(case: Case, sizes: dict[str, int]) -> bool:
    """Return whether sizes are within the limits of a component."""
    return all(
        limit.minimum <= limit.dim.evaluate(sizes) <= (limit.maximum or limit.dim.evaluate(sizes))
        for limit in case.signature.limits
    )


def cut(x: Tensor, portions: Portions, start: int, end: int) -> Tensor:
    """Return the entries from `start` to `end`; of what is given as a whole, all up to `end`."""
    for axis, portion in portions.items():
        first = 0 if portion is Portion.WHOLE else start
        x = x.narrow(axis, first, end - first)
    return x


UNSEEN = {
    "combines the axis with another one of the same size": "only one of the two is followed",
    "compares all entries of a sample with the loudest one": "it rarely lies so far above",
    "compares places of its queries with those of a context that does not go on with them": "their number alone",
    "counts the positions of the whole sequence": "is causal, if lengths went on too",
    "counts the positions that its mask keeps": "is causal",
    "cuts the axis into several": "into one, where the size is 1",
    "divides positions by the last one": "it reads the number of entries alone",
    "gives other entries an axis that is as long as the followed one": "their number alone",
    "reaches later positions": "a kernel of one entry, behind entries that are added",
    "slides a kernel over the axis": "a kernel of one entry",
    "slides a window over the axis": "a window of one entry",
    "scales its angles by the length of the sequence": "the number of entries alone",
    "takes the first entry of the axis": "no later one matters",
}
"""Reasons to refuse or reduce an axis that need not have a witness, and why: some of them could say more."""


@pytest.mark.slow
@pytest.mark.parametrize("op", sorted(REGISTRY.keys() - NO_INPUTS))
def test_what_mixes_or_reduces_has_a_witness(op: str) -> None:
    """Some entry changes an earlier one, or an output without the axis, unless the reason is a reviewed one."""
    refusals: set[str] = set()
    witnessed: set[str] = set()

    @settings(max_examples=40, deadline=None, derandomize=True, database=None, phases=[Phase.generate])
    @given(data=st.data())
    def search(data: st.DataObject) -> None:
        question = data.draw(questions(op, training=False, some=False))
        answer = question.answer
        reason = (
            answer.reason
            if isinstance(answer, Mixes)
            else next((own.reason for own in answer.outputs if isinstance(own, Reduces)), None)
        )
        if reason is None:
            return
        sizes = data.draw(st.composite(draw_sizes)(question.case.signature))
        refusals.add(reason)
        if reason not in witnessed and reaches_others(question, sizes):
            witnessed.add(reason)

    torch.manual_seed(1)
    search()
    assert refusals - witnessed <= UNSEEN.keys()


def reaches_others(question: Asked, sizes: dict[str, int]) -> bool:
    """Return whether some entry of the axis changes earlier entries of an output, or an output without the axis."""
    module = module_of(question)
    for _ in range(3):
        inputs = filled_in(question, sizes)
        before = run(module, inputs)
        port, axis = question.axes[0]
        first = inputs[port]
        assert first is not None
        if any(changes_others(question, sizes, before, module, inputs, index) for index in range(1, first.shape[axis])):
            return True
    return False


def changes_others(
    question: Asked,
    sizes: dict[str, int],
    before: tuple[Tensor, ...],
    module: nn.Module,
    inputs: list[Tensor | None],
    index: int,
) -> bool:
    """Return whether other numbers at an index of every input change more of an output than what is at it and later."""
    changed, count = list(inputs), 0
    for port, axis in question.axes:
        x = changed[port]
        assert x is not None
        changed[port], count = perturbed(x, axis, index, below(question.case, port, sizes)), x.shape[axis]

    for old, new in zip(before, run(module, changed), strict=True):
        places = [place for place, size in enumerate(old.shape) if size == count]
        earlier = ((kept(y, [place], lambda i: i < index) for y in (old, new)) for place in places)
        if not is_equal(old, new) and not any(is_equal(*pair) for pair in earlier):
            return True
    return False
