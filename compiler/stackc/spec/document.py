"""A spec as data, the same for both syntaxes. Every part keeps its span in the file.

Values that may hold expressions stay `Value`s here: the resolver evaluates them once params have values. Files and
spans do not take part in equality: two documents are equal if they have the same content, in either syntax.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
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
    """The contract of one dim; its values are numbers or expressions over params. `below` excludes `maximum`."""

    name: str
    minimum: Value | None
    maximum: Value | None
    multiple_of: Value | None
    span: Span = field(compare=False)
    below: Value | None = None


ParamKind = Literal["int", "float", "bool", "text", "list"]


@dataclass(frozen=True, slots=True)
class ParamDecl:
    """A param with its default; a default of null makes it required.

    `kind` is None if the type follows from the default alone. If there are `choices`, no other values are allowed.
    `minimum` and `maximum`, both included, and `below`, which excludes `maximum`, are numbers or expressions over dims
    and the params before it.
    """

    name: str
    default: Value
    span: Span = field(compare=False)
    kind: ParamKind | None = None
    choices: tuple[str | int | float, ...] = ()
    minimum: Value | None = None
    maximum: Value | None = None
    below: Value | None = None

    @property
    def bounds(self) -> dict[str, Value]:
        """The written ones of `min`, `max` and `below`; one that is empty is not written."""
        bounds = {"min": self.minimum, "max": self.maximum, "below": self.below}
        return {key: value for key, value in bounds.items() if value is not None and value.data is not None}


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

    `source` is the node's origin as a lock names it; diagnostics then point there. `freeze` says whether training
    leaves the node as it is, and `weights` names the files that it is read from.
    """

    name: str
    span: Span = field(compare=False)
    op: Value | None = None
    merge: Value | None = None
    tie: Mapping[str, Entry] = field(default_factory=dict)
    same_as: Value | None = None
    source: Span | None = None
    reparam: Mapping[str, Entry] = field(default_factory=dict)
    freeze: Value | None = None
    weights: Value | None = None
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

    If a whole spec is used as a block, `inputs` are its declared inputs, needed for the nodes that they name by `to`,
    and `weights` are its own.
    """

    body: Body
    params: Mapping[str, ParamDecl]
    ports: tuple[PortDecl, ...]
    inputs: Mapping[str, InputDecl] = field(default_factory=dict)
    weights: WeightsDecl | None = None


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
    the files, or to a list of them, of which the first counts whose tensors are there.

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

    def alternatives(self) -> Iterator[tuple[str, Entry]]:
        """Yield the entries of `names`, one for each text of a list."""
        for key, entry in self.names.items():
            yield from ((key, Entry(entry.key, text)) for text in entry.value.listed)

    @property
    def file(self) -> Value | None:
        """The first file."""
        return self.files[0] if self.files else None


@dataclass(frozen=True, slots=True)
class ConfigParam:
    """Where the value of a param is in the config.json of a Hugging Face model.

    It is the first of `keys` that is there, their nested ones written with dots; with `is_count`, the number of its
    entries; or the expression `value` over keys; or whether the weights lack a tensor, `lacked`. `default`, such an
    expression too, or a list, or a mapping with the `count` of a list and `each` of its entries, stands for null and
    for none of them; `values` maps the words of the config to those of the param.
    """

    keys: tuple[str, ...]
    is_count: bool = False
    value: Value | None = None
    lacked: str | None = None
    default: Value | None = None
    values: Mapping[str, Entry] | None = None
    span: Span = field(default=Span("", 0), compare=False)  # a frozen value


@dataclass(frozen=True, slots=True)
class HuggingFaceDecl:
    """The classes of Hugging Face's transformers that a spec implements, and how a config.json sets its params.

    `requires` has the values that keys must have, `ignores` the keys without influence on inference, `defaults` what
    the config class takes for keys that are absent.
    """

    model_types: tuple[str, ...]
    architectures: tuple[str, ...]
    params: Mapping[str, ConfigParam]
    requires: Mapping[str, Entry]
    ignores: tuple[str, ...]
    defaults: Mapping[str, Entry]
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class TrainDecl:
    """How the model is trained. Its drawing has losses beside the model, whose nodes, outputs and inputs it may name.

    `settings` are the other keys as written: the data, the optimizer, the schedule and so on.
    """

    inputs: Mapping[str, InputDecl]
    body: Body
    settings: Mapping[str, Entry]
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class AssertDecl:
    """The bounds of a figure that a build measures, `min` and `max`: numbers or expressions over params."""

    name: str
    bounds: Mapping[str, Entry]
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class BudgetDecl:
    """How much error a file of lower precision may have: texts, and numbers or expressions over params."""

    entries: Mapping[str, Entry]
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class DecodeDecl:
    """What a decoding step takes and returns: the dim that grows, inputs of new entries, inputs at full length."""

    along: Value | None
    inputs: tuple[Value, ...]
    whole: tuple[Value, ...]
    outputs: tuple[Value, ...]
    span: Span = field(compare=False)


TASKS = ("text", "vision", "speech", "multimodal", "tables", "graphs")
"""What models are for, as `stackc init --list` groups them."""


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
    huggingface: HuggingFaceDecl | None = None
    task: str | None = None
    train: TrainDecl | None = None
    asserts: tuple[AssertDecl, ...] = ()
    budget: BudgetDecl | None = None
    decode: DecodeDecl | None = None

    @property
    def file(self) -> str:
        """The name of its file."""
        return self.source.file
