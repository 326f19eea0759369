"""Tables on the screen: the default layout, and columns with their own."""

from __future__ import annotations

import pytest

from stackc.cli.table import Column, print_table

ROWS = [["encoder.0.attn", "model.yaml:12", "1.0e-7"], ["head", "model.yaml:3", "12.5"]]


def lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return [line.rstrip() for line in capsys.readouterr().out.splitlines() if line.strip()]


def test_numbers_are_right_aligned_from_the_third_column_on(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(["component", "line", "error"], ROWS)
    head, _, *rows = lines(capsys)
    assert head == " component        line             error"
    assert rows == [" encoder.0.attn   model.yaml:12   1.0e-7", " head             model.yaml:3      12.5"]


def test_columns_choose_their_alignment_and_a_caption_stands_above(capsys: pytest.CaptureFixture[str]) -> None:
    print_table([Column("component", align="right"), "line", Column("error")], ROWS, caption="Errors:")
    caption, _, _, first, second = lines(capsys)
    assert caption == "Errors:"
    assert first == " encoder.0.attn   model.yaml:12   1.0e-7"
    assert second == "           head   model.yaml:3    12.5"


def test_a_column_wraps_only_where_it_may(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stackc.cli.table.WIDTH_WITHOUT_SCREEN", 40)
    print_table(
        [Column("component", wrap="anywhere"), Column("line", wrap="never"), Column("error", wrap="never")], ROWS
    )
    _, _, *rows = lines(capsys)
    assert rows[0].split() == ["encoder.0.att", "model.yaml:12", "1.0e-7"]
    assert rows[1].split() == ["n"]
