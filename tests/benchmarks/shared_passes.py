"""Passes of the reference that several proofs of one draw have in common, calculated once.

Proofs of the same weights and inputs in several settings differ in ONNX Runtime, and in the threads of PyTorch's
float32. The truth, the spreads, and PyTorch at one number of threads are the same functions of the same numbers.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest import mock

import numpy as np
import torch
from torch import Tensor

from stackc.ir.program import Call
from stackc.proof import component_batch, components, parity, size_proof
from stackc.proof.components import Reference

PASSES = [
    *((module, "run_eager") for module in (parity, components, component_batch)),
    *((module, name) for module in (components, size_proof) for name in ("run_call", "call_spread")),
    (parity, "model_spread"),
]
"""Where the proof calls the functions of a reference, and a few arrays, that are kept."""


@contextmanager
def shared_passes(reference: Reference) -> Iterator[None]:
    """Within the context, calculate each pass of a reference once; its results are not to be changed."""
    kept: dict[object, Any] = {}
    with ExitStack() as patches:
        for module, name in PASSES:
            shared = _shared(getattr(module, name), reference, kept)
            patches.enter_context(mock.patch.object(module, name, shared))
        yield


def _shared(function: Callable[..., Any], reference: Reference, kept: dict[object, Any]) -> Callable[..., Any]:
    def call(module: Any, *arguments: Any, **options: Any) -> Any:
        if module is not reference.single and module is not reference.double:
            return function(module, *arguments, **options)  # a module with other parameters

        threads = torch.get_num_threads() if module is reference.single else 0
        digest = hashlib.blake2b()
        if isinstance(arguments[0], Call):
            path, values = arguments[0], arguments[1]
            _add(digest, [path.path, {name: values[name] for name in path.inputs if name}, arguments[2:], options])
        else:
            _add(digest, [arguments, options])
        key = (function.__name__, threads, digest.digest())
        if key not in kept:
            kept[key] = function(module, *arguments, **options)
        return kept[key]

    return call


def _add(digest: Any, value: object) -> None:
    """Add a value to a digest: arrays by their numbers; programs are left out, since a reference has one."""
    if isinstance(value, Tensor):
        value = value.numpy()
    if isinstance(value, np.ndarray):
        digest.update(f"{value.dtype}{value.shape}".encode() + value.tobytes())
    elif isinstance(value, Mapping):
        for key in sorted(value):
            digest.update(f"{key}=".encode())
            _add(digest, value[key])
    elif isinstance(value, list | tuple):
        for item in value:
            _add(digest, item)
            digest.update(b";")
    elif isinstance(value, set | frozenset):
        digest.update(repr(sorted(value)).encode())
    elif isinstance(value, str | int | float | None | torch.dtype):
        digest.update(repr(value).encode())
