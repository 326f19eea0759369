"""How a component acts along an axis that is followed through a model, port by port.

One axis of some inputs is followed: the batch, or a sequence. Of each value that reaches a component it is known which
of its axes are the followed one, and whether the value has the new entries there, those of this call, or the whole, all
entries up to now. `Component.along` turns what is known of the inputs into what holds of the outputs:

pointwise   an entry of y depends on the entry of x at the same index alone: y has the axis, and nothing is kept
positional  the same, and on the index itself: `needs_positions`
causal      y[i] depends on x[0] to x[i]; what it needs of earlier entries is kept in states
reducing    y depends on all entries, and has no such axis: `Reduces`
mixing      y[i] depends on later entries, or in a way that is not declared: `Mixes`

Most components say nothing beyond `pointwise_axes`, and what they do follows from that; the others say it in a method
`along` of their own. tests/components/test_along.py holds every answer to the module.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, TypeAlias

from stackc.components.axes import Axes
from stackc.core.types import Dim, TensorType


class Portion(Enum):
    """The entries that a value has along the followed axis."""

    NEW = "new"
    WHOLE = "whole"


Portions: TypeAlias = Mapping[int, Portion]
"""The axes of a value that are the followed one, counted from 0, with the entries it has there. Empty: it is static."""

STATIC: Portions = {}


@dataclass(frozen=True, slots=True)
class Followed:
    """The axis that is followed at the inputs of a component, in port order, and whether it is in training."""

    axes: tuple[Portions, ...]
    training: bool = False


@dataclass(frozen=True, slots=True)
class State:
    """What a call keeps of earlier entries, with its type once all entries have come.

    Along `axis` it grows with the entries, and is empty at first; without an axis it has that type from the start, and
    is 0. `last` is how many of the last entries are needed, if not all are. A state that enters at a `port`, and
    returns by the output of its name, is at first what is connected there.
    """

    name: str
    type: TensorType
    axis: int | None = None
    last: int | None = None
    port: str | None = None


@dataclass(frozen=True, slots=True)
class Reduces:
    """An output that depends on all entries and does not have the axis.

    It is the mean over `count`, an output, if there is one. The reason follows the name of the node.
    """

    reason: str
    count: str | None = None


@dataclass(frozen=True, slots=True)
class Along:
    """How a component acts along an axis: what its outputs have there, and what it keeps.

    `sliced` are inputs, by number, that have the whole, of which only the new entries are read.
    """

    outputs: tuple[Portions | Reduces, ...]
    states: tuple[State, ...] = ()
    needs_positions: bool = False
    sliced: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Mixes:
    """Why a component cannot be followed along an axis; the reason follows the name of the node in a message.

    `field` or `port` is the one to blame, if there is one; `hint` says what to write instead.
    """

    reason: str
    hint: str | None = None
    field: str | None = None
    port: str | None = None


Declared: TypeAlias = Sequence[Axes]


def pointwise_along(component: Any, portions: Sequence[Portions], inputs: Sequence[TensorType | None]) -> Along | Mixes:
    """Return how a component acts that is pointwise along the axes of `pointwise_axes`, and along no other."""
    unread = {number for number in range(len(inputs)) if port_name(component, number) in component.size_ports}
    read = [{} if number in unread else own for number, own in enumerate(portions)]
    answer = carried(component, read, component.pointwise_axes(*inputs))
    if isinstance(answer, Mixes) or not (any(portions[number] for number in unread) or _names_sizes(component)):
        return answer
    return sized_along(component, portions, inputs, answer)


def carried(
    component: Any, portions: Sequence[Portions], declared: Declared, *, outputs: int | None = None
) -> Along | Mixes:
    """Return where the axis goes if a component is pointwise along `declared`, as `pointwise_axes` returns it."""
    count = len(component.outputs) if outputs is None else outputs
    if beyond := next(_beyond(portions, declared), None):
        return _elsewhere(component, *beyond, count)

    places: list[dict[int, set[Portion]]] = [{} for _ in range(count)]
    for _, part, goes in _steps(portions, declared):
        for own, place in zip(places, goes, strict=True):
            own.setdefault(place, set()).add(part)
    if problem := _still_beside(component, portions, declared, places):
        return problem
    if any([*own.values()].count({Portion.NEW}) > 1 for own in places):
        return Mixes("pairs all entries of the axis with each other")

    found = tuple(
        {place: Portion.NEW if Portion.NEW in met else Portion.WHOLE for place, met in own.items()} for own in places
    )
    return Along(found, sliced=tuple(sorted(_sliced(portions, declared, places))))


def _joined(portions: set[Portion]) -> Portion:
    """Return what an output has where inputs have these: of the whole, only the new entries beside new ones."""
    return Portion.NEW if Portion.NEW in portions else Portion.WHOLE


def _steps(portions: Sequence[Portions], declared: Declared) -> Iterator[tuple[int, Portion, tuple[int, ...]]]:
    """Yield each followed axis: the number of its input, the part, and its place in every output."""
    for number, own in enumerate(portions):
        for axis, part in own.items():
            yield number, part, declared[number][axis]


def _beyond(portions: Sequence[Portions], declared: Declared) -> Iterator[tuple[int, int]]:
    """Yield the inputs and their followed axes along which the component is not pointwise."""
    for number, own in enumerate(portions):
        yield from ((number, axis) for axis in own if axis not in declared[number])


def _elsewhere(component: Any, number: int, axis: int, outputs: int) -> Along | Mixes:
    """Return how a component acts along an axis that is not among its pointwise ones."""
    if component.reduces is not None:
        return Along((Reduces(component.reduces),) * outputs)
    reason, hint = component.mixes
    return Mixes(reason, hint, port=port_name(component, number))


def _still_beside(
    component: Any, portions: Sequence[Portions], declared: Declared, places: Sequence[Mapping[int, object]]
) -> Mixes | None:
    """Return the refusal of an input that has the axis at a place where another one is followed, but is static."""
    for number, axes in enumerate(declared):
        for axis, goes in axes.items():
            if axis not in portions[number] and any(place in own for own, place in zip(places, goes, strict=True)):
                return static_beside(port_name(component, number))
    return None


def static_beside(port: str) -> Mixes:
    """Return the refusal of a value at a port that does not go on with the followed axis, although it has its size."""
    reason = "combines the axis with another one of the same size"
    return Mixes(reason, f"what enters '{port}' has to come from the same input, along the same axis", port=port)


def _sliced(portions: Sequence[Portions], declared: Declared, places: Sequence[Mapping[int, set[Portion]]]) -> set[int]:
    """Return the inputs that have the whole at a place where another one has the new entries."""
    return {
        number
        for number, part, goes in _steps(portions, declared)
        if part is Portion.WHOLE and any(Portion.NEW in own[place] for own, place in zip(places, goes, strict=True))
    }


def sized_along(
    component: Any, portions: Sequence[Portions], inputs: Sequence[TensorType | None], answer: Along
) -> Along | Mixes:
    """Return the answer, unless an axis of an output has the size of the followed one without being it.

    A field that names the dim, or `like`, gives it that size: not its entries are followed, but their number.
    """
    followed = {
        symbol
        for own, x in zip(portions, inputs, strict=True)
        if x
        for axis in own
        for symbol in x.shape[axis].symbols()
    }
    named = Mixes(
        "gives other entries an axis that is as long as the followed one",
        "its fields, or `like`, have to name sizes of other axes",
    )
    if any(followed & bound.symbols().keys() for bound in component.index_bounds(*inputs).values()):
        return named
    for own, y in zip(answer.outputs, component.signature(*inputs).outputs, strict=True):
        sizes = (size for axis, size in enumerate(y.shape) if not isinstance(own, Reduces) and axis not in own)
        if any(followed & size.symbols().keys() for size in sizes):
            return named
    return answer


def _names_sizes(component: Any) -> bool:
    """Return whether a field of a component names a dim."""
    lists = (value if isinstance(value, tuple) else (value,) for value in component.values().values())
    return any(isinstance(entry, Dim) for entries in lists for entry in entries)


def port_name(component: Any, number: int) -> str:
    """Return the port of an input by its number; a variadic port is the last one."""
    ports = component.ports
    return str(ports[min(number, len(ports) - 1)].name)


def only_axes(portions: Portions, *axes: int) -> Portions:
    """Return the followed axes that are among these: those of which a component reads more than their size."""
    return {axis: part for axis, part in portions.items() if axis in axes}


def counted_along(portions: Portions) -> Along:
    """Return how a component acts that knows of its input how many entries an axis has, and makes one for each."""
    return Along((portions,), needs_positions=Portion.NEW in portions.values())


def distances_along(x: Portions, context: Portions | None, *, queries: int) -> Along:
    """Return how a component acts that makes one entry for each query and key, from their positions.

    x and context have them along axis 1; `queries` is their axis in y, which that of the keys follows. By default the
    keys are x itself; those of new queries are the whole.
    """
    own = x.get(1)
    keys = own if context is None else context.get(1)
    keys = Portion.WHOLE if own is Portion.NEW and keys is Portion.NEW else keys
    places = {queries: own, queries + 1: keys}
    return counted_along({place: part for place, part in places.items() if part is not None})
