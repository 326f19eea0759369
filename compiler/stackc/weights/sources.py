"""The tensors of a model as expressions over a file, each evaluated when it is read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from stackc.core.plurals import counted
from stackc.core.types import TensorType
from stackc.weights.files import Array, TensorFile
from stackc.weights.rules import Rule
from stackc.weights.tensor_expressions.tree import NamedTensor, TensorExpression, tensor_names, value_of


@dataclass(frozen=True, slots=True)
class TensorSource:
    """What a parameter is read from; `rule` is the entry of the map that says so, None for its own name.

    `note` says what was accepted although it is not exactly as the spec has it.
    """

    expression: TensorExpression
    rule: Rule | None = None
    note: str | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The tensors of the file that it reads."""
        return tuple(tensor_names(self.expression))

    def __str__(self) -> str:
        return str(self.expression)


@dataclass(frozen=True)
class Weights(Mapping[str, Array]):
    """The tensors of a model by their names in its state_dict, each read from the file when it is accessed.

    A tensor that the file stores as the model needs it is a view of the file, not a copy. `compared` has the names in
    the file of tied tensors that were compared with their owners and are not read.
    """

    file: TensorFile
    sources: Mapping[str, TensorSource]
    types: Mapping[str, TensorType]
    compared: tuple[str, ...] = ()

    def __getitem__(self, name: str) -> Array:
        type_, source = self.types[name], self.sources[name]
        shape = tensor_shape(type_)
        if isinstance(source.expression, NamedTensor):
            array = self.file.read(source.expression.name)
        else:
            array = value_of(source.expression, self.file.read, shape)
        return np.asarray(array.reshape(shape), dtype=type_.dtype, order="C")

    def __iter__(self) -> Iterator[str]:
        return iter(self.sources)

    def __len__(self) -> int:
        return len(self.sources)

    @property
    def missing(self) -> tuple[str, ...]:
        """The tensors of the model that no file has: they keep their initial values."""
        return tuple(name for name in self.types if name not in self.sources)

    def describe(self) -> str:
        """Say how many tensors there are, with a line for each note."""
        notes = list(self.notes)
        if missing := self.missing:
            first = ", ".join(missing[:3]) + (" …" if len(missing) > 3 else "")
            notes.append(f"{counted(len(missing), 'other tensor')} drawn at random: {first}")
        return "\n  note: ".join([counted(len(self), "tensor"), *notes])

    @property
    def notes(self) -> tuple[str, ...]:
        """What was accepted although it is not exactly as the spec has it."""
        return tuple(source.note for source in self.sources.values() if source.note)


def tensor_shape(type_: TensorType) -> tuple[int, ...]:
    """Return the shape of a parameter, whose sizes are known."""
    return tuple(dim.evaluate({}) for dim in type_.shape)
