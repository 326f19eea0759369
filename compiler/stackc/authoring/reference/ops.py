"""What a component is, read off its class: formula, ports, fields, parameters, papers, an example."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from inspect import getdoc

from stackc.authoring.reference.examples import example_of
from stackc.authoring.reference.keys import OWN, STACK, Key
from stackc.components import REGISTRY
from stackc.components.base import Component, Port
from stackc.components.fields import FieldSpec, Range, either, fields_of
from stackc.components.plugins import load_plugins


@dataclass(frozen=True)
class FieldRow:
    """One field as people read it; `default` is empty for one that has to be given."""

    name: str
    value: str
    default: str
    meaning: str


@dataclass(frozen=True)
class OpPage:
    """All that there is to say of one op. `parameters` and `outputs` are those of the example."""

    op: str
    family: str
    formula: str
    text: str
    papers: tuple[str, ...]
    ports: tuple[Port, ...]
    outputs: Mapping[str, str]
    fields: tuple[FieldRow, ...]
    parameters: Mapping[str, str]
    example: str


def families() -> dict[str, tuple[str, ...]]:
    """The ops by family, both in alphabetical order; `stack` and `torch` are families of their own."""
    load_plugins()
    grouped: dict[str, list[str]] = {op: [op] for op in _SPECIAL}
    for op, component in REGISTRY.items():
        grouped.setdefault(component.family, []).append(op)
    return {family: tuple(sorted(grouped[family])) for family in sorted(grouped)}


def search_ops(word: str) -> dict[str, tuple[str, ...]]:
    """The ops by family that have a word, in any case, in their names, formulas, texts or fields."""
    listed = {family: tuple(op for op in ops if word.lower() in _words(op)) for family, ops in families().items()}
    return {family: ops for family, ops in listed.items() if ops}


def _words(op: str) -> str:
    """All that is said of an op, in lower case."""
    if op in _SPECIAL:
        page = _SPECIAL[op]
        fields = page.fields
        said = [page.formula, page.text]
    else:
        fields = tuple(map(field_row, fields_of(REGISTRY[op]).values()))
        said = [REGISTRY[op].family, *_paragraphs(REGISTRY[op])]
    return " ".join([op, *said, *(f"{field.name} {field.meaning}" for field in fields)]).lower()


def formula_of(op: str) -> str:
    """The formula, the first paragraph of the docstring, on one line."""
    return _SPECIAL[op].formula if op in _SPECIAL else _paragraphs(REGISTRY[op])[0]


def page_of(op: str) -> OpPage:
    """The page of an op: a component, `stack`, or `torch`. KeyError for anything else."""
    if op in _SPECIAL:
        return _SPECIAL[op]
    component = REGISTRY[op]
    formula, *rest = _paragraphs(component)
    example = example_of(component)
    made = zip(component.outputs, map(str, example.signature.outputs), strict=True)
    return OpPage(
        op,
        component.family,
        formula,
        "\n".join(rest),
        tuple(f"https://arxiv.org/abs/{id}" for id in re.findall(r"arXiv:(\d{4}\.\d{4,5})", getdoc(component) or "")),
        component.ports,
        dict(made),
        tuple(map(field_row, fields_of(component).values())),
        {name: str(type_) for name, type_ in example.signature.parameters.items()},
        example.spec,
    )


def _paragraphs(component: type[Component]) -> list[str]:
    return [" ".join(part.split()) for part in (getdoc(component) or "").split("\n\n")]


def field_row(spec: FieldSpec) -> FieldRow:
    """A field in words."""
    value = " ".join(filter(None, [_kinds(spec), _range(spec.range)]))
    return FieldRow(spec.name, value, "" if spec.required else _literal(spec.default), spec.doc)


def _kinds(spec: FieldSpec) -> str:
    words = {"int": "whole number", "dim": "dim", "float": "number", "bool": "true or false", "str": "text"}
    kinds = [word for kind, word in words.items() if kind in spec.kinds]
    lists = [f"list of {word}s" for word in kinds] if spec.listed else []
    return either([*(kinds if spec.single else []), *lists, *spec.choices])


def _range(range: Range) -> str:
    if math.isfinite(range.below):
        return f"{range.minimum:g} ≤ · < {range.below:g}"
    low, high = math.isfinite(range.minimum), math.isfinite(range.maximum)
    if low and high:
        return f"{range.minimum:g} … {range.maximum:g}"
    return f"≥ {range.minimum:g}" if low else f"≤ {range.maximum:g}" if high else ""


def _literal(value: object) -> str:
    """A default as YAML writes it."""
    if isinstance(value, tuple):
        return f"[{', '.join(map(_literal, value))}]"
    return (
        {None: "null", True: "true", False: "false"}[value] if value is None or isinstance(value, bool) else str(value)
    )


def _special(op: str, formula: str, text: str, made: str, keys: Mapping[str, Key], example: str) -> OpPage:
    """The page of an op that is no component."""
    rows = (FieldRow(n, key.value, key.default or ("" if key.required else "none"), key.meaning)
            for n, key in keys.items())  # fmt: skip
    return OpPage(op, op, formula, text, (), (Port("x"),), {"y": made}, tuple(rows), {}, example)


_STACK = _special(
    "stack",
    "y = f_N(… f₂(f₁(x))) in series; side by side y = f₁(x) + f₂(x) + … + f_N(x), or another merge of them.",
    "The stacking component: sub-models composed, one repeated or a list of different ones. The first port is carried "
    "from one to the next, all other ports go to every one. `encoder.3` names the output of the fourth sub-model.",
    "what the last sub-model, or the merge, gives",
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

_TORCH = _special(
    "torch",
    "y = f(x), f a torch.nn.Module of your own.",
    "The class is code, and runs where `--trust MODULE` names its module, which is installed or lies beside the spec. "
    "Its ports are the arguments of its forward: those without a default, and those whose default is None, which may "
    "be left open. All other fields are arguments of its constructor. Shapes are found by running it on sizes that are "
    "symbols.",
    "what its forward gives",
    OWN,
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

_SPECIAL = {page.op: page for page in (_STACK, _TORCH)}
