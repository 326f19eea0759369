"""A spec as data: what both skins, YAML and Mermaid, are read into. Every part keeps its place in the file.

Values that may hold expressions stay `Value`s here: they are evaluated by the resolver, where params have values. Files
and spans take no part in equality: two documents are equal where they say the same thing, in whichever skin.
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


@dataclass(frozen=True, slots=True)
class DimDecl:
    """The contract of one dim, both ends included: numbers, or expressions over params."""

    name: str
    minimum: Value | None
    maximum: Value | None
    multiple_of: Value | None
    span: Span = field(compare=False)


ParamKind = Literal["int", "float", "bool", "text"]


@dataclass(frozen=True, slots=True)
class ParamDecl:
    """A param with its default; a default of null means that it has to be given.

    `kind` is None where the default alone says what values it takes. Those in `choices` are the only ones, if any are.
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
    """An input of the model. `to` names nodes it feeds beside the arrows of the drawing."""

    name: str
    dtype: str
    shape: tuple[Value, ...]
    to: tuple[Value, ...]
    below: Value | None
    values: tuple[Value, ...]
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class NodeEntry:
    """What a spec says of a node beside the drawing. `fields` are what its op takes, keyed as written.

    `source` is the place that a lock names as the node's origin, to which everything then leads back.
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
    """An output: `source` is a node id, or the path of a tap (`encoder.3`)."""

    name: str
    source: str
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class PortDecl:
    """An input of a block; an optional one may be left open, and the arrows from it go with it."""

    name: str
    optional: bool
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Body:
    """A drawing with what is said of its nodes: the main part of a spec and of each of its blocks."""

    name: str
    drawing: Drawing
    nodes: Mapping[str, NodeEntry]
    outputs: tuple[OutputDecl, ...]
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class BlockDecl:
    """A sub-model with a name, params and input ports of its own.

    `inputs` are the declared ones of a whole spec that stands as a block, for the nodes that they name by `to`.
    """

    body: Body
    params: Mapping[str, ParamDecl]
    ports: tuple[PortDecl, ...]
    inputs: Mapping[str, InputDecl] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class WeightsDecl:
    """Where parameters come from. `names` leads from patterns of stackc's names to patterns of the file's names."""

    file: Value | None
    names: Mapping[str, Entry]
    ignore: tuple[Value, ...]
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Document:
    """A whole spec. `problems` are those that reading it has mended: of each it is clear what was meant."""

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
