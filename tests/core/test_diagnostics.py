"""Diagnostics as they are collected and rendered."""

from __future__ import annotations

import pytest

from stackc.core.diagnostics import Collector, Diagnostic, Note, Span, SpecError, character, render


@pytest.mark.parametrize(
    ("shown", "text"),
    [("a", "'a'"), ("{", "'{'"), (" ", "' '"), ("界", "'界'"), ("\0", "U+0000"), ("\u200b", "U+200B"),
     ("\u202e", "U+202E"), ("\u0301", "U+0301"), ("\u00a0", "U+00A0"), ("\u200d", "U+200D")],
)  # fmt: skip
def test_an_invisible_character_is_shown_as_its_code_point(shown: str, text: str) -> None:
    assert character(shown) == text


def test_nothing_hidden_is_printed() -> None:
    hidden = "a\u202eb\u200bc\x1bd"
    assert render(Diagnostic("S001", hidden, Span("s", 1, 1, 3), hidden), {"s": hidden}).split("\n") == [
        "error[S001]: a<U+202E>b<U+200B>c�d", "  --> s:1:1", "  |", "1 | a�b�c�d", "  | ^^",
        "help: a<U+202E>b<U+200B>c�d",
    ]  # fmt: skip


def test_the_same_problem_at_the_same_place_is_kept_once_with_its_first_notes() -> None:
    diagnostics, span = Collector(), Span("s", 1)
    for line in (2, 3):
        diagnostics.error("N310", "text", span, None, Note("here", Span("s", line)))
    assert [note.span.line for diagnostic in diagnostics.diagnostics for note in diagnostic.notes] == [2]


def test_a_repaired_problem_ends_no_stage_and_is_reported_beside_one_that_does() -> None:
    diagnostics = Collector()
    diagnostics.repair("S004", "second", Span("s", 2))
    diagnostics.repair("S004", "first", Span("s", 1))
    diagnostics.raise_if_any()
    assert [diagnostic.message for diagnostic in diagnostics.repaired] == ["first", "second"]

    diagnostics.error("N301", "third", Span("s", 1, 5))
    with pytest.raises(SpecError) as caught:
        diagnostics.raise_if_any()
    assert [diagnostic.message for diagnostic in caught.value.diagnostics] == ["first", "third", "second"]
