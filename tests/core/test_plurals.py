"""Counts with their noun."""

import pytest

from stackc.core.plurals import counted


@pytest.mark.parametrize(
    ("text", "expected"),
    [(counted(1, "component"), "1 component"), (counted(0, "component"), "0 components"),
     (counted(12345, "component"), "12,345 components"), (counted(1, "entry", "entries"), "1 entry"),
     (counted(2, "entry", "entries"), "2 entries")],
)  # fmt: skip
def test_counted(text: str, expected: str) -> None:
    assert text == expected
