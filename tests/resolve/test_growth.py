"""Small specs of large models: they are checked in time proportional to the model, or rejected at once."""

from __future__ import annotations

import time

import pytest

from stackc.cli.report import MOST_SHOWN
from stackc.core.diagnostics import MOST_PROBLEMS, SpecError, render
from stackc.frontend import Checked, check_source
from stackc.spec.source import Source

HEAD = "stackc: 1\ninputs: {x: {shape: [batch, 8]}}\n"
LEAF = "    inputs: [x]\n    graph: |\n      x --> relu\n"


def check(text: str) -> Checked:
    return check_source(Source("big.yaml", text))


def drawn(*arrows: str, rest: str = "") -> str:
    return HEAD + "graph: |\n" + "".join(f"  {arrow}\n" for arrow in arrows) + rest


def chain(count: int, op: str) -> str:
    return "x --> " + " --> ".join(f"n{number}{op}" for number in range(count))


def nested(levels: int, *arrows: str) -> str:
    """Return a spec of blocks in blocks: `{}` in the arrows of each is the next block; the innermost is a relu."""
    blocks = "".join(
        f"  b{level}:\n    inputs: [x]\n    graph: |\n"
        + "".join(f"      {arrow.replace('{}', f'[b{level + 1}]')}\n" for arrow in arrows)
        for level in range(levels)
    )
    return drawn("x --> b0", rest=f"blocks:\n{blocks}  b{levels}:\n{LEAF}")


# Each of these took half a minute, or all memory, before the work was bounded; in proportion it takes a second.
SOUND = {
    "five thousand params, each of the one before": drawn(
        "x --> relu",
        rest="params: {n0: 1, " + ", ".join(f"n{number}: n{number - 1} + 1" for number in range(1, 5000)) + "}\n",
    ),
    "a chain of ten thousand nodes": drawn(chain(10_000, "[relu]")),
    "a chain of ties": drawn(
        chain(2000, "[linear]"),
        rest="nodes:\n"
        + "".join(f"  n{number}: {{out: 8, tie: {{weight: n{number + 1}.weight}}}}\n" for number in range(1999))
        + "  n1999: {out: 8}\n",
    ),
    "a chain of modules called again": drawn(
        chain(2000, ""),
        rest="nodes:\n  n0: {op: relu}\n" + "".join(f"  n{n}: {{same_as: n{n - 1}}}\n" for n in range(1, 2000)),
    ),
    "every layer tapped": drawn(
        "x --> s[stack]",
        rest="nodes: {s: {of: relu, repeat: 5000}}\noutputs: [" + ", ".join(f"s.{n}" for n in range(5000)) + "]\n",
    ),
}

REJECTED = {
    "blocks that double": (nested(45, "x --> p{} --> q{}"), "S003", "the model has 35,184,372,088,832 components"),
    "blocks that double, each of another width": (
        nested(45, "x --> p{} --> c[concat]", "x --> c", "c --> q{}"),
        "S003",
        "the model has 70,368,744,177,663 components",
    ),
    "a stack of a billion": (
        drawn("x --> s[stack]", rest="nodes: {s: {of: relu, repeat: 10**9}}\n"),
        "N310",
        "repeat must be a whole number from 1 to 10,000, but is 1000000000 (10**9)",
    ),
    "a stack of stacks": (
        drawn(
            "x --> s[stack]",
            rest="nodes: {s: {of: a, repeat: 10000}}\nblocks:\n  a:\n    inputs: [x]\n    graph: |\n"
            "      x --> s[stack]\n    nodes: {s: {of: relu, repeat: 10000}}\n",
        ),
        "S003",
        "the model has 100,000,000 components, but at most 100,000 are supported",
    ),
    "a tower of powers": (
        drawn("x --> y[linear]", rest="nodes: {y: {out: 9**9**9}}\n"),
        "X003",
        "'9**9**9' has no value: the number is too large",
    ),
    "heads that must divide a huge size": (
        drawn("x --> y[attention]", rest="nodes: {y: {heads: 12}}\n").replace("8]", f"seq, {10**18 - 1}]"),
        "T202",
        "'y' (attention): heads 12 does not divide dim 999999999999999999",
    ),
    "a billion recurrent layers": (
        drawn("x --> y[lstm]", rest="nodes: {y: {hidden: 8, layers: 10**9}}\n").replace("8]", "seq, 8]"),
        "N310",
        "'y': layers must be at most 1000, but is 1000000000",
    ),
    "fifty thousand nodes": (drawn(chain(50_000, "")), "S113", "a drawing has at most 40,000 nodes"),
}


@pytest.mark.slow
@pytest.mark.parametrize("text", SOUND.values(), ids=SOUND)
def test_large_specs_are_checked(text: str) -> None:
    assert check(text).cost.parameters >= 0


@pytest.mark.slow
@pytest.mark.parametrize(("text", "code", "message"), REJECTED.values(), ids=REJECTED)
def test_specs_without_end_are_rejected(text: str, code: str, message: str) -> None:
    with pytest.raises(SpecError) as caught:
        check(text)
    assert [d.code for d in caught.value.diagnostics] == [code]
    assert caught.value.diagnostics[0].message.startswith(message)


def test_at_most_a_thousand_mistakes_are_collected() -> None:
    with pytest.raises(SpecError) as caught:
        check(drawn(*(f"x --> n{number}[foo]" for number in range(5000))))
    assert len(caught.value.diagnostics) == MOST_PROBLEMS


ARROW = "x --> a"
WRONG = {
    "equal arrows into one port": drawn(*[ARROW] * 20_000, rest="nodes: {a: {op: relu}}\n"),
    "equal arrows with a label": drawn(*["x -->|other| a"] * 20_000, rest="nodes: {a: {op: sub}}\n"),
    "misspelt ops beside as many blocks": drawn(
        "x --> " + " --> ".join(f"n{number}[blok{number}]" for number in range(600)),
        rest="blocks:\n" + "".join(f"  block{number}: {{inputs: [x], graph: x --> relu}}\n" for number in range(600)),
    ),
    "misspelt params beside as many params": drawn(
        chain(600, ""),
        rest="params: {" + ", ".join(f"width{number}: 8" for number in range(600)) + "}\nnodes: {"
        + ", ".join(f"n{number}: {{op: linear, out: widht{number}}}" for number in range(600)) + "}\n",
    ),
    "misspelt entries beside as many nodes": drawn(
        chain(600, "[relu]"),
        rest="nodes: {" + ", ".join(f"m{number}: {{op: relu}}" for number in range(600)) + "}\n",
    ),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("text", WRONG.values(), ids=WRONG.keys())
def test_wrong_specs_are_refused_in_proportion_to_their_size(text: str) -> None:
    """Time of the processor, checking and printing: seconds to minutes when each mistake costs the whole spec."""
    start = time.process_time()
    with pytest.raises(SpecError) as caught:
        check(text)
    for diagnostic in caught.value.diagnostics[:MOST_SHOWN]:
        render(diagnostic, {"big.yaml": text})
    assert time.process_time() - start < 2
