"""A spec as data, the same for both syntaxes. Every part keeps its span in the file.

Values that may hold expressions stay `Value`s here: the resolver evaluates them once params have values. Files and
spans do not take part in equality: two documents are equal if they have the same content, in either syntax.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from stackc.core.diagnostics import Diagnostic, Span
from stackc.spec.drawing import Drawing
from stackc.spec.source import Source
from stackc.spec.yaml.tree import Entry, Value

LANGUAGE_VERSION = 1
NONFINITE = ("nan", "inf", "-inf")


@dataclass(frozen=True, slots=True)
class DimDecl:
    """The contract of one dim, both ends included; its values are numbers or expressions over params."""

    name: str
    minimum: Value | None
    maximum: Value | None
    multiple_of: Value | None
    span: Span = field(compare=False)


ParamKind = Literal["int", "float", "bool", "text"]


@dataclass(frozen=True, slots=True)
class ParamDecl:
    """A param with its default; a default of null makes it required.

    `kind` is None if the type follows from the default alone. If there are `choices`, no other values are allowed.
    """

    name: str
    default: Value
    span: Span = field(compare=False)
    kind: ParamKind | None = None
    choices: tuple[str | int | float, ...] = ()
    minimum: float | None = None
    maximum: float | None = None


@dataclass(frozen=True, slots=True)
class InputDecl:
    """An input of the model. `to` names nodes that it feeds in addition to the arrows of the drawing.

    `minimum` and `maximum`, both included, `below` and `values` declare what it may hold: numbers, or expressions over
    params. `below` excludes `maximum`, and `values` all others.
    """

    name: str
    dtype: str
    shape: tuple[Value, ...]
    to: tuple[Value, ...]
    below: Value | None
    values: tuple[Value, ...]
    span: Span = field(compare=False)
    minimum: Value | None = None
    maximum: Value | None = None

    def bounds(self) -> dict[str, Value]:
        """Return the written ones of `min`, `max` and `below`; one that is empty is not written."""
        bounds = {"min": self.minimum, "max": self.maximum, "below": self.below}
        return {key: value for key, value in bounds.items() if value is not None and value.data is not None}


@dataclass(frozen=True, slots=True)
class NodeEntry:
    """The entry of a node under `nodes:`. `fields` are the fields of its op, keyed as written.

    `source` is the node's origin as a lock names it; diagnostics then point there.
    """

    name: str
    span: Span = field(compare=False)
    op: Value | None = None
    merge: Value | None = None
    tie: Mapping[str, Entry] = field(default_factory=dict)
    same_as: Value | None = None
    source: Span | None = None
    reparam: Mapping[str, Entry] = field(default_factory=dict)
    fields: Mapping[str, Entry] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class OutputDecl:
    """An output: `source` is a node id, or the path of a tap (`encoder.3`).

    `nonfinite` has those of "nan", "inf" and "-inf" that the output is meant to hold.
    """

    name: str
    source: str
    span: Span = field(compare=False)
    nonfinite: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PortDecl:
    """An input of a block. An optional one may stay unconnected, and then the arrows from it are dropped."""

    name: str
    optional: bool
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Body:
    """A drawing with the entries of its nodes: the main part of a spec and of each of its blocks."""

    name: str
    drawing: Drawing
    nodes: Mapping[str, NodeEntry]
    outputs: tuple[OutputDecl, ...]
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class BlockDecl:
    """A sub-model with its own name, params and input ports.

    If a whole spec is used as a block, `inputs` are its declared inputs, needed for the nodes that they name by `to`.
    """

    body: Body
    params: Mapping[str, ParamDecl]
    ports: tuple[PortDecl, ...]
    inputs: Mapping[str, InputDecl] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ReferenceDecl:
    """A file of inputs and outputs that were recorded from the original model.

    `budget` is the share of an output's largest number by which it may differ; None for the rule of the proof.
    """

    file: Value
    budget: float | None
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class WeightsDecl:
    """The weight files of a spec. `names` maps patterns of stackc's parameter names to expressions over the tensors of
    the files.

    `files` are several files together. `ignore` are patterns of tensors of the file that are not used, `nonfinite` of
    those that may hold NaN and Inf. `prefix` begins names that the file may have or lack. `reference` is a file of
    inputs and outputs of the original.
    """

    files: tuple[Value, ...]
    names: Mapping[str, Entry]
    ignore: tuple[Value, ...]
    span: Span = field(compare=False)
    nonfinite: tuple[Value, ...] = ()
    prefix: Value | None = None
    reference: ReferenceDecl | None = None

    @property
    def file(self) -> Value | None:
        """The first file."""
        return self.files[0] if self.files else None


@dataclass(frozen=True, slots=True)
class Document:
    """A whole spec. `problems` are those that the reader repaired, since their intended meaning is clear."""

    name: str
    source: Source = field(compare=False, repr=False)
    dims: Mapping[str, DimDecl]
    params: Mapping[str, ParamDecl]
    inputs: Mapping[str, InputDecl]
    body: Body
    blocks: Mapping[str, BlockDecl]
    weights: WeightsDecl | None
    span: Span = field(compare=False)
    problems: tuple[Diagnostic, ...] = field(default=(), compare=False)
    description: str | None = None

    @property
    def file(self) -> str:
        """The name of its file."""
        return self.source.file
