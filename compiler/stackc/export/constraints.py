"""Check whether the dims contract implies the constraints that a compiled unit relies on. Called by link.py.

A constraint is a text over `x0_1`, the size of axis 1 of input 0. It is tried at many sizes that the contract allows,
including the smallest, the largest and those around every number in its text: a branch on a size, or an equality of
two polynomials, that holds at all of them is taken to hold. Sizes that are 1 at the smallest point of the contract are
left to the proof, which always runs it: an exporter's assumptions about them (`x0_1 != 1`, or `x0_1 - 2 != 1` behind a
window of 3) say nothing about what is calculated.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

import simpleeval

from stackc.core.types import Dim, DimContract, DimRange, Symbol, TensorType

_FUNCTIONS: dict[str, Callable[..., object]] = {
    "Eq": operator.eq, "Ne": operator.ne, "Min": min, "Max": max, "Mod": operator.mod, "PythonMod": operator.mod,
    "FloorDiv": operator.floordiv, "CleanDiv": operator.floordiv, "IntTrueDiv": operator.truediv, "ToFloat": float,
    "FloatTrueDiv": operator.truediv, "FloatPow": operator.pow, "PowByNatural": operator.pow, "TruncToInt": int,
    "FloorToInt": math.floor, "CeilToInt": math.ceil,
}  # fmt: skip
_LARGEST_RAISE = 64
_NODES = ("Expr", "BinOp", "UnaryOp", "BoolOp", "Compare", "Call", "Name", "Constant")


class UncheckableConstraint(ValueError):
    """A constraint that needs something other than sizes."""


def holds(constraint: str, sizes: Mapping[str, int]) -> bool:
    """Return whether a constraint holds at these sizes of the axes.

    Raises UncheckableConstraint if it is not an arithmetic expression over them.
    """
    evaluator = simpleeval.SimpleEval(functions=_FUNCTIONS, names=dict(sizes))
    evaluator.nodes = {kind: run for kind, run in evaluator.nodes.items() if kind.__name__ in _NODES}
    try:
        return bool(evaluator.eval(constraint))
    except (simpleeval.InvalidExpression, SyntaxError, TypeError) as error:
        raise UncheckableConstraint(constraint) from error


def counterexample(
    constraint: str, inputs: Sequence[TensorType | None], contract: DimContract
) -> Mapping[str, int] | None:
    """Return sizes of the contract's dims at which the constraint fails; None if it holds at all that were tried."""
    axes = {name: _dim_of_axis(name, inputs) for name in dict.fromkeys(re.findall(r"x\d+_\d+", constraint))}
    multiples = {name: multiple for dim in axes.values() for name, multiple in dim.symbols().items()}
    symbols = {name: contract.get(name, DimRange(multiple_of=multiple)) for name, multiple in multiples.items()}
    numbers = [int(number) for number in re.findall(r"(?<![\w])\d+", constraint)]

    proven = {name: limits.least for name, limits in symbols.items()} if constraint.endswith(" != 1") else None
    for sizes in _sample_sizes(symbols, axes.values(), numbers):
        if sizes != proven and not holds(constraint, {name: dim.evaluate(sizes) for name, dim in axes.items()}):
            return sizes
    return None


def working_minima(
    constraints: Iterable[str], inputs: Sequence[TensorType | None], contract: DimContract
) -> Mapping[str, int] | None:
    """Return the smallest sizes of dims from which on all constraints hold; None if there are none up to 64 above."""
    minima: dict[str, int] = {}
    raised = dict(contract)
    by_symbols = sorted(constraints, key=lambda text: len(set(re.findall(r"x\d+_\d+", text))))

    for _ in range(_LARGEST_RAISE):
        failing = (counterexample(constraint, inputs, raised) for constraint in by_symbols)
        sizes = next((sizes for sizes in failing if sizes is not None), None)
        if sizes is None:
            return minima
        for name, size in sizes.items():
            limits = raised.get(name, DimRange())
            minima[name] = size + limits.multiple_of
            raised[name] = replace(limits, minimum=minima[name])
            if limits.maximum is not None and minima[name] > limits.maximum:
                return None
    return None


def constraint_text(constraint: str, inputs: Sequence[TensorType | None]) -> str:
    """Return the constraint over the names of the contract's dims."""
    return re.sub(r"x\d+_\d+", lambda match: str(_dim_of_axis(match[0], inputs)), constraint)


def _dim_of_axis(name: str, inputs: Sequence[TensorType | None]) -> Dim:
    port, axis = map(int, name[1:].split("_"))
    x = inputs[port]
    assert x is not None, f"{name} is an axis of an open port"
    return x.shape[axis]


def _sample_sizes(
    symbols: Mapping[str, DimRange], axes: Iterable[Dim], numbers: Sequence[int]
) -> Iterator[Mapping[str, int]]:
    """Yield legal sizes: every candidate of each symbol, with all others at their smallest, middle or largest one."""
    thresholds = _thresholds(axes, numbers)
    candidates = {name: _candidates(limits, thresholds.get(name, ())) for name, limits in symbols.items()}
    for share in (0.0, 0.5, 1.0):
        others = {name: sizes[int(share * (len(sizes) - 1))] for name, sizes in candidates.items()}
        yield others
        for name, sizes in candidates.items():
            yield from ({**others, name: size} for size in sizes)


def _thresholds(axes: Iterable[Dim], numbers: Sequence[int]) -> dict[str, list[int]]:
    """Return the sizes of symbols at which an axis that is a multiple of one passes a number of the constraint."""
    thresholds: dict[str, list[int]] = {}
    for dim in axes:
        for monomial, coefficient in dim.terms:
            if len(monomial) == 1 and isinstance(atom := monomial[0], Symbol):
                sizes = [number * atom.multiple_of // coefficient for number in numbers]
                thresholds.setdefault(atom.name, []).extend(sizes)
    return thresholds


def _candidates(limits: DimRange, thresholds: Sequence[int]) -> list[int]:
    """Return the sizes to try within the limits: small ones, powers of two, thresholds, their neighbours, the ends."""
    step = limits.multiple_of
    smallest = max(limits.least, -(-2 // step) * step)
    largest = max(limits.least, limits.maximum // step * step) if limits.maximum is not None else None

    wanted = [*range(smallest, smallest + 32 * step, step), *(1 << power for power in range(17)), *thresholds]
    near = {size // step * step + shift * step for size in wanted for shift in (-1, 0, 1)}
    top = largest if largest is not None else max(near)
    return sorted({size for size in near if smallest <= size <= top} | {min(smallest, top), top})
