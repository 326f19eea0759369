"""Nodes that the language implies (norms, members, merges) pass every check that written ones do: no op breaks them."""

from __future__ import annotations

import pytest

from stackc.components import REGISTRY
from stackc.components.fields import fields_of
from stackc.components.registry import SPECIAL_OPS
from stackc.core.diagnostics import Diagnostic, SpecError
from stackc.frontend import check_source
from stackc.spec.source import Source

SHAPES = ("float32, shape: [b, 8]", "float32, shape: [b, 4, 8]", "float32, shape: [b, 4, 8, 8]", "int64, shape: [b, 4]")
VALUES = {"quantiles": "[0.5]", "order": "[1, 0]", "shape": "[b, -1]", "with": "{}"}
PLACES = {
    "norm of a series": "x --> s[stack] | s: {of: relu, repeat: 2, norm: ENTRY}",
    "norm of a sum": "x --> s[stack] | s: {of: [relu, tanh], mode: sum, norm: ENTRY}",
    "norm fed by an input of the stack":
        "x --> s[stack]; x -->|other| s | s: {of: sub, repeat: 2, norm: ENTRY}",
    "member of a series": "x --> s[stack] | s: {of: ENTRY, repeat: 2}",
    "member of a shared series": "x --> s[stack] | s: {of: ENTRY, repeat: 2, share: true}",
    "member of a gated stack": "x --> s[stack] | s: {of: [relu, ENTRY], mode: gated, norm: ENTRY}",
    "member beside one with other ports": "x --> s[stack] | s: {of: [sub, ENTRY]}",
}  # fmt: skip
MERGES = ("sum", "mean", "concat", "mul", "weighted")


def entry(op: str) -> str:
    """An op with a plausible value for each field that it requires."""
    fields = fields_of(REGISTRY[op]).values() if op in REGISTRY else ()
    values = [f"{field.name}: {VALUES.get(field.name, 2)}" for field in fields if field.required]
    return f"{{{', '.join([f'op: {op}', *values])}}}"


def codes(shape: str, graph: str, nodes: str) -> list[str]:
    """The codes of what is wrong with a spec. Anything but a SpecError fails the test."""
    text = f"stackc: 1\nname: implied\ninputs: {{x: {{dtype: {shape}}}}}\ngraph: {graph}\nnodes: {{{nodes}}}\n"
    diagnostics: list[Diagnostic] = []
    try:
        check_source(Source("implied.yaml", text))
    except SpecError as error:
        diagnostics += error.diagnostics
    assert all(each.span and each.span.column for each in diagnostics), text
    return [each.code for each in diagnostics]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("op", [*REGISTRY, *SPECIAL_OPS])
def test_any_op_in_any_place_is_checked(op: str, place: str) -> None:
    graph, nodes = PLACES[place].split(" | ")
    for shape in SHAPES:
        codes(shape, f'"{graph}"', nodes.replace("ENTRY", entry(op)))


@pytest.mark.parametrize("place", PLACES)
def test_a_norm_of_one_value_is_sound_in_every_place(place: str) -> None:
    graph, nodes = PLACES[place].split(" | ")
    unsound = ["N307"] if "of: [sub" in nodes else []  # nothing enters the second port of sub
    assert codes(SHAPES[1].replace("4", "8"), f'"{graph}"', nodes.replace("ENTRY", "layer_norm")) == unsound


@pytest.mark.parametrize("op", REGISTRY)
def test_any_op_may_have_a_merge_at_any_port(op: str) -> None:
    inner = entry(op)[1:-1]
    for port in REGISTRY[op].ports:
        for merge in MERGES:
            for shape in SHAPES:
                graph = f'"x -->|{port.name}| n; x --> r[relu] -->|{port.name}| n"'
                codes(shape, graph, f"n: {{{inner}, merge: {merge}}}")


def _required(op: str) -> list[str]:
    return [port.name for port in REGISTRY[op].ports[1:] if not port.optional]


NEEDY = [op for op in REGISTRY if _required(op)]


@pytest.mark.parametrize("op", NEEDY)
def test_a_norm_without_its_second_arrow_is_reported(op: str) -> None:
    """N307, as for a node that is drawn, and nothing else."""
    nodes = f"s: {{of: linear, repeat: 2, with: {{out: 8}}, norm: {entry(op)}}}"
    assert codes(SHAPES[0], "x --> s[stack]", nodes) == ["N307"]
    assert codes(SHAPES[0], "x --> s", f"s: {entry(op)}") == ["N307"] * len(_required(op))


def test_some_ops_are_needy() -> None:
    assert {"sub", "div"} <= {*NEEDY}
