"""Counts in messages, with the noun in the singular or the plural."""

from __future__ import annotations


def counted(number: int, noun: str, plural: str | None = None) -> str:
    """Return a count with its noun: `1 component`, `12,345 components`; `plural` for other forms than noun + "s"."""
    return f"{number:,} {noun if number == 1 else plural or f'{noun}s'}"
