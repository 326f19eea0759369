"""A model with the parameters that start constant jittered: norm weights, biases, running statistics.

A file that reads the weight of one norm in the place of another's computes the same as long as both are ones. So at one
point such tensors hold other numbers, each its own: in the module, and in a session over the same file whose
initializers are overridden, with what is folded from them folded anew. Large tensors are neither copied nor read.
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from math import isfinite

import numpy as np
import torch
from torch import Tensor, nn

from stackc.export.link import LinkedGraph
from stackc.export.weight_folding import run_subgraph
from stackc.ir.program import Call
from stackc.proof.component_subgraph import ModelUnderTest
from stackc.proof.components import Reference
from stackc.proof.points import JITTERED, Point
from stackc.runtime import Array

SPAN = 0.25
"""The share by which a number is moved at most. A tensor of zeros gets numbers of up to twice this size."""

GLANCE = 64
"""Numbers that are read to see that a tensor is not constant."""


@dataclass(frozen=True, eq=False)
class JitteredModel:
    """The reference and the file with jittered tensors, and the calls that use one of them."""

    reference: Reference
    under_test: ModelUnderTest
    calls: tuple[Call, ...]


def jitter_constants(under_test: ModelUnderTest, reference: Reference, linked: LinkedGraph) -> JitteredModel | None:
    """Return the model with every constant parameter and buffer of floats jittered; None if it has none."""
    state = reference.single.state_dict(keep_vars=True)
    jittered = {id(state[name]): _jittered(name, state[name]) for name in _constants(state)}
    names = frozenset(name for name, tensor in state.items() if id(tensor) in jittered)
    if not names:
        return None

    single = _with_tensors(reference.single, jittered)
    in_double = reference.double.state_dict(keep_vars=True)
    double = _with_tensors(reference.double, {id(in_double[n]): jittered[id(state[n])].double() for n in names})

    tensors = {name: tensor.detach().numpy() for name, tensor in single.state_dict().items()}
    stamped = under_test.stamped.with_overrides(_fold_anew(linked, tensors, names, under_test.stamped.initializers))
    return JitteredModel(
        Reference(reference.module, single, double),
        replace(under_test, stamped=stamped),
        tuple(call for call in under_test.program.calls if names.intersection(_tensors_of(call))),
    )


def jittered_point(point: Point) -> Point:
    """Return the point as rows of the proof name it."""
    return Point(JITTERED, point.sizes, f"{point.draw}, constant parameters jittered")


def _tensors_of(call: Call) -> tuple[str, ...]:
    return (*call.parameters.values(), *call.buffers.values())


def _constants(state: Mapping[str, Tensor]) -> Iterator[str]:
    """Yield the names of the tensors of floats whose numbers are all equal."""
    for name, tensor in state.items():
        if not tensor.is_floating_point() or not tensor.numel():
            continue
        numbers = tensor.detach().reshape(-1)
        first = numbers[0]
        if isfinite(first) and bool((numbers[:GLANCE] == first).all()) and bool((numbers == first).all()):
            yield name


def _jittered(name: str, tensor: Tensor) -> Tensor:
    """Return other numbers for a constant tensor, which depend on its name alone.

    They keep the sign that it has. Zeros become positive, as a running variance has to be; a matrix of zeros gets small
    numbers of both signs, as large outputs come of it otherwise.
    """
    random = np.random.default_rng(list(hashlib.sha256(name.encode()).digest()))
    value, shape = float(tensor.detach().reshape(-1)[0]), tuple(tensor.shape)
    if value:
        numbers = value * random.uniform(1 - SPAN, 1 + SPAN, shape)
    elif len(shape) < 2:
        numbers = random.uniform(0, 2 * SPAN, shape)
    else:
        numbers = random.uniform(-2 * SPAN, 2 * SPAN, shape) / np.sqrt(max(1, tensor.numel() // shape[0]))
    return torch.from_numpy(np.asarray(numbers)).to(tensor.dtype)


def _with_tensors(module: nn.Module, jittered: Mapping[int, Tensor]) -> nn.Module:
    """Return a copy of the module with some of its tensors replaced, by id; it shares all others."""
    # deepcopy takes an object out of its memo instead of copying it
    memo: dict[int, Tensor] = {id(x): x for x in (*module.parameters(), *module.buffers())}
    memo |= {id(x): nn.Parameter(jittered[id(x)], x.requires_grad) for x in module.parameters() if id(x) in jittered}
    memo |= {id(x): jittered[id(x)] for x in module.buffers() if id(x) in jittered}
    return copy.deepcopy(module, memo)


def _fold_anew(
    linked: LinkedGraph, tensors: Mapping[str, Array], names: frozenset[str], initializers: Mapping[str, object]
) -> dict[str, Array]:
    """Return the initializers of the file that come from the tensors of these names."""
    overrides: dict[str, Array] = {}
    for stored in linked.weights:
        if not names.intersection(stored.sources):
            continue
        sources = [tensors[source] for source in stored.sources]
        results = sources if stored.subgraph is None else run_subgraph(stored.subgraph, sources)
        overrides |= {name: np.asarray(x, order="C") for name, x in zip(stored.names, results, strict=True)}
    return {name: array for name, array in overrides.items() if name in initializers}
