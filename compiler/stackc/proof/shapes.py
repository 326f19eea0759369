"""Compare inputs and outputs of a file with those of the program: names, element types, shapes, frozen dims."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from stackc.components.base import Component
from stackc.core.diagnostics import Diagnostic
from stackc.core.types import TensorType
from stackc.ir.program import Program
from stackc.proof.advice import REPORT, fault_of, frozen_dim, is_custom
from stackc.runtime import Session, ValueInfo


def interface_problems(program: Program, session: Session) -> Iterator[Diagnostic]:
    """Yield what differs before any number is compared: P702 for names, types and shapes, P704 for frozen dims."""
    outputs = {name: program.types[value] for name, value in program.outputs.items()}
    custom = next((call.component for call in program.calls if is_custom(call.component)), None)
    yield from _side_problems("input", "takes", program.inputs, session.inputs, custom)
    yield from _side_problems("output", "returns", outputs, session.outputs, custom)


def _side_problems(
    side: str, verb: str, types: Mapping[str, TensorType], declared: Sequence[ValueInfo], custom: Component | None
) -> Iterator[Diagnostic]:
    """Yield the problems of one side; `custom` is a component of custom code, which may be the cause."""
    names = [value.name for value in declared]
    if names != list(types):
        message = f"the file {verb} {_listed(names)}, but the spec {verb} {_listed(list(types))}"
        yield Diagnostic("P702", message, hint=REPORT)
        return

    for value, type in zip(declared, types.values(), strict=True):
        if frozen := frozen_dims(value, type):
            yield Diagnostic("P704", f"the {side} '{value.name}' of the file has {frozen}", hint=frozen_dim(custom))
        elif str(value) != str(type):
            message = f"the {side} '{value.name}' is {value} in the file, but {type} in the spec"
            yield Diagnostic("P702", message, hint=fault_of(custom))


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names) or "nothing"


def frozen_dims(value: ValueInfo, type: TensorType) -> str | None:
    """Describe the dims that are numbers in the file but not in the spec; None if there are none."""
    if len(value.shape) != type.rank:
        return None
    frozen = [
        f"its dim '{dim}' frozen at {size}"
        for dim, size in zip(type.shape, value.shape, strict=True)
        if isinstance(size, int) and dim != size and dim.constant is None
    ]
    return " and ".join(dict.fromkeys(frozen)) or None


def shape_problem(shape: Sequence[int], expected: Sequence[int], type: TensorType) -> str | None:
    """Describe how the shape of an array at one point differs from PyTorch's, by the dims of its type."""
    if tuple(shape) == tuple(expected):
        return None
    problem = f"has shape {list(shape)} instead of PyTorch's {list(expected)}"
    if len(shape) != len(expected) or len(expected) != type.rank:
        return problem

    wrong_dims = [
        f"its dim '{dim}' is {size} instead of {expected_size}"
        for dim, size, expected_size in zip(type.shape, shape, expected, strict=True)
        if size != expected_size and dim.constant is None
    ]
    return ": ".join([problem, " and ".join(dict.fromkeys(wrong_dims))]) if wrong_dims else problem
