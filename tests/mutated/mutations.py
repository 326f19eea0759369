"""Random mutations of specs: some know the syntax of YAML, drawings and expressions, others are blind."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence
from itertools import takewhile
from pathlib import Path

from stackc.authoring.reference.codes import code_pages
from stackc.authoring.reference.examples import example_of
from stackc.components import REGISTRY
from stackc.components.fields import fields_of
from stackc.core.diagnostics import SpecError
from stackc.spec.markdown import Syntax
from stackc.spec.source import Source
from stackc.spec.writer import convert_syntax

TESTS = Path(__file__).parents[1]


def _words(text: str) -> list[str]:
    return text.split()


ODD = _words(r"""
[] {} [x] {a: 3} 3 -1 0 1.5 1e9 1e-400 .nan null true no ~ '' "" x y.0 .. ./x a/b type end train 100000000 -->|mask|
& | : , ${x} ${} ${1/0} 4*dim seq seq/2 index stack linear add gelu layer_norm attention embedding learned_position
!!str !!python/object/apply:os.system *a &a --- # %% ? > >- |- same_as: tie: reparam: merge: op: of: repeat: with:
norm: outputs: inputs: blocks: dims: below: values: shape: dtype: int64 float32 [[[[ }}}} ( ) 注意 min() sum
open('x') __import__('os').system('id') ().__class__ 9**99 9**9**9 (seq+1)**64 10**9 1_000_000_000 standardize
weight_norm /etc/passwd ../outside.yaml#layer ../outside.yaml linked.yaml neighbour.yaml neighbour.yaml#layer
neighbour.md#one#layer circular.yaml circular.yaml#a file:///etc/passwd .
""")
_LONG = ("a" * 5000, "(" * 300, "[" * 300, "-" * 3000)
ODD += [*_LONG, "\t", "\n", "\r\n", "\u2028", "\x1b", "\ufeff", " ", "\U0001f600"]
OPS = [*REGISTRY, "stack"]

_WORD = re.compile(r"[\w.-]+|\[[^][]*\]|\{[^{}]*\}")
_ID = re.compile(r"[^\W\d]\w*")
_NUMBER = re.compile(r"(?<![\w.])\d+(?:\.\d+)?(?:e-?\d+)?(?![\w.])")
_KEY = re.compile(r"[\w*.-]+(?=:\s)")
_VALUE = re.compile(r"(?<=: )[^,{}\[\]\n]+")
_ARROW = re.compile(r" --> | -->\|\w+\| ")
_MARK = re.compile(r"[][{}|:,\"'#&*]|-->")
_NUMBERS = _words("0 1 2 3 7 16 1000 -1 0.5 1e30 10**12 seq 2**40 batch*seq 9999999999999999999")
_TERMS = _words("({}) -{} {}**{} ({})//3 {}*{} ({}+1)*seq min({},3) ({})%2 ({}<2)")
_LABELS = _words("mask context other x 0 y:x 3.attn a:b:c value")
_MARKS = ("[", "]", "{", "}", "|", ":", ",", '"', "'", "-.->", "---")
_NODE_KEYS = _words("of repeat with norm norm_every share mode merge same_as tie reparam")


def corpus() -> dict[str, str]:
    """Return every spec of the project, its tests and its reference, in both syntaxes if it converts, by file name."""
    folders = (
        TESTS.parent / "specs",
        TESTS / "bad_specs",
        TESTS.parent / "compiler" / "stackc" / "authoring" / "templates",
    )
    files = sorted(path for folder in folders for path in folder.iterdir() if path.suffix in (".yaml", ".mmd"))
    specs = {path.name: path.read_text(encoding="utf-8") for path in files if ".right." not in path.name}

    for page in code_pages().values():
        for snippet in (page.wrong, page.right):
            if snippet:
                specs[f"{page.code}_{'wrong' if snippet is page.wrong else 'right'}_{snippet.file}"] = snippet.text
    specs |= {f"{op}.yaml": example_of(component).spec for op, component in REGISTRY.items()}

    for name, text in list(specs.items()):
        syntax: Syntax = "mermaid" if name.endswith(".yaml") else "yaml"
        other = Path(name).with_suffix(".mmd" if syntax == "mermaid" else ".yaml").name
        try:
            specs[f"turned_{other}"] = convert_syntax(Source(name, text), syntax)
        except SpecError:
            continue  # a bad spec that cannot be parsed cannot be converted
    return specs


def mutated(text: str, draw: random.Random, others: Sequence[str]) -> str:
    """Return `text` with one to five changes, which may insert parts of `others`. Never empty."""
    for _ in range(draw.choice((1, 1, 1, 2, 5))):
        text = draw.choice(_CHANGES)(text, draw, others) or text
    return text


def _replace(text: str, pattern: re.Pattern[str], draw: random.Random, *new: str) -> str:
    """Replace one match of `pattern` by one of `new`, or by another match."""
    places = [match.span() for match in pattern.finditer(text)]
    if not places:
        return text
    (start, end), (first, last) = draw.choice(places), draw.choice(places)
    return text[:start] + draw.choice((*new, text[first:last])) + text[end:]


def _characters(text: str, draw: random.Random, others: Sequence[str]) -> str:
    at = draw.randrange(len(text))
    return text[:at] + draw.choice(("", chr(draw.randrange(32, 0x250)), *ODD)) + text[at + draw.randrange(4) :]


def _bytes(text: str, draw: random.Random, others: Sequence[str]) -> str:
    data = bytearray(text, "utf-8", "surrogatepass")
    for _ in range(draw.choice((1, 3, 10))):
        data[draw.randrange(len(data))] = draw.randrange(256)
    return data.decode("utf-8", "ignore")


def _cut(text: str, draw: random.Random, others: Sequence[str]) -> str:
    return text[: draw.randrange(len(text))]


def _word(text: str, draw: random.Random, others: Sequence[str]) -> str:
    return _replace(text, _WORD, draw, *draw.sample(ODD, 3))


def _id(text: str, draw: random.Random, others: Sequence[str]) -> str:
    return _replace(text, _ID, draw, draw.choice(OPS))


def _number(text: str, draw: random.Random, others: Sequence[str]) -> str:
    return _replace(text, _NUMBER, draw, draw.choice(_NUMBERS))


def _key(text: str, draw: random.Random, others: Sequence[str]) -> str:
    fields = [name for op in draw.sample(list(REGISTRY.values()), 2) for name in fields_of(op)]
    return _replace(text, _KEY, draw, draw.choice((*_NODE_KEYS, *fields)))


def _value(text: str, draw: random.Random, others: Sequence[str]) -> str:
    value = draw.choice(ODD)
    return _replace(text, _VALUE, draw, f"[{value}, {value}]", f"{{op: {value}}}", f"{{{value}: 1}}", f'"{value}"')


def _expression(text: str, draw: random.Random, others: Sequence[str]) -> str:
    inner = draw.choice(("1", "seq", "batch", "dim", "index", "0.5", "'a'"))
    for _ in range(draw.choice((1, 3, 30))):
        inner = draw.choice(_TERMS).replace("{}", inner)[:600]
    return _replace(text, draw.choice((_VALUE, _NUMBER)), draw, inner, f'"${{{inner}}}"')


def _mark(text: str, draw: random.Random, others: Sequence[str]) -> str:
    return _replace(text, _MARK, draw, "", *draw.sample(_MARKS, 3))


def _arrow(text: str, draw: random.Random, others: Sequence[str]) -> str:
    ids = _ID.findall(text)
    if draw.random() < 0.5 or not ids:
        links = (" ", " --> ", " <--> ", " --- ", " ==> ", f" -->|{draw.choice(_LABELS)}| ", " & ", "\n")
        return _replace(text, _ARROW, draw, draw.choice(links))

    lines = text.split("\n")
    numbers = [number for number, line in enumerate(lines) if "-->" in line]
    if numbers:
        at = draw.choice(numbers)
        indent = lines[at][: len(lines[at]) - len(lines[at].lstrip())]
        lines.insert(at, f"{indent}{draw.choice(ids)} --> {draw.choice(ids)}")
    return "\n".join(lines)


def _line(text: str, draw: random.Random, others: Sequence[str]) -> str:
    lines = text.split("\n")
    at = draw.randrange(len(lines))
    match draw.randrange(5):
        case 0:
            lines.insert(draw.randrange(len(lines)), lines[at])
        case 1:
            del lines[at]
        case 2:
            lines[at] = draw.choice(("  ", "\t", " ")) + lines[at]
        case 3:
            lines[at] = lines[at].removeprefix("  ")
        case _:
            lines.insert(draw.randrange(len(lines)), draw.choice(draw.choice(others).split("\n")))
    return "\n".join(lines)


def _branch(lines: Sequence[str], at: int) -> list[str]:
    """Return the line `at` and the lines below it that are indented deeper."""
    indent = len(lines[at]) - len(lines[at].lstrip())
    deeper = takewhile(lambda line: not line.strip() or len(line) - len(line.lstrip()) > indent, lines[at + 1 :])
    return [lines[at], *deeper]


def _graft(text: str, draw: random.Random, others: Sequence[str]) -> str:
    """Remove or duplicate a branch of YAML, or replace it by one of another spec."""
    lines, source = text.split("\n"), draw.choice((text, *others[:1], draw.choice(others))).split("\n")
    at = draw.randrange(len(lines))
    old, new = _branch(lines, at), _branch(source, draw.randrange(len(source)))
    deeper = len(lines[at]) - len(lines[at].lstrip())
    moved = [" " * deeper + line.lstrip() if line is new[0] else line for line in new]
    return "\n".join([*lines[:at], *draw.choice(([], old * 2, moved, old + moved, old * 20)), *lines[at + len(old) :]])


_CHANGES: tuple[Callable[[str, random.Random, Sequence[str]], str], ...] = (
    _characters, _bytes, _cut, _word, _word, _id, _id, _number, _key, _value, _expression, _mark, _arrow, _arrow, _line,
    _graft,
)  # fmt: skip
