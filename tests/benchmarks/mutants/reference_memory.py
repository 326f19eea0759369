"""Remember what the module computes: it is the same in the proofs of all mutants of a model."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest import mock

import numpy as np
import torch

from stackc.ir.program import Call
from stackc.proof import eager, jitter
from stackc.proof.components import Reference

REMEMBERED = {
    eager: ("run_eager", "run_call"),
    jitter: ("model_spread", "call_spread"),
}


@contextmanager
def remembered(*references: Reference) -> Iterator[None]:
    """Let the proof run the two modules of each reference, and measure spreads of them, once for the same inputs.

    Only runs of these very modules are remembered, and none that are part of measuring a spread: they are jittered.
    """
    results: dict[Hashable, Any] = {}
    modules = {id(module) for reference in references for module in (reference.single, reference.double)}
    homes = ("stackc.proof", "tests.benchmarks.mutants")
    callers = [module for name, module in sys.modules.items() if name.startswith(homes) and module is not jitter]

    with ExitStack() as stack:
        for home, names in REMEMBERED.items():
            for name in names:
                original = getattr(home, name)
                replacement = _remembering(original, modules, results)
                for module in callers:
                    if getattr(module, name, None) is original:
                        stack.enter_context(mock.patch.object(module, name, replacement))
        yield


def _remembering(original: Callable[..., Any], modules: set[int], results: dict[Hashable, Any]) -> Callable[..., Any]:
    def run(module: Any, *arguments: Any, **options: Any) -> Any:
        if id(module) not in modules:
            return original(module, *arguments, **options)
        call = next((argument for argument in arguments if isinstance(argument, Call)), None)
        key = (original.__name__, id(module), *(_key(x, call) for x in arguments), _key(options, None))
        if key not in results:
            results[key] = original(module, *arguments, **options)
        return results[key]

    return run


def _key(argument: Any, call: Call | None) -> Hashable:
    """Return what tells arguments apart: numbers by their digest, of the values of a call those that it reads."""
    if isinstance(argument, Call):
        return argument.path
    if isinstance(argument, Mapping):
        names = argument if call is None else [name for name in call.inputs if name is not None]
        return tuple((name, _key(argument[name], None)) for name in names)
    if isinstance(argument, torch.Tensor | np.ndarray):
        array = np.ascontiguousarray(argument)
        return array.dtype.str, array.shape, hashlib.blake2b(array.tobytes(), digest_size=16).digest()
    return argument if isinstance(argument, str | frozenset | torch.dtype | int | None) else id(argument)
