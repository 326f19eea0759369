"""What attentions share: masks and biases of their scores, and how they act along the axis of queries and keys."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from stackc.components.along import Along, Mixes, Portion, Portions, Reduces, State, static_beside
from stackc.components.axes import Axes
from stackc.components.base import Component, SignatureError, require_mask
from stackc.core.types import Dim, TensorType

MASK_LAYOUTS = "[batch, keys], [batch, queries, keys] or [batch, heads, queries, keys]"


def require_score_bias(bias: TensorType, dtype: str, batch: Dim, heads: int, queries: Dim, keys: Dim) -> None:
    """Raise SignatureError unless the bias has a number for each score; batch and heads may be 1, to be shared."""
    allowed = ((batch, 1), (heads, 1), (queries,), (keys,))
    fits = bias.rank == 4 and all(size in sizes for size, sizes in zip(bias.shape, allowed, strict=True))
    if bias.dtype != dtype or not fits:
        expected = f"{dtype}[{batch}, {heads}, {queries}, {keys}]"
        raise SignatureError(f"expects a bias {expected}, got {bias}", port="bias")


def require_score_mask(mask: TensorType, batch: Dim, heads: int, queries: Dim, keys: Dim) -> None:
    """Raise SignatureError unless the mask has one of its three layouts, with the sizes of queries and keys."""
    require_mask(mask)
    layouts: dict[int, tuple[tuple[Dim | int, ...], ...]] = {
        2: ((batch,), (keys,)),
        3: ((batch,), (1, queries), (keys,)),
        4: ((batch,), (1, heads), (1, queries), (keys,)),
    }

    if mask.rank not in layouts:
        raise SignatureError(f"expects a mask {MASK_LAYOUTS}, got {mask}", port="mask")
    if any(size not in allowed for size, allowed in zip(mask.shape, layouts[mask.rank], strict=True)):
        expected = ", ".join(str(allowed[-1]) for allowed in layouts[mask.rank])
        raise SignatureError(f"expects a mask [{expected}], got {mask}", port="mask")


def score_axes(scores: TensorType | None, *, positional: bool, queries: int = 1) -> Axes:
    """Return batch and queries of a mask or bias, unless they are 1 and repeated; `queries` is their place in y.

    If it is `positional`, what a query attends to depends on its place.
    """
    if scores is None:
        return {}
    places = {0: (0,)} | ({scores.rank - 2: (queries,)} if scores.rank > 2 and not positional else {})
    return {axis: place for axis, place in places.items() if scores.shape[axis] != 1}


def with_probabilities(component: Component, axes: tuple[Axes, ...], queries: int) -> tuple[Axes, ...]:
    """Return the axes with their places in the probabilities too, if there are any; `queries` is their axis in y."""
    if len(component.outputs) == 1:
        return axes
    return tuple({axis: (y, 2 if y == queries else 0) for axis, (y,) in places.items()} for places in axes)


@dataclass(frozen=True)
class ScoreInput:
    """A mask or bias at a port, and what it has of the followed axis."""

    port: str
    type: TensorType
    portions: Portions

    def refusal(self, *, has_keys: bool) -> Mixes | None:
        """Return why it does not fit new queries, and keys up to now if they are along the axis too."""
        rank, own = self.type.rank, dict(self.portions)
        keys, queries = own.pop(rank - 1, None), own.pop(rank - 2, None) if rank > 2 else None
        has_queries = rank > 2 and self.type.shape[rank - 2] != 1
        if own or (has_queries and queries is not Portion.NEW) or (keys is None) == has_keys:
            return static_beside(self.port)
        if has_queries and keys is Portion.NEW:
            return Mixes("needs a row of all keys for each new query", port=self.port)
        return None

    def kept(self, last: int | None) -> list[State]:
        """Return what is kept of it: what it said of earlier keys, unless it is given as a whole."""
        axis = self.type.rank - 1
        if self.portions.get(axis) is not Portion.NEW:
            return []
        return [State(self.port, self.type, axis, last)]


@dataclass(frozen=True)
class AttendedAxis:
    """An attention whose queries or keys are along the followed axis: what they have of it, and what limits them."""

    queries: Portion | None
    keys: Portion | None
    causal: bool
    window: int | None
    scores: Sequence[ScoreInput]

    @property
    def last(self) -> int | None:
        """How many earlier keys a query reaches; None if it reaches all of them."""
        return self.window - 1 if self.window else None

    def refusal(self) -> Mixes | Reduces | None:
        """Return why it is neither pointwise nor causal; None if it is one of both."""
        if self.queries is None:
            return Reduces("attends to all entries of the axis from queries that do not go on with it")
        if self.queries is Portion.WHOLE:
            return Mixes("attends from all entries up to now, not from the new ones alone")
        if self.keys is None and (self.causal or self.window):
            return Mixes("compares places of its queries with those of a context that does not go on with them")
        if self.keys is not None and not self.causal:
            return Mixes("attends to later entries too", "write `causal: true` if it need not", field="causal")
        refusals = (score.refusal(has_keys=self.keys is not None) for score in self.scores)
        return next((refusal for refusal in refusals if refusal), None)

    def answer(
        self, component: Component, axis: int, states: Sequence[State], *, needs_positions: bool
    ) -> Along | Mixes:
        """Return how the attention acts: y has the queries along `axis`; it keeps `states`, if keys come by and by."""
        refusal = self.refusal()
        if isinstance(refusal, Mixes):
            return refusal
        if refusal is not None:
            return Along((refusal,) * len(component.outputs))

        probabilities = {2: Portion.NEW} | ({} if self.keys is None else {3: Portion.WHOLE})
        outputs = ({axis: Portion.NEW}, probabilities)[: len(component.outputs)]
        kept = list(states) if self.keys is Portion.NEW else []
        kept += [state for score in self.scores for state in score.kept(self.last)]
        return Along(outputs, tuple(kept), needs_positions)


def score_inputs(**inputs: tuple[TensorType | None, Portions]) -> list[ScoreInput]:
    """Return the masks and biases, by port, that are connected."""
    return [ScoreInput(port, x, portions) for port, (x, portions) in inputs.items() if x is not None]
