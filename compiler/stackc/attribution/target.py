"""The output that is attributed, as written on the command line: `logits:3`, `logits:-1,5`, `score`."""

from __future__ import annotations

import re
from dataclasses import dataclass

from torch import Tensor

from stackc.core.diagnostics import Diagnostic, SpecError, did_you_mean
from stackc.core.plurals import counted
from stackc.core.types import FLOATS
from stackc.ir.program import Program


@dataclass(frozen=True)
class AttributionTarget:
    """One number of an output: `index` has a place on each axis, but for the axis of examples if there is one."""

    output: str
    index: tuple[int, ...]

    def __str__(self) -> str:
        return f"{self.output}:{','.join(map(str, self.index))}" if self.index else self.output

    def of_rows(self, output: Tensor) -> Tensor:
        """Return the number of each example: [rows, …] → [rows]. Raises SpecError R442 if it lies outside."""
        return self.of_example(output.movedim(0, -1))

    def of_example(self, output: Tensor) -> Tensor:
        """Return the number: with an index for each of the first axes, […, *] → [*]. Raises SpecError R442."""
        for axis, (place, size) in enumerate(zip(self.index, output.shape, strict=False)):
            if not -size <= place < size:
                message = f"'{self}' asks for place {place} of an axis of '{self.output}' that has {size}"
                hint = f"take a number from 0 to {size - 1} as index {axis}"
                raise SpecError(Diagnostic("R442", message, hint=hint))
        return output[self.index]


def parse_target(text: str, program: Program, *, has_batch: bool) -> AttributionTarget:
    """Return the number that a text asks for.

    Raises SpecError: R441 if there is no such output, R442 if it is not one number, or has no gradient.
    """
    name, _, places = text.partition(":")
    if name not in program.outputs:
        names = ", ".join(program.outputs)
        hint = did_you_mean(name, program.outputs) or f"it has {names}"
        raise SpecError(Diagnostic("R441", f"the model has no output '{name}'", hint=hint))
    if places and not re.fullmatch(r"\s*-?\d+\s*(,\s*-?\d+\s*)*", places):
        hint = f"write numbers with commas: `{name}:3` or `{name}:0,3`"
        raise SpecError(Diagnostic("R442", f"'{places}' is no place in the output '{name}'", hint=hint))

    index = tuple(int(place) for place in places.split(",")) if places else ()
    type_ = program.types[program.outputs[name]]
    axes = type_.shape[1:] if has_batch else type_.shape
    if type_.dtype not in FLOATS:
        message = f"the output '{name}' is {type_.dtype}: whole numbers have no gradient"
        raise SpecError(Diagnostic("R442", message, hint="attribute the values that it is chosen from"))
    if len(index) != len(axes):
        shape = ", ".join(map(str, axes))
        needed = f"{counted(len(axes), 'index', 'indices')}, one on each of its axes [{shape}]" if axes else "no index"
        example = f"`{name}:{','.join('0' for _ in axes)}`" if axes else f"`{name}`"
        raise SpecError(
            Diagnostic("R442", f"'{text}' is not one number: '{name}' takes {needed}", hint=f"write {example}")
        )
    return AttributionTarget(name, index)
