"""Crashes planted in the checker are reduced by the nodes of the spec, whichever stage it is that crashes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from stackc.components.families.linear import Mlp
from stackc.frontend import Overrides, check_source
from stackc.pipeline import Options
from stackc.reduction.minimize import reduce_spec
from stackc.resolve.params import bind_params
from stackc.spec.source import Source
from stackc.typecheck.flatten import flatten
from stackc.typecheck.ranges import value_ranges

BERT = Path(__file__).parents[2] / "specs/bert_base.yaml"


def crash_where(patch: pytest.MonkeyPatch, place: str, stage: Callable[..., Any], bad: Callable[..., bool]) -> None:
    """Let a stage crash where its arguments are `bad`."""

    def planted(*arguments: Any, **keywords: Any) -> Any:
        if bad(*arguments):
            raise ZeroDivisionError("planted")
        return stage(*arguments, **keywords)

    patch.setattr(place, planted)


def ops(region: Any) -> set[str]:
    """Return the ops of a region and of all regions inside."""
    bodies = [node.body for node in region.nodes.values()]
    return set().union(*(ops(body) if hasattr(body, "nodes") else {body.op} for body in bodies))


def test_of_types(monkeypatch: pytest.MonkeyPatch) -> None:
    """One component inside of the block of a stack."""
    crash_where(monkeypatch, "stackc.components.families.linear.Mlp.signature", Mlp.signature, lambda *_: True)
    reduced = reduce_spec(BERT)
    assert (reduced.components, reduced.before) == (1, 105)
    assert reduced.failure.code == "ZeroDivisionError"
    assert [line for line in reduced.text.splitlines() if "-->" in line] == ["  x --> mlp"]
    assert reduced.tried < 60


def test_of_the_flat_program(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two components one after the other: all values that they read have the types that they had."""

    def bad(typed: Any) -> bool:
        return {"cls_pool", "tanh"} <= ops(typed.root.region)

    crash_where(monkeypatch, "stackc.frontend.flatten", flatten, bad)
    reduced = reduce_spec(BERT)
    assert reduced.components == 2
    assert {"cls_pool", "tanh"} <= set(reduced.text.replace("[", " ").replace("]", " ").split())


def test_of_what_the_whole_spec_declares(monkeypatch: pytest.MonkeyPatch) -> None:
    """No component at all: an input that is passed on fails as well, and is a sound spec to a checker without fault."""

    def bad(document: Any, *_: object) -> bool:
        return any(decl.values for decl in document.inputs.values())

    crash_where(monkeypatch, "stackc.frontend.value_ranges", value_ranges, bad)
    reduced = reduce_spec(BERT)
    assert (reduced.components, reduced.before) == (0, 105)
    assert "values: [0, 1]" in reduced.text

    source = Source("reduced.yaml", reduced.text)
    with pytest.raises(ZeroDivisionError, match="planted"):
        check_source(source)
    monkeypatch.undo()
    program = check_source(source).program
    assert (list(program.inputs), program.outputs, program.calls) == (["x"], {"y": "x"}, ())


def test_of_params(monkeypatch: pytest.MonkeyPatch) -> None:
    """The resolved spec has none, so it is the tree of the text that is reduced, with what is set in it."""

    def bad(params: Any, *_: object) -> bool:
        return any(decl.default.data == 1e-12 for decl in params.values())

    crash_where(monkeypatch, "stackc.resolve.resolve.bind_params", bind_params, bad)
    reduced = reduce_spec(BERT, Options(Overrides({"layers": "3"})))
    assert reduced.components is not None
    assert len(reduced.text.splitlines()) <= 10
    assert "eps: 1e-12" in reduced.text
