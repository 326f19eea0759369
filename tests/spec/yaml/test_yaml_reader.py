"""YAML without its surprises, and the spans of keys and values."""

from __future__ import annotations

import time
from collections.abc import Mapping

import pytest

from stackc.core.diagnostics import SpecError
from stackc.spec.yaml.tree import Entry, Value
from stackc.spec.yaml.yaml_reader import parse_scalar, read_yaml


def entries(text: str) -> Mapping[str, Entry]:
    data = read_yaml(text, file="s.yaml").data
    assert isinstance(data, Mapping)
    return data


def refused(text: str) -> list[str]:
    with pytest.raises(SpecError) as caught:
        read_yaml(text, file="s.yaml")
    return [f"{d.code} {d.span.line if d.span else 0} {d.message}" for d in caught.value.diagnostics]


@pytest.mark.parametrize(
    ("word", "meaning"),
    [
        ("1e-5", 1e-5), ("1E5", 1e5), (".5", 0.5), ("5.", 5.0), ("-3", -3), ("+3", 3), ("010", 10), ("1_000", 1000),
        ("0", 0), ("-0.0", 0.0), ("12345678901234567890123", 12345678901234567890123),
        ("true", True), ("false", False), ("null", None), ("~", None), ("", None),
        # YAML 1.1 makes booleans, octal and sexagesimal numbers, dates and infinities of these.
        ("no", "no"), ("on", "on"), ("yes", "yes"), ("off", "off"), ("y", "y"), ("True", "True"), ("0o17", "0o17"),
        ("1:30", "1:30"), ("2024-01-02", "2024-01-02"), (".inf", ".inf"), (".nan", ".nan"), ("1e999", "1e999"),
        ("1__0", "1__0"), ("1_", "1_"), ("0x10", "0x10"), ("1.2.3", "1.2.3"), ("=", "="), ("9" * 50, "9" * 50),
    ],
)  # fmt: skip
def test_what_a_plain_word_means(word: str, meaning: object) -> None:
    assert parse_scalar(word) == meaning
    assert type(parse_scalar(word)) is type(meaning)
    if word not in ("", "="):
        assert entries(f"a: {word}")["a"].value.data == meaning


def test_quotes_make_text() -> None:
    assert [e.value.data for e in entries("a: '3'\nb: \"true\"\nc: |\n  3\n").values()] == ["3", "true", "3\n"]


def test_duplicate_keys_are_refused_at_every_depth() -> None:
    assert refused("a: 1\nb: {c: 1, c: 2}\na: 2\n") == [
        "S002 2 the key 'c' appears twice",
        "S002 3 the key 'a' appears twice",
    ]


def test_an_alias_repeats_its_value() -> None:
    data = entries("a: &x [1, 2]\nb: *x\n")
    assert data["a"].value.data == data["b"].value.data


def test_an_alias_inside_of_its_anchor_or_without_one() -> None:
    assert refused("a: &a [*a]\n") == ["S001 1 there is no anchor &a above this"]
    assert refused("a: *b\n") == ["S001 1 there is no anchor &b above this"]


def test_aliases_cannot_explode() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 12)]
    start = time.process_time()
    assert refused("\n".join(lines)) == ["S003 6 the spec is too big: more than 1,000,000 values"]
    assert time.process_time() - start < 1


@pytest.mark.parametrize("text", ["[" * 100_000, "a: " + "[" * 70 + "]" * 70, "{a: " * 5000,
                                  "".join(" " * i + "a:\n" for i in range(500)), "- " * 1000])  # fmt: skip
def test_depth_is_bounded(text: str) -> None:
    (message,) = refused(text)
    assert message.endswith("the spec is too big: nested deeper than 64 levels")


@pytest.mark.parametrize(
    "text", ["a: !!python/object/apply:os.system ['true']", "a: !x 3", "!!map {a: 3}", "a: !!str 3"]
)
def test_tags_are_refused(text: str) -> None:
    assert refused(text)[0] == "S001 1 tags are not allowed in a spec"


@pytest.mark.parametrize("text", ["? [a]\n: 3\n", "{[a]: 3}"])
def test_keys_are_plain_text(text: str) -> None:
    assert refused(text) == ["S001 1 a key must be plain text"]


def test_spans() -> None:
    data = entries("dims:\n  seq: {max: 512}\ntext: 'two words'\n文: 注意\n")
    assert (data["dims"].key.line, data["dims"].key.column, data["dims"].key.end) == (1, 1, 5)

    inner = data["dims"].value.data
    assert isinstance(inner, Mapping)
    maximum = inner["seq"].value.data
    assert isinstance(maximum, Mapping)
    span = maximum["max"].value.span
    assert (span.line, span.column, span.end) == (2, 14, 17)

    quoted = data["text"].value.span
    assert (quoted.line, quoted.column, quoted.end) == (3, 7, 18)
    wide = data["文"].value.span
    assert (wide.line, wide.column, wide.end) == (4, 4, 6)


@pytest.mark.parametrize(
    ("text", "start"),
    [
        ("graph: |\n  x --> y\n", (2, 3)), ("graph: |\n\n    x\n  \n", (2, 5)), ("graph: x --> y", (1, 8)),
        ("graph: 'x --> y'", (1, 9)), ("graph: >\n  x\n  y\n", None), ("graph: x\n  y\n", None),
        ("graph: 'x\n  y'", None),
    ],
)  # fmt: skip
def test_where_the_lines_of_a_text_begin(text: str, start: tuple[int, int] | None) -> None:
    """None if YAML joins the lines, so that no line of the text is a line of the file."""
    block = entries(text)["graph"].value.block
    assert (block and (block.line, block.column)) == start


def test_lines_count_from_the_start_of_the_text() -> None:
    value = read_yaml("a: 1\nb: 2\n", file="s.mmd", line=5)
    assert isinstance(value, Value)
    assert isinstance(value.data, Mapping)
    assert value.data["b"].key.line == 6
    with pytest.raises(SpecError, match=r"^s.mmd:6:4"):
        read_yaml("a: 1\nb: @\n", file="s.mmd", line=5)
