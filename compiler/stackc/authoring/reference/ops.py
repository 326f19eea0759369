"""The page of a component, read off its class: formula, ports, fields, parameters, papers, an example."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from inspect import getdoc

from stackc.authoring.reference.equivalents import find_equivalents
from stackc.authoring.reference.examples import example_of
from stackc.authoring.reference.key import Key
from stackc.authoring.reference.keys import CUSTOM, SCAN, STACK
from stackc.components import REGISTRY
from stackc.components.base import Component, Port
from stackc.components.fields import FieldSpec, Range, either, fields_of
from stackc.components.plugins import load_plugins


@dataclass(frozen=True)
class FieldRow:
    """One field, described for people; `default` is empty if the field is required."""

    name: str
    value: str
    default: str
    meaning: str


@dataclass(frozen=True)
class OpPage:
    """The reference page of one op; `outputs`, `parameters` and `buffers` (its state_dict) are those of the example."""

    op: str
    family: str
    formula: str
    text: str
    papers: tuple[str, ...]
    ports: tuple[Port, ...]
    outputs: Mapping[str, str]
    fields: tuple[FieldRow, ...]
    parameters: Mapping[str, str]
    buffers: Mapping[str, str]
    example: str


def families() -> dict[str, tuple[str, ...]]:
    """Return the ops by family, both in alphabetical order; `stack` and `torch` each form a family."""
    load_plugins()
    grouped: dict[str, list[str]] = {op: [op] for op in _SPECIAL}
    for op, component in REGISTRY.items():
        grouped.setdefault(component.family, []).append(op)
    return {family: tuple(sorted(grouped[family])) for family in sorted(grouped)}


def search_ops(word: str) -> dict[str, tuple[str, ...]]:
    """Return the ops by family whose names, formulas, texts or fields contain a word, ignoring case.

    A name of torch.nn, Keras or ONNX is answered by the ops that stand for it.
    """
    equivalent = {op for each in find_equivalents(word) for op in each.ops}
    matches = {
        family: tuple(op for op in ops if op in equivalent or word.lower() in _searchable_text(op))
        for family, ops in families().items()
    }
    return {family: ops for family, ops in matches.items() if ops}


def _searchable_text(op: str) -> str:
    """Return the whole documentation of an op, in lower case."""
    if op in _SPECIAL:
        page = _SPECIAL[op]
        fields = page.fields
        texts = [page.formula, page.text]
    else:
        fields = tuple(map(field_row, fields_of(REGISTRY[op]).values()))
        texts = [REGISTRY[op].family, *_paragraphs(REGISTRY[op])]

    return " ".join([op, *texts, *(f"{field.name} {field.meaning}" for field in fields)]).lower()


def formula_of(op: str) -> str:
    """Return the formula, which is the first paragraph of the docstring, on one line."""
    return _SPECIAL[op].formula if op in _SPECIAL else _paragraphs(REGISTRY[op])[0]


def page_of(op: str) -> OpPage:
    """Return the page of a component, `stack` or `torch`. Raises KeyError for anything else."""
    if op in _SPECIAL:
        return _SPECIAL[op]

    component = REGISTRY[op]
    formula, *rest = _paragraphs(component)
    papers = re.findall(r"arXiv:(\d{4}\.\d{4,5})", getdoc(component) or "")
    example = example_of(component)

    return OpPage(
        op=op,
        family=component.family,
        formula=formula,
        text="\n".join(rest),
        papers=tuple(f"https://arxiv.org/abs/{id}" for id in papers),
        ports=component.ports,
        outputs={name: str(type_) for name, type_ in example.outputs.items()},
        fields=tuple(map(field_row, fields_of(component).values())),
        parameters={name: str(type_) for name, type_ in example.signature.parameters.items()},
        buffers={name: str(type_) for name, type_ in example.signature.buffers.items()},
        example=example.spec,
    )


def _paragraphs(component: type[Component]) -> list[str]:
    return [" ".join(part.split()) for part in (getdoc(component) or "").split("\n\n")]


def field_row(spec: FieldSpec) -> FieldRow:
    """Return a field as it is shown to people."""
    value = " ".join(filter(None, [_kinds(spec), _range(spec.range)]))
    return FieldRow(spec.name, value, "" if spec.required else _literal(spec.default), spec.doc)


def _kinds(spec: FieldSpec) -> str:
    words = {"int": "whole number", "dim": "dim", "float": "number", "bool": "true or false", "str": "text"}
    kinds = [word for kind, word in words.items() if kind in spec.kinds]
    lists = [f"list of {word}s" for word in kinds] if spec.listed else []
    mapping = [f"mapping of {', '.join(member.name for member in spec.members)}"] if spec.members else []
    return either([*(kinds if spec.single else []), *lists, *spec.choices, *mapping])


def _range(range: Range) -> str:
    if math.isfinite(range.below):
        return f"{range.minimum:g} ≤ · < {range.below:g}"
    low, high = math.isfinite(range.minimum), math.isfinite(range.maximum)
    if low and high:
        return f"{range.minimum:g} … {range.maximum:g}"
    return f"≥ {range.minimum:g}" if low else f"≤ {range.maximum:g}" if high else ""


def _literal(value: object) -> str:
    """Return a default as YAML writes it."""
    if isinstance(value, tuple):
        return f"[{', '.join(map(_literal, value))}]"
    return (
        {None: "null", True: "true", False: "false"}[value] if value is None or isinstance(value, bool) else str(value)
    )


def _special_page(op: str, formula: str, text: str, output: str, keys: Mapping[str, Key], example: str) -> OpPage:
    """Return the page of an op that is not a component."""
    fields = tuple(
        FieldRow(name, key.value, key.default or ("" if key.required else "none"), key.meaning)
        for name, key in keys.items()
    )
    return OpPage(
        op=op,
        family=op,
        formula=formula,
        text=text,
        papers=(),
        ports=(Port("x"),),
        outputs={"y": output},
        fields=fields,
        parameters={},
        buffers={},
        example=example,
    )


_STACK = _special_page(
    "stack",
    "y = f_N(… f₂(f₁(x))) in series; y = f₁(x) + f₂(x) + … + f_N(x), or another merge, side by side.",
    "Composes sub-models: one repeated, or a list of different ones. The first port is passed from one sub-model to "
    "the next, all other ports go to every sub-model. `encoder.3` names the output of the fourth sub-model.",
    "the output of the last sub-model or of the merge",
    STACK,
    """\
stackc: 1
inputs:
  x: {shape: [batch, 64]}
graph: |
  x --> y[stack]
nodes:
  y: {of: linear, repeat: 6, with: {out: 64}, norm: layer_norm, norm_every: 2}
""",
)

_TORCH = _special_page(
    "torch",
    "y = f(x), where f is a custom torch.nn.Module.",
    "The class is code, and runs only if `--trust MODULE` names its module, which is installed or is beside the spec. "
    "Its ports are the arguments of its forward: those without a default, and those whose default is None, which are "
    "optional. All other fields are arguments of its constructor. Shapes are inferred by running it on symbolic sizes.",
    "the output of its forward",
    CUSTOM,
    """\
stackc: 1
inputs:
  x: {shape: [batch, 64]}
graph: |
  x --> y[torch]
nodes:
  y: {of: torch.nn.Softplus, beta: 2}
""",
)

_SCAN = _special_page(
    "scan",
    "y[i], h[i + 1] = f(x[i], h[i]) for each index i of an axis, in order or in reverse.",
    "Applies a block at each index of an axis in turn. An output of the block with the name of an input is a state: it "
    "enters the next step at that input, and the arrow into it brings the first one. All other inputs are cut along "
    "the axis, unless `whole` lists them; all other outputs are stacked along it. `y.h` is the last state of the "
    "node y.",
    "the first output of the block, of every index; the last one of a state",
    SCAN,
    """\
stackc: 1
inputs:
  x: {shape: [batch, seq, 64]}
  h: {shape: [batch, 32]}
graph: |
  x --> y[scan]
  h -->|h| y
nodes:
  y: {of: cell}
blocks:
  cell:
    inputs: [x, h]
    graph: |
      x --> joined[concat] --> mixed[linear] --> next[tanh]
      h --> joined
    nodes: {mixed: {out: 32}}
    outputs: {y: next, h: next}
""",
)

_SPECIAL = {page.op: page for page in (_STACK, _SCAN, _TORCH)}
