"""What a file takes and gives, against the program: names in order, element types, shapes, and dims that froze."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from stackc.core.diagnostics import Diagnostic
from stackc.core.types import TensorType
from stackc.ir.program import Program
from stackc.runtime import Session, ValueInfo


def interface_problems(program: Program, session: Session) -> Iterator[Diagnostic]:
    """What differs before any number is looked at: P702 names, types and shapes, P704 a dim that became a constant."""
    outputs = {name: program.types[value] for name, value in program.outputs.items()}
    yield from _sides("input", "takes", program.inputs, session.inputs)
    yield from _sides("output", "gives", outputs, session.outputs)


def _sides(side: str, verb: str, types: Mapping[str, TensorType], found: Sequence[ValueInfo]) -> Iterator[Diagnostic]:
    names = [value.name for value in found]
    if names != list(types):
        yield Diagnostic("P702", f"the file {verb} {_listed(names)}, and the spec {_listed(list(types))}")
        return
    for value, type in zip(found, types.values(), strict=True):
        if frozen := frozen_dims(value, type):
            yield Diagnostic("P704", f"the {side} '{value.name}' of the file has {frozen}")
        elif str(value) != str(type):
            yield Diagnostic("P702", f"the {side} '{value.name}' is {value} in the file, and {type} in the spec")


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names) or "nothing"


def frozen_dims(value: ValueInfo, type: TensorType) -> str | None:
    """The dims that are numbers in the file and none in the spec, in words; None where there are none."""
    if len(value.shape) != type.rank:
        return None
    pairs = zip(type.shape, value.shape, strict=True)
    frozen = [f"its dim '{dim}' frozen at {size}" for dim, size in pairs if isinstance(size, int) and dim != size
              and dim.constant is None]  # fmt: skip
    return " and ".join(dict.fromkeys(frozen)) or None


def shape_problem(found: Sequence[int], wanted: Sequence[int], type: TensorType) -> str | None:
    """What is wrong with the shape of an array at one point of the contract, by the dims of its type."""
    if tuple(found) == tuple(wanted):
        return None
    problem = f"has the shape {list(found)}, and PyTorch's {list(wanted)}"
    if len(found) != len(wanted) or len(wanted) != type.rank:
        return problem
    stuck = [f"its dim '{dim}' is {size} where it has to be {right}"
             for dim, size, right in zip(type.shape, found, wanted, strict=True)
             if size != right and dim.constant is None]  # fmt: skip
    return ": ".join([problem, " and ".join(dict.fromkeys(stuck))]) if stuck else problem
