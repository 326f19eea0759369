"""Compare the tensors of the file with the parameters of the module that they come from, one at a time.

A tensor that is stored as it is, or with its elements moved (transposed, reshaped, split, joined), has to be the same
bit for bit, and one that is calculated (a reparametrized weight) is judged by the rule of the proof. What the file has
beyond parameters and the constants of its components is an error. Large tensors are mapped from the file, not read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from onnx import numpy_helper
from torch import nn

from stackc.core.diagnostics import Diagnostic, Note
from stackc.export.functions import unfold_functions
from stackc.export.link import LinkedGraph
from stackc.export.storage import Stored
from stackc.ir.program import Call
from stackc.onnx_format.nodes import reads
from stackc.proof.advice import REPORT, fault_of
from stackc.proof.stamped_model import StampedModel, stamp_of
from stackc.proof.tolerance import WORDS, judge
from stackc.proof.weight_subgraphs import Calculation, moved_values
from stackc.runtime import Array


@dataclass(frozen=True, slots=True)
class TensorProblem:
    """A tensor of the file that is not what it should be: what is wrong, and the calls that use it."""

    tensor: str
    text: str
    calls: tuple[Call, ...]

    def diagnostic(self, notes: tuple[Note, ...] = ()) -> Diagnostic:
        """Return a P701 at the line of the first component that uses the tensor."""
        if not self.calls:
            return Diagnostic("P701", f"the tensor '{self.tensor}' of the file {self.text}", hint=REPORT)
        call = self.calls[0]
        message = f"'{call.path}' ({call.component.op}) differs from PyTorch: {self.remark}"
        return Diagnostic("P701", message, call.span, fault_of(call.component), notes)

    @property
    def remark(self) -> str:
        """What is wrong, as a part of a message about a component."""
        return f"its tensor '{self.tensor}' in the file {self.text}"


@dataclass(frozen=True, slots=True)
class FileTensors:
    """How many tensors of the file were compared with parameters, and what is wrong with them."""

    compared: int
    problems: tuple[TensorProblem, ...]

    def of_component(self, path: str) -> tuple[TensorProblem, ...]:
        """Return the problems of the tensors that a component uses."""
        return tuple(problem for problem in self.problems if any(call.path == path for call in problem.calls))


def compare_tensors(stamped: StampedModel, linked: LinkedGraph, module: nn.Module) -> FileTensors:
    """Compare every initializer of the file with what `linked` stores in it: parameters, buffers and constants."""
    state = {name: tensor.detach().numpy() for name, tensor in module.state_dict().items()}
    users = _users(stamped)
    problems: list[TensorProblem] = []
    for stored in linked.weights:
        calls = tuple({call.path: call for source in stored.sources for call in users.get(source, ())}.values())
        for name, text in _differences(stamped, stored, state):
            problems.append(TensorProblem(name, text, calls))

    names = {name for stored in linked.weights for name in stored.names}
    problems += _constant_problems(stamped, linked, names)
    return FileTensors(len(names), tuple(problems))


def _users(stamped: StampedModel) -> dict[str, list[Call]]:
    """Return the calls that use each tensor of the state_dict."""
    users: dict[str, list[Call]] = {}
    for call in stamped.program.calls:
        for source in dict.fromkeys((*call.parameters.values(), *call.buffers.values())):
            users.setdefault(source, []).append(call)
    return users


def _differences(stamped: StampedModel, stored: Stored, state: Mapping[str, Array]) -> Iterator[tuple[str, str]]:
    """Yield each tensor that differs from the parameters that it comes from, and how."""
    sources = [state[source] for source in stored.sources]
    parameter = f"the parameter '{stored.sources[0]}'" if len(sources) == 1 else "the parameters that it comes from"
    expected = sources if stored.subgraph is None else moved_values(stored.subgraph, sources)
    if expected is None:
        yield from _calculated_differences(stamped, stored, sources)
        return

    for name, array in zip(stored.names, expected, strict=True):
        if text := _difference(stamped.initializer(name), array, parameter):
            yield name, text


def _difference(found: Array | None, expected: Array, origin: str) -> str | None:
    """Describe how a tensor differs from another, bit for bit; None if it does not."""
    if problem := _form_problem(found, expected):
        return problem
    assert found is not None
    bits = np.dtype(f"u{expected.dtype.itemsize}")
    left, right = found.view(bits), expected.view(bits)
    return None if np.array_equal(left, right) else f"differs from {origin} at {_places(left != right)}"


def _form_problem(found: Array | None, expected: Array) -> str | None:
    if found is None:
        return "is missing"
    if found.shape != expected.shape or found.dtype != expected.dtype:
        has, wanted = (f"{array.dtype}{list(array.shape)}" for array in (found, expected))
        return f"is {has} instead of {wanted}"
    return None


def _places(differs: Array) -> str:
    """Return how many numbers differ, and the index of the first."""
    first = [int(index) for index in np.unravel_index(int(np.argmax(differs)), differs.shape)]
    where = f", the first at {first}" if first else ""
    return f"{np.count_nonzero(differs):,} of {differs.size:,} numbers{where}"


def _calculated_differences(
    stamped: StampedModel, stored: Stored, sources: Sequence[Array]
) -> Iterator[tuple[str, str]]:
    """Judge the results of a weight subgraph that calculates, by its results in float32 and in float64."""
    assert stored.subgraph is not None
    calculation = Calculation.of(stored.subgraph, sources)
    singles, truths = calculation.single(), calculation.truth()
    spreads: list[Array] | None = None
    for number, (name, single, truth) in enumerate(zip(stored.names, singles, truths, strict=True)):
        found = stamped.initializer(name)
        if problem := _form_problem(found, single):
            yield name, problem
            continue

        assert found is not None
        verdict = judge(found, single, truth, frozenset(WORDS))
        if verdict.too_far:
            spreads = spreads or calculation.spreads(truths)
            verdict = judge(found, single, truth, frozenset(WORDS), spreads[number])
        if verdict.problem:
            far = ~(np.abs(found.astype(np.float64) - truth) <= verdict.allowed)
            yield name, f"{verdict.problem}: wrong at {_places(far)}" if far.any() else verdict.problem


def _constant_problems(stamped: StampedModel, linked: LinkedGraph, weights: set[str]) -> Iterator[TensorProblem]:
    """Yield the constants of the file that differ from those of its components, and those that no component has."""
    flat = unfold_functions(linked.model) if linked.model.functions else linked.model
    constants = {tensor.name: tensor for tensor in flat.graph.initializer}

    # a constant that is missing is read by no node of the file, but by those it was written from
    readers: dict[str, list[str | None]] = {}
    for node in (*flat.graph.node, *stamped.model.graph.node):
        for name in reads(node):
            readers.setdefault(name, []).append(stamp_of(node))

    for name in dict.fromkeys([*constants, *stamped.initializers]):
        if name in weights:
            continue
        text: str | None = "comes from no parameter and is no constant of a component"
        if name in constants:
            expected = numpy_helper.to_array(constants[name])
            text = _difference(stamped.initializer(name), expected, "the constant of the component")
        if text:
            paths = readers.get(name, ())
            yield TensorProblem(name, text, tuple(call for call in stamped.program.calls if call.path in paths))
