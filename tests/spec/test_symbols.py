"""Names of params and dims, which appear in expressions."""

from __future__ import annotations

import keyword

import pytest

from stackc.core.diagnostics import Collector, Span
from stackc.spec.names import EXPRESSION_WORDS, check_symbol


def problems(name: str) -> list[tuple[str, str, str | None]]:
    check_symbol(name, "a param", Span("spec.yaml", 1), diagnostics := Collector())
    return [(d.code, d.message, d.hint) for d in diagnostics.diagnostics]


@pytest.mark.parametrize("name", ["dim", "d_model", "ширина", "type", "half", "train"])
def test_params_may_have_names_of_module_attributes(name: str) -> None:
    assert problems(name) == []


@pytest.mark.parametrize("name", ["n-heads", "2d", "a.b", "", "ﬁlters", "a b"])
def test_params_are_a_single_name_in_an_expression(name: str) -> None:
    """`n-heads` would be a difference; Python reads `ﬁlters`, with a ligature, as `filters`."""
    hint = "use letters, digits and '_', starting with a letter"
    assert problems(name) == [("S008", f"'{name}' is not a valid name for a param", hint)]


@pytest.mark.parametrize("name", ["in", "min", "true", "lambda", "floor"])
def test_params_are_not_words_of_expressions(name: str) -> None:
    message = f"'{name}' is not a valid name for a param: it is reserved in expressions"
    assert problems(name) == [("S008", message, f"rename it to '{name}_'")]


def test_no_keyword_is_forgotten() -> None:
    assert set(keyword.kwlist) < EXPRESSION_WORDS
