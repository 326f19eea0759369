"""Names of params and dims, which stand in expressions."""

from __future__ import annotations

import keyword

import pytest

from stackc.core.diagnostics import Collector, Span
from stackc.spec.names import EXPRESSION_WORDS, check_symbol


def said(name: str) -> list[tuple[str, str, str | None]]:
    check_symbol(name, "a param", Span("spec.yaml", 1), found := Collector())
    return [(d.code, d.message, d.hint) for d in found.diagnostics]


@pytest.mark.parametrize("name", ["dim", "d_model", "ширина", "type", "half", "train"])
def test_params_may_be_called_as_modules_are(name: str) -> None:
    assert said(name) == []


@pytest.mark.parametrize("name", ["n-heads", "2d", "a.b", "", "ﬁlters", "a b"])
def test_params_are_one_name_in_an_expression(name: str) -> None:
    """`n-heads` would be a difference; Python reads `ﬁlters`, with a ligature, as `filters`."""
    hint = "use letters, digits and '_', and a letter first"
    assert said(name) == [("S008", f"'{name}' cannot be the name of a param", hint)]


@pytest.mark.parametrize("name", ["in", "min", "true", "lambda", "floor"])
def test_params_are_no_words_of_expressions(name: str) -> None:
    message = f"'{name}' cannot be the name of a param: it means something else in an expression"
    assert said(name) == [("S008", message, f"call it '{name}_'")]


def test_no_keyword_is_forgotten() -> None:
    assert set(keyword.kwlist) < EXPRESSION_WORDS
