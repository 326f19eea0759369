"""Specs with random mistakes in them: each is checked or refused in words, in no time, and never anything else."""

from __future__ import annotations

import random
import re
import time
from pathlib import Path

import pytest

from stackc.diagnostics import SpecError, render
from stackc.front import check_source
from stackc.spec.source import Source

TESTS = Path(__file__).parent
SPECS = sorted((TESTS.parent / "specs").iterdir())
BAD_SPECS = sorted(path for path in (TESTS / "bad_specs").iterdir() if path.suffix in (".yaml", ".mmd"))
SECONDS = 2.0

_WORDS = r"""
[] {} [x] {a: 3} 3 -1 0 1.5 1e9 null true no ~ '' "" x y.0 .. ./x a/b type end train 100000000 -->|mask| & | : ,
${x} ${} ${1/0} 4*dim seq seq/2 index stack linear add gelu layer_norm attention embedding learned_position !!str *a &a
--- # %% ? > >- |- same_as: tie: reparam: merge: op: of: repeat: with: norm: outputs: inputs: blocks: dims: below:
values: shape: dtype: int64 float32 [[[[ }}}} ( ) 注意 9**99 min() open('x') standardize sum
"""
ODD: list[str] = [*re.findall(r"\S+", _WORDS), "\t", "\n", "\r\n", "\u2028", "\x1b", "\ufeff", " "]


def mutated(text: str, draw: random.Random) -> str:
    """A word for another, mostly; or characters changed, a line twice, out of place or gone, the end missing."""
    lines = text.split("\n")
    match draw.randrange(12):
        case 0:
            at = draw.randrange(len(text))
            return text[:at] + draw.choice(["", chr(draw.randrange(32, 0x250)), *ODD]) + text[at + draw.randrange(4) :]
        case 1:
            lines.insert(draw.randrange(len(lines)), draw.choice(lines))
        case 2:
            del lines[draw.randrange(len(lines))]
        case 3:
            return text[: draw.randrange(len(text))] or text
        case _:
            words = [word.span() for word in re.finditer(r"[\w.-]+|\[[^][]*\]|\{[^{}]*\}", text)] or [(0, 0)]
            (start, end), (first, last) = draw.choice(words), draw.choice(words)
            return text[:start] + draw.choice([*ODD, *[text[first:last]] * 20]) + text[end:]
    return "\n".join(lines) or text


@pytest.mark.parametrize("path", [*SPECS, *BAD_SPECS], ids=lambda path: path.name)
def test_any_text_is_checked_or_refused_in_words(path: Path) -> None:
    draw, original = random.Random(path.name), path.read_text(encoding="utf-8")
    said: list[str] = []
    for _ in range(40 if path in SPECS else 6):
        text = original
        for _ in range(draw.choice([1, 1, 2, 5])):
            text = mutated(text, draw)
        start = time.process_time()
        try:
            check_source(Source(path.name, text))
        except SpecError as error:
            said += [render(diagnostic, {path.name: text}) for diagnostic in error.diagnostics]
        assert time.process_time() - start < SECONDS, text
    assert all(re.match(r"error\[[SXNT]\d{3}\]: \S", message) for message in said)
