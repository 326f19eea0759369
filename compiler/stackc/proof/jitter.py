"""Monte Carlo arithmetic: how far the truth moves if every value that it is made of is off by a rounding of float32.

The module runs in float64 several times, and in each pass every number that an operator computes, every input and every
small parameter is multiplied by 1 ± 2⁻²³ with a sign of its own (Parker 1997; CADNA and Verificarlo do the same). The
largest distance from the truth that comes of it is the spread. It is large exactly where the output is ill-conditioned:
where numbers cancel, or where an error grows. Large matrices stay as they are, uncopied: to jitter what they are
multiplied with has the same effect.

Discrete choices are those of the truth in every pass: results of comparisons, roundings and sorts are recorded once and
replayed, else a choice that turns over would allow any error.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from stackc.core.torch_threads import torch_threads
from stackc.ir.program import Call, Program
from stackc.proof.eager import Values, run_call, run_eager
from stackc.proof.eager_mode import EagerMode
from stackc.runtime import Array

PASSES = 8
ROUNDING = 2.0**-23
SMALL = 1 << 16  # numbers of a parameter that is jittered itself

# operators that only move numbers, or keep them exact: they round nothing
_EXACT = frozenset({
    "alias", "cat", "clone", "copy", "constant_pad_nd", "detach", "empty", "empty_like", "expand_copy",
    "flip", "gather", "index", "index_select", "lift_fresh", "masked_fill", "neg", "abs", "relu", "new_empty",
    "new_zeros", "ones", "ones_like", "repeat", "roll", "scatter", "select_scatter", "slice_scatter",
    "split_with_sizes", "stack", "tril", "triu", "unbind", "where", "zeros", "zeros_like", "_reshape_alias",
    "_unsafe_view",
})  # fmt: skip
# piecewise constant: what they compute is a choice
_STEPS = frozenset({
    "ceil", "floor", "floor_divide", "heaviside", "round", "sgn", "sign", "trunc", "fake_quantize_per_tensor_affine",
})  # fmt: skip
_REMAINDERS = frozenset(["fmod", "frac", "remainder"])
_SELECTIONS = frozenset(["hardshrink", "threshold"])
_GATHERED = frozenset(["cummax", "cummin", "kthvalue", "max", "median", "min", "mode", "nanmedian", "sort", "topk"])


def model_spread(
    double: nn.Module,
    feeds: Mapping[str, Array],
    program: Program,
    judged: Mapping[str, str],
    substitutes: Values,
    passes: int = PASSES,
) -> dict[str, Array]:
    """Return the spread of each judged value, by its name: an array of its shape, infinite where it is unknown.

    `judged` maps names to values as in `Sections`; `substitutes` replace values that the module computes.
    """
    keep = frozenset(value for name, value in judged.items() if name not in program.outputs)

    def run() -> list[Array]:
        done = run_eager(double, feeds, program, torch.float64, keep=keep, substitutes=substitutes)
        return [done.named(name, value) for name, value in judged.items()]

    return dict(zip(judged, _spreads(run, double, passes), strict=True))


def call_spread(double: nn.Module, call: Call, values: Values) -> dict[str, Array]:
    """Return the spread of each value that a component computes from these."""

    def run() -> list[Array]:
        return [value.numpy() for value in run_call(double, call, values, torch.float64)]

    return dict(zip(call.outputs, _spreads(run, double.get_submodule(call.owner)), strict=True))


def _spreads(run: Callable[[], Sequence[Array]], module: nn.Module, passes: int = PASSES) -> list[Array]:
    """Return the largest distance of jittered results from the exact ones, element by element."""
    with torch_threads(1):  # passes of many small operators would mostly wait for a second thread
        return _measured_spreads(run, module, passes)


def _measured_spreads(run: Callable[[], Sequence[Array]], module: nn.Module, passes: int) -> list[Array]:
    tape: list[Any] = []
    with _Recording(tape):
        exact = [np.array(array) for array in run()]

    spreads = [np.zeros(array.shape) for array in exact]
    for number in range(passes):
        noise = _Noise(number)
        try:
            with _jittered_parameters(module, noise), _Jitter(tape, noise), np.errstate(invalid="ignore"):
                distances = [np.abs(x.astype(np.float64) - t) for x, t in zip(run(), exact, strict=True)]
        except _OtherCourse:
            return [np.full(array.shape, np.inf) for array in exact]
        for spread, distance in zip(spreads, distances, strict=True):
            np.fmax(spread, np.where(np.isnan(distance), np.inf, distance), out=spread)

    # where the truth itself is not finite there is nothing to be far from
    return [np.where(np.isfinite(t), spread, 0.0) for spread, t in zip(spreads, exact, strict=True)]


class _OtherCourse(Exception):
    """A jittered pass ran other operators than the exact one: its choices cannot be replayed."""


class _Noise:
    """Multiplies numbers by 1 ± 2⁻²³, with signs that follow from a seed."""

    _signs = torch.empty(0, dtype=torch.float64)

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def __call__(self, x: Tensor) -> Tensor:
        count = x.numel()
        if _Noise._signs.numel() < count + SMALL:
            bits = np.random.default_rng(0).integers(0, 2, max(1 << 20, 2 * count))
            _Noise._signs = torch.from_numpy(1 + ROUNDING * (2.0 * bits - 1))
        start = self.random.randrange(_Noise._signs.numel() - count + 1)
        return x * _Noise._signs[start : start + count].view(x.shape)


@contextmanager
def _jittered_parameters(module: nn.Module, noise: _Noise) -> Iterator[None]:
    """Jitter the small parameters and buffers of a module, and put them back."""
    tensors = [x for x in (*module.parameters(), *module.buffers()) if x.is_floating_point() and x.numel() <= SMALL]
    before = [x.detach().clone() for x in tensors]
    with torch.no_grad():
        for x in tensors:
            x.copy_(noise(x))
    try:
        yield
    finally:
        with torch.no_grad():
            for x, saved in zip(tensors, before, strict=True):
                x.copy_(saved)


class _Recording(EagerMode):
    """Records the choices of a pass on a tape."""

    def __init__(self, tape: list[Any]) -> None:
        super().__init__()
        self.tape = tape

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Run the operator, and record its result if that is a choice."""
        result = func(*args, **(kwargs or {}))
        base = _base_name(func)
        if _is_choice(base, args, kwargs or {}, result):
            self.tape.append((base, _record(base, args, result)))
        return result


class _Jitter(EagerMode):
    """Jitters what operators compute, and replays the choices of a tape."""

    def __init__(self, tape: Sequence[Any], noise: _Noise) -> None:
        super().__init__()
        self.tape = iter(tape)
        self.noise = noise

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Run the operator, and jitter its result, or take the recorded choice in its place."""
        result = func(*args, **(kwargs or {}))
        base = _base_name(func)
        if _is_choice(base, args, kwargs or {}, result):
            recorded_base, recorded = next(self.tape, ("", None))
            if recorded_base != base:
                raise _OtherCourse
            return self._replay(base, args, kwargs or {}, result, recorded)
        if func.is_view or base in _EXACT or base.endswith("_"):
            return result
        return self._jittered(result)

    def _replay(self, base: str, args: tuple[Any, ...], kwargs: Mapping[str, Any], result: Any, recorded: Any) -> Any:
        """Return the result with the recorded choice in it."""
        if base in _REMAINDERS:
            return args[0] - recorded * (args[1] if len(args) > 1 else 1.0)
        if base in _SELECTIONS:
            keep, other = recorded
            return torch.where(keep, args[0], other)
        if base in _GATHERED and isinstance(result, tuple):
            return _like(result, [_gathered(base, args, kwargs, recorded[1]), recorded[1].clone()])
        if isinstance(result, tuple | list):
            pairs = zip(result, recorded, strict=True)
            return _like(result, [self._jittered(new) if old is None else _copied(old) for new, old in pairs])
        if base.endswith("_"):
            return args[0].copy_(recorded)
        return _copied(recorded)

    def _jittered(self, result: Any) -> Any:
        if isinstance(result, Tensor):
            return self.noise(result) if result.dtype == torch.float64 and result.numel() else result
        if isinstance(result, tuple | list):
            return _like(result, [self._jittered(item) for item in result])
        return result


def _like(result: Any, items: list[Any]) -> Any:
    """Return the items as the tuple or list that an operator returns; named tuples become plain ones."""
    return items if isinstance(result, list) else tuple(items)


def _base_name(func: Any) -> str:
    """Return `topk` for aten::topk.values."""
    return str(func.name()).partition("::")[2].partition(".")[0]


def _is_choice(base: str, args: tuple[Any, ...], kwargs: Mapping[str, Any], result: Any) -> bool:
    """Return whether an operator jumps: it is a step, or computes whole numbers, booleans or Python's from floats."""
    if base.removesuffix("_") in _STEPS or base in _REMAINDERS or base in _SELECTIONS or kwargs.get("rounding_mode"):
        return True
    results = result if isinstance(result, tuple | list) else (result,)
    if all(isinstance(x, Tensor) and x.is_floating_point() for x in results) or base.endswith("_"):
        return False
    return result is not None and any(x.is_floating_point() for x in _tensors(args))


def _tensors(args: Any) -> Iterator[Tensor]:
    for item in args:
        if isinstance(item, Tensor):
            yield item
        elif isinstance(item, tuple | list):
            yield from _tensors(item)


def _record(base: str, args: tuple[Any, ...], result: Any) -> Any:
    """Return what a jittered pass needs to make the same choice."""
    if base in _REMAINDERS:
        return ((args[0] - result) / (args[1] if len(args) > 1 else 1.0)).round()
    if base in _SELECTIONS:
        return result == args[0], result.clone()
    if isinstance(result, tuple | list):
        return [None if isinstance(x, Tensor) and x.is_floating_point() else _copied(x) for x in result]
    return _copied(result)


def _copied(value: Any) -> Any:
    return value.clone() if isinstance(value, Tensor) else value


def _gathered(base: str, args: tuple[Any, ...], kwargs: Mapping[str, Any], indices: Tensor) -> Tensor:
    """Return the numbers of an operand at the indices that a sort or a maximum along an axis chose."""
    x: Tensor = args[0]
    place = 2 if base in ("topk", "kthvalue") else 1
    axis = args[place] if len(args) > place else kwargs.get("dim", -1)
    if indices.dim() == x.dim():
        return x.gather(axis, indices)
    return x.gather(axis, indices.unsqueeze(axis)).squeeze(axis)
