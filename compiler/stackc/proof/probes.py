"""Choose what to prove beyond the sizes that whole passes reach: one call of each distinct component for each dim.

A fault may show only at large sizes: a window that is longer than any sequence that fits, a table of positions that is
wrong at its end. Only components whose values depend on other positions, or on the position itself, can have one, and
calls with the same nodes have the same one. So for each dim one call of each distinct component is to run with that dim
at its maximum and the others at their smallest, or at the largest size that fits the budgets of memory and of work.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, replace

from stackc.components.custom.module import CustomModule
from stackc.core.types import Dim, product
from stackc.export.units import units_of
from stackc.ir.program import Call, Program
from stackc.proof.coverage import SizeGap
from stackc.proof.dependence import dependent_calls, positional_calls
from stackc.proof.sections import choosing_calls
from stackc.proof.sizes import Sizes, largest_fitting, machine_memory
from stackc.proof.stamped_model import StampedModel
from stackc.proof.structure import structure_of
from stackc.view.figures import bytes_text

WORK = 2.4e11  # of all probes: 20 s on two cores, PyTorch in both precisions and ONNX Runtime together
MEMORY = 4e9  # bytes of one probe
ELEMENT_WORK = 50  # of each number that a component reads, makes or holds, beside its FLOPs: an exponential, a copy
VALUE_BYTES = 24  # of each number of its inputs and outputs: in float32 and float64, and copies of ONNX Runtime
HELD_BYTES = 6  # of each number that it holds meanwhile, in float32: scores, and beside them a mask for all heads


@dataclass(frozen=True, slots=True)
class ProbeBudget:
    """The work of all probes, in FLOPs, and the memory of each, in bytes."""

    work: float
    memory: float

    @staticmethod
    def of(*, thorough: bool) -> ProbeBudget:
        """Return the default budget; for a thorough proof any time, and half of this machine's memory."""
        return ProbeBudget(math.inf, machine_memory() / 2) if thorough else ProbeBudget(WORK, MEMORY)

    def allows(self, probe: Probe) -> bool:
        """Return whether one probe fits."""
        return probe.memory <= self.memory and probe.work <= self.work


@dataclass(frozen=True, eq=False)
class Probe:
    """A call to run at `sizes`, of which that of `dim` is beyond the largest of a whole pass, `whole`.

    `held` is the number of elements that it holds besides its inputs and outputs.
    """

    call: Call
    dim: str
    sizes: Sizes
    whole: int
    values: Dim
    held: Dim

    @property
    def size(self) -> int:
        """The size of its dim."""
        return self.sizes[self.dim]

    def at(self, size: int) -> Probe:
        """Return the probe at another size of its dim."""
        return replace(self, sizes={**self.sizes, self.dim: size})

    def gap(self, size: int, reason: str) -> SizeGap:
        """Return the note that it was proven at a smaller size only."""
        return SizeGap(self.dim, self.call.path, self.call.component.op, self.call.span, size, reason)

    @property
    def work(self) -> float:
        """The work of its run, in FLOPs."""
        elements = self.values.evaluate(self.sizes) + self.held.evaluate(self.sizes)
        return self.call.signature.flops.evaluate(self.sizes) + ELEMENT_WORK * elements

    @property
    def memory(self) -> float:
        """The bytes that its run takes."""
        return VALUE_BYTES * self.values.evaluate(self.sizes) + HELD_BYTES * self.held.evaluate(self.sizes)


def probes_of(stamped: StampedModel, largest: Sizes, whole: Sizes) -> list[Probe]:
    """Return the probes of every dim whose largest size no whole pass has reached, in running order.

    Calls of one unit are one probe if they also have the same nodes in the file and the same sizes there.
    """
    program = stamped.program
    least = {name: limits.least for name, limits in program.contract.items()}
    open_dims = [name for name in program.contract if whole[name] < largest[name]]
    if not open_dims:
        return []

    units = dict(zip((call.path for call in program.calls), units_of(program, opset=23), strict=True))
    structures: dict[str, Hashable] = {}
    probes: dict[Hashable, Probe] = {}
    dependent = {call.path: sizes for call, sizes in dependent_calls(program)}
    positional = positional_calls(stamped)
    for call in program.calls:
        sizes = dependent.get(call.path, frozenset()) | positional.get(call.path, frozenset())
        symbols = {name for size in sizes for name in size.symbols()}
        for name in open_dims:
            if name not in symbols:
                continue
            probe = _probe(call, sizes, program, name, {**least, name: largest[name]}, whole[name])
            if call.path not in structures:
                structures[call.path] = structure_of(stamped, call)
            shapes = tuple(_shape(value, program, probe.sizes) for value in call.inputs)
            probes.setdefault((units[call.path], structures[call.path], shapes, name), probe)
    return list(probes.values())


def _shape(value: str | None, program: Program, sizes: Sizes) -> tuple[int, ...] | None:
    return None if value is None else tuple(size.evaluate(sizes) for size in program.types[value].shape)


def _probe(call: Call, axes: frozenset[Dim], program: Program, name: str, sizes: Sizes, whole: int) -> Probe:
    types = [program.types[value] for value in call.inputs if value is not None]
    values = sum((product(type.shape) for type in (*types, *call.signature.outputs)), Dim.of(0))

    # of custom code nothing is known: it may hold a number for each value and position
    pairs = max((size * values for size in axes), key=lambda dim: dim.evaluate(sizes))
    held = pairs if isinstance(call.component, CustomModule) else call.signature.workspace
    return Probe(call, name, sizes, whole, values, held)


def planned(
    program: Program, probes: Sequence[Probe], budget: ProbeBudget
) -> Iterator[tuple[Probe | None, SizeGap | None]]:
    """Yield each probe at the largest size that fits the budget, and why it is no larger; None if no size fits.

    The work is shared: what cheap probes leave over is for the dear ones.
    """
    choosing = {call.path for call in choosing_calls(program)}
    left = budget.work
    for number, probe in enumerate(sorted(probes, key=lambda probe: probe.work)):
        if probe.call.path in choosing:
            reason = "it chooses between numbers, of which so many have some that are almost equal"
            yield None, probe.gap(probe.whole, reason)
            continue

        share = left / (len(probes) - number)
        fitting = _fitting(program, probe, ProbeBudget(share, budget.memory))
        if fitting is None or fitting.size < probe.size:
            yield fitting, probe.gap(fitting.size if fitting else probe.whole, _reason(probe, budget))
        else:
            yield fitting, None
        left -= fitting.work if fitting else 0.0


def _fitting(program: Program, probe: Probe, budget: ProbeBudget) -> Probe | None:
    """Return the probe at the largest size that fits; None if that is none beyond the whole passes."""
    if budget.allows(probe):
        return probe
    limits = program.contract[probe.dim]
    size = largest_fitting(limits, probe.whole, probe.size, lambda size: budget.allows(probe.at(size)))
    return None if size is None else probe.at(size)


def _reason(probe: Probe, budget: ProbeBudget) -> str:
    if probe.memory > budget.memory:
        return f"at {probe.size:,} it takes about {bytes_text(int(probe.memory))}, of {bytes_text(int(budget.memory))}"
    return f"at {probe.size:,} it takes too long, about {probe.work / WORK:,.1f} times the budget of all components"
