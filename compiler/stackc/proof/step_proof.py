"""The proof of a decoding step: run in pieces, it is the whole model.

Sequences of two lengths, one beyond every window and one as long as a budget of FLOPs and the contract allow, are cut
into pieces: all at once, one by one, at random places, all but the last entry. First the step in float64 is compared
with the whole module in float64, value by value, so that a wrong derivation is blamed on a call. Then the outputs of
the file, run in the same pieces, and its last states are judged by the rule of the proof (tolerance.py).

What a masked position computes has no meaning (decision 090): with random masks, outputs at kept positions count alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from stackc.core.diagnostics import Diagnostic, SpecError
from stackc.core.plurals import counted
from stackc.core.types import Dim
from stackc.core.value_range import ValueRange
from stackc.ir.decoding import Decoding
from stackc.ir.program import Program
from stackc.proof.advice import REPORT
from stackc.proof.blame import failing_components
from stackc.proof.component_subgraph import ModelUnderTest
from stackc.proof.components import Reference
from stackc.proof.eager import run_eager
from stackc.proof.jitter import model_spread
from stackc.proof.points import Point, draw_feeds, timing_point
from stackc.proof.stamped_model import StampedModel
from stackc.proof.tolerance import Verdict, judge, largest_difference, largest_finite
from stackc.proof.value_draws import choices_of, random_generator
from stackc.runtime import Array, Session
from stackc.torch_backend.flat import lower_program

STEP_BUDGET = 2e9  # FLOPs of the whole model on the longest sequence
DERIVED = 1e-10  # of the largest number: float64 in other sums; a wrong state or position is off by far more
SHORT = 7  # entries, unless a window is longer

Feeds = Mapping[str, Array]
Run = Callable[[Feeds], Feeds]


@dataclass(frozen=True, slots=True)
class Pieces:
    """A sequence cut into pieces, each so many entries long, at the sizes of a point."""

    point: Point
    sizes: tuple[int, ...]

    def __str__(self) -> str:
        shown = "+".join(map(str, self.sizes[:6])) + ("+…" if len(self.sizes) > 6 else "")
        return f"{self.point}, in pieces of {shown}"


@dataclass(frozen=True, slots=True)
class StepRow:
    """One output of the step, or one state, of all pieces together."""

    output: str
    pieces: Pieces
    verdict: Verdict


@dataclass(frozen=True)
class StepParity:
    """The proof of a step: a row for each output and state at each way to cut a sequence."""

    rows: tuple[StepRow, ...]
    past: str

    @property
    def longest(self) -> int:
        """The most entries that a step was given as past."""
        return max(sum(row.pieces.sizes[:-1]) for row in self.rows)

    def describe(self) -> str:
        """Say what was proven."""
        ways = counted(len({(str(row.pieces.point), row.pieces.sizes) for row in self.rows}), "way")
        numbers = sum(row.verdict.numbers for row in self.rows)
        cut = f"{ways} to cut a sequence, {self.past} up to {self.longest}"
        return f"equal to the whole model in {cut}, {numbers:,} numbers"

    def to_json(self) -> dict[str, Any]:
        """Return what the manifest says of it."""
        worst = max(self.rows, key=lambda row: row.verdict.used)
        return {
            "rows": len(self.rows),
            "longest_past": self.longest,
            "worst": {"output": worst.output, "at": str(worst.pieces), "used": worst.verdict.used},
        }


def prove_step(
    program: Program,
    decoding: Decoding,
    reference: Reference,
    session: Session,
    model: Path,
    ranges: Mapping[str, ValueRange],
    *,
    seed: int = 0,
    threads: int | None = None,
) -> StepParity:
    """Run the step in pieces, in PyTorch and as the file `model`, which `session` has opened.

    Raises SpecError: G921 if the step in float64 is not the whole model, at the first call that differs; G922 if an
    output or state of the file is too far from it, at the component at fault.
    """
    step = Reference.of(lower_program(decoding.program, reference.module))
    under_test = ModelUnderTest(StampedModel.load(model, decoding.program), session.provider, threads)
    proof = StepProof(program, decoding, reference, step, under_test)
    ways = [*ways_to_cut(program, decoding, ranges, seed)]
    for pieces in ways:  # all of them first: a file is not to blame for a derivation
        proof.require_derived(pieces, draw_feeds(program, ranges, pieces.point, seed=seed))

    rows: list[StepRow] = []
    for pieces in ways:
        rows += proof.judged(pieces, draw_feeds(program, ranges, pieces.point, seed=seed), session.run)
    return StepParity(tuple(rows), decoding.past)


def ways_to_cut(program: Program, decoding: Decoding, ranges: Mapping[str, ValueRange], seed: int) -> Iterator[Pieces]:
    """Yield the sequences and their pieces; with random masks only where kept positions are known."""
    along, limits = decoding.settings.along, decoding.lengths
    reach = max(call.component.reach for call in program.calls)
    top = limits.maximum or max(SHORT, reach + 3)
    short = min(max(SHORT, reach + 3, limits.least), top)
    small = {name: min(each.maximum or 3, max(each.least, 2)) for name, each in program.contract.items()}

    random = random_generator(f"{seed}:pieces")
    draws = ("full", "random") if _masks(decoding, ranges) else ("full",)
    for draw in draws if _kept_are_known(program, decoding, ranges) else draws[:1]:
        point = Point("short", {**small, along: short}, draw)
        yield from (Pieces(point, sizes) for sizes in dict.fromkeys(((short,), (1,) * short, _cut(short, random))))

    sizes = timing_point(program, STEP_BUDGET).sizes
    long = Point("long", sizes, "full")
    if sizes[along] > short:
        yield from (Pieces(long, cut) for cut in ((sizes[along] - 1, 1), _cut(sizes[along], random)))


def _cut(length: int, random: np.random.Generator) -> tuple[int, ...]:
    """Return the sizes of up to four pieces, cut at random places."""
    places = sorted({0, length, *(int(place) for place in random.integers(0, length + 1, 3))})
    return tuple(int(size) for size in np.diff(places))


def _masks(decoding: Decoding, ranges: Mapping[str, ValueRange]) -> list[str]:
    """Return the inputs at full length that are masks."""
    return [name for name in decoding.settings.whole if name in ranges and choices_of(ranges[name])]


def _kept_are_known(program: Program, decoding: Decoding, ranges: Mapping[str, ValueRange]) -> bool:
    """Return whether masks are [batch, entries], and outputs begin with the batch, so that kept positions are known."""
    shapes = {program.inputs[name].shape for name in _masks(decoding, ranges)}
    if len(shapes) != 1 or len(shape := next(iter(shapes))) != 2 or shape[1] != Dim.symbol(decoding.settings.along):
        return False
    outputs = (program.types[program.outputs[name]].shape for name in decoding.settings.outputs)
    return all(own[0] == shape[0] for own in outputs)


@dataclass(frozen=True, eq=False)
class StepProof:
    """What a step is compared with, and run by: the whole model and the step, in both precisions, and the file."""

    program: Program
    decoding: Decoding
    reference: Reference
    step: Reference
    under_test: ModelUnderTest

    def require_derived(self, pieces: Pieces, feeds: Feeds) -> None:
        """Raise SpecError G921 if the step in float64 differs from the whole model in float64, value by value."""
        whole, step = self.program, self.decoding.program
        if pieces.point.draw != "full":
            return  # values inside of the model have masked positions too
        values = frozenset(whole.types)
        truth = run_eager(self.reference.double, feeds, whole, torch.float64, keep=values).values
        at_once = self._eager(self.step, torch.float64, frozenset(step.types))(self._first(feeds))
        shared = {**{name: x.numpy() for name, x in truth.items()}, **_states(at_once, self.decoding)}

        done = 0
        for new, outputs in zip(pieces.sizes, self._pieces(self.step, torch.float64, pieces, feeds), strict=True):
            for call in step.calls:
                for name in call.outputs:
                    if name in shared and (far := self._distance(name, outputs[name], shared[name], done, new)):
                        raise _derivation_failure(call.path, call.component.op, call.span, name, far, pieces, done)
            done += new

    def judged(self, pieces: Pieces, feeds: Feeds, run: Run) -> list[StepRow]:
        """Return the rows of the file, run in pieces. Raises SpecError G922 if one is too far off."""
        results = self._joined([*self._run_pieces(run, pieces, feeds)])
        truth = self._expected(self.reference.double, self.step.double, torch.float64, feeds)
        single = self._expected(self.reference.single, self.step.single, torch.float32, feeds)
        kept = self._kept(feeds) if pieces.point.draw == "random" else None
        rows = []
        for name, output in results.items():
            if kept is not None and name not in self.decoding.settings.outputs:
                continue  # states of masked positions

            def of(array: Array, name: str = name) -> Array:
                return array if kept is None else np.moveaxis(array, self._new_axis(name), 1)[kept]

            verdict = judge(of(output), of(single[name]), of(truth[name]))
            if verdict.too_far:
                verdict = judge(of(output), of(single[name]), of(truth[name]), spread=of(self._spread(name, feeds)))
            rows.append(StepRow(name, pieces, verdict))
        if failed := [row for row in rows if row.verdict.problem]:
            raise self._failure(failed[0], feeds)
        return rows

    # -- running

    def _first(self, feeds: Feeds) -> dict[str, Array]:
        """Return the inputs of a step that has no past: all entries at once."""
        return self._piece(feeds, 0, None, self.empty_states(feeds))

    def empty_states(self, feeds: Feeds) -> dict[str, Array]:
        """Return the states before the first step."""
        sizes = {self.decoding.past: 0, **_sizes(self.program, feeds)}
        types = self.decoding.program.inputs
        return {
            state.past: np.zeros([size.evaluate(sizes) for size in types[state.past].shape], types[state.past].dtype)
            for state in self.decoding.states
        }

    def _piece(self, feeds: Feeds, done: int, new: int | None, states: Feeds) -> dict[str, Array]:
        """Return the inputs of the step for `new` entries after those that are done."""
        end = None if new is None else done + new
        inputs = {}
        for name, type_ in self.decoding.program.inputs.items():
            inputs[name] = states[name] if name in states else self._part(type_.shape, feeds[name], done, end)
        return inputs

    def _part(self, shape: Sequence[Dim], array: Array, done: int, end: int | None) -> Array:
        """Return the entries that an array of the whole model has in a step, by its shape there."""
        along = Dim.symbol(self.decoding.settings.along)
        whole = along + Dim.symbol(self.decoding.past)
        places = {along: slice(done, end), whole: slice(0, end)}
        return np.ascontiguousarray(array[tuple(places.get(size, slice(None)) for size in shape)])

    def _run_pieces(self, run: Run, pieces: Pieces, feeds: Feeds) -> Iterator[Feeds]:
        """Yield what each step returns."""
        states, done = self.empty_states(feeds), 0
        for new in pieces.sizes:
            outputs = run(self._piece(feeds, done, new, states))
            states = {state.past: outputs[state.present] for state in self.decoding.states}
            done += new
            yield outputs

    def _pieces(self, step: Reference, precision: torch.dtype, pieces: Pieces, feeds: Feeds) -> Iterator[Feeds]:
        return self._run_pieces(self._eager(step, precision, frozenset(self.decoding.program.types)), pieces, feeds)

    def _eager(self, step: Reference, precision: torch.dtype, keep: frozenset[str] = frozenset()) -> Run:
        """Return what runs the step in PyTorch: outputs, and the values to keep, by name."""
        module = step.double if precision == torch.float64 else step.single

        def run(feeds: Feeds) -> Feeds:
            done = run_eager(module, feeds, self.decoding.program, precision, keep=keep)
            return {**{name: value.numpy() for name, value in done.values.items()}, **done.outputs}

        return run

    def _expected(self, whole: torch.nn.Module, step: torch.nn.Module, precision: torch.dtype, feeds: Feeds) -> Feeds:
        """Return the outputs of the whole model, and the states after all entries at once."""
        outputs = run_eager(whole, feeds, self.program, precision).outputs
        states = run_eager(step, self._first(feeds), self.decoding.program, precision).outputs
        return {**_states(states, self.decoding), **{name: outputs[name] for name in self.decoding.settings.outputs}}

    def _joined(self, steps: Sequence[Feeds]) -> dict[str, Array]:
        """Return the outputs of all steps one after the other, and the last states."""
        outputs = {
            name: np.concatenate([outputs[name] for outputs in steps], axis=self._new_axis(name))
            for name in self.decoding.settings.outputs
        }
        return {**outputs, **_states(steps[-1], self.decoding)}

    def _new_axis(self, output: str) -> int:
        """Return the axis of an output that has the new entries."""
        program = self.decoding.program
        return program.types[program.outputs[output]].shape.index(Dim.symbol(self.decoding.settings.along))

    def _kept(self, feeds: Feeds) -> Array:
        """Return where the masks keep a position, [batch, entries]."""
        masks = [feeds[name] != 0 for name in self.decoding.settings.whole if feeds[name].ndim == 2]
        kept: Array = np.logical_and.reduce(masks)
        return kept

    # -- judging

    def _distance(self, name: str, value: Array, truth: Array, done: int, new: int) -> float | None:
        """Return how far a value of a step is from that of the whole model; None if no further than float64 is."""
        expected = self._part(self.decoding.program.types[name].shape, truth, done, done + new)
        if value.shape != expected.shape:
            return float("inf")
        far = largest_difference(value, expected)
        return far if far > DERIVED * max(1.0, largest_finite(expected)) else None

    def _spread(self, name: str, feeds: Feeds) -> Array:
        """Return how far an output, or a state, moves with the roundings of float32."""
        if name in self.decoding.settings.outputs:
            judged = {name: self.program.outputs[name]}
            return model_spread(self.reference.double, feeds, self.program, judged, {})[name]
        step = self.decoding.program
        return model_spread(self.step.double, self._first(feeds), step, {name: step.outputs[name]}, {})[name]

    def _failure(self, row: StepRow, feeds: Feeds) -> SpecError:
        """Return G922 at the component that fails on its own in one of the pieces, or at the output."""
        message = (
            f"the output '{row.output}' of the step differs from PyTorch: at {row.pieces} it {row.verdict.problem}"
        )
        single = self._eager(self.step, torch.float32)
        states, done = self.empty_states(feeds), 0
        for new in row.pieces.sizes:
            inputs = self._piece(feeds, done, new, states)
            draw = (row.pieces.point, inputs)
            if failing := failing_components(self.under_test, self.step, [draw], draw):
                first = failing[0]
                message = (
                    f"'{first.path}' ({first.op}) in the step differs from PyTorch: at {row.pieces}, after {done} "
                )
                message += f"entries, it {first.verdict.problem}"
                return SpecError(Diagnostic("G922", message, first.span, REPORT))
            outputs = single(inputs)
            states = {state.past: outputs[state.present] for state in self.decoding.states}
            done += new

        value = self.decoding.program.outputs[row.output]
        span = next(call.span for call in self.decoding.program.calls if value in call.outputs)
        return SpecError(Diagnostic("G922", message, span, REPORT))


def _states(outputs: Feeds, decoding: Decoding) -> dict[str, Array]:
    return {state.present: outputs[state.present] for state in decoding.states}


def _sizes(program: Program, feeds: Feeds) -> dict[str, int]:
    """Return the sizes of the dims that inputs have as they are."""
    return {
        str(size): extent
        for name, type_ in program.inputs.items()
        for size, extent in zip(type_.shape, feeds[name].shape, strict=True)
    }


def _derivation_failure(path: str, op: str, span: Any, value: str, far: float, pieces: Pieces, done: int) -> SpecError:
    """Return G921: the call at which the step in float64 begins to differ from the whole model."""
    message = (
        f"'{path}' ({op}) in the step is not that of the whole model: at {pieces}, after {done} entries, '{value}' "
    )
    return SpecError(Diagnostic("G921", f"{message}is {far:.2e} off, both in float64", span, REPORT))
