"""Read what a label of a figure says: operations with their numbers, the shape of a value, or a name.

`conv 3x3, ReLU ×2, 64` is a convolution and an activation, both twice, with 64 channels; `1 × 1 × C/r` is a shape, and
`F(x)` a name: neither holds an operation.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from stackc.resolve.op_guess import meaning

_TIMES = r"[x×*]"
_SIZE = r"(?:\d+|[A-Z]\w?(?:/\d+|/[a-z])?)"
_SHAPE = re.compile(rf"(?:(?P<name>[\w̃̂]+)\s*[:=]\s*)?[(\[]?(?P<sizes>{_SIZE}(?:\s*[x×*,]\s*{_SIZE})+)[)\]]?")
_WIDTH = re.compile(r"(?P<size>\d+|[A-Z](?:/[a-z\d]+)?)\s*-?\s*(?:d|channels|ch)?")
_BREAK = re.compile(r"<br\s*/?>|\\n|[,;\n→]|\s\+\s|\s?&\s?|(?<![a-z])then(?![a-z])|->")
_ADD_AND_NORM = re.compile(r"add\s*(?:&|and|\+)\s*(?:layer\s*)?norm\w*", re.IGNORECASE)
_MODIFIERS = re.compile(r"(?<![a-z])(?:masked|causal)(?![a-z])")

# Numbers of a label, in the order in which they are looked for: what is left of the text goes to the next.
_NUMBERS: Mapping[str, re.Pattern[str]] = {
    "heads": re.compile(r"(?P<a>\d+)\s*-?\s*heads?"),
    "kernel": re.compile(rf"(?P<a>\d+)\s*{_TIMES}\s*(?P<b>\d+)(?!\s*{_TIMES}?\s*\d)"),
    "stride": re.compile(r"/\s*(?P<a>\d+)|stride\s*[:=]?\s*(?P<b>\d+)|(?<![a-z])s\s*=\s*(?P<c>\d+)"),
    "padding": re.compile(r"pad(?:ding)?\s*[:=]?\s*(?P<a>\d+|same)|(?<![a-z])p\s*=\s*(?P<b>\d+)"),
    "repeat": re.compile(rf"{_TIMES}\s*(?P<a>\d+|[nl](?![a-z]))|(?<!\w)(?P<b>\d+|[nl])\s*{_TIMES}(?!\w)"),
    "p": re.compile(r"(?P<a>0?\.\d+)"),
    "out": re.compile(r"(?<![\w.])(?P<a>\d+)(?:\s*-?\s*d)?(?![\w.])"),
}


@dataclass(frozen=True)
class LabelOperation:
    """One operation of a label: the ops that its words may mean, and the numbers beside them.

    `unread` are words that say something else about it, such as `dilated`: then nothing is certain.
    """

    ops: tuple[str, ...]
    numbers: Mapping[str, object] = field(default_factory=dict)
    unread: tuple[str, ...] = ()


@dataclass(frozen=True)
class Reading:
    """What a label says: operations, one after another, all of them `repeat` times; or a shape; or neither."""

    operations: tuple[LabelOperation, ...] = ()
    repeat: str | None = None
    shape: tuple[str, ...] = ()


def label_text(text: str) -> str:
    """Return a label without the marks of Mermaid: quotes, backticks, emphasis."""
    return re.sub(r"#quot;|[`*]{1,2}(?=\S)|(?<=\S)[`*]{1,2}", "", text).strip()


def read_label(text: str) -> Reading:
    """Read the label of a node or of an arrow."""
    text = _ADD_AND_NORM.sub("add, layer norm", label_text(text))
    if shape := read_shape(text):
        return Reading(shape=shape)
    parts = [text] if text in {"+", "×", "⊕", "⊗"} else _BREAK.split(text)

    operations: list[LabelOperation] = []
    shared: dict[str, object] = {}
    for part in parts:
        words, numbers = _without_numbers(part.lower().strip(" ()[]"))
        ops, unread = meaning(words) if words else ((), ())
        if not ops and not unread and "kernel" in numbers:
            ops = ("conv2d",)  # `3x3, 64`
        if ops:
            operations.append(LabelOperation(ops, numbers, unread))
        elif operations and not unread:
            shared |= numbers
        elif words:
            operations.append(LabelOperation((), numbers, tuple(words.split())))

    operations = [replace(each, numbers={**shared, **each.numbers}) for each in operations]
    known = any(each.ops for each in operations)
    repeats = [str(each.numbers["repeat"]) for each in operations if "repeat" in each.numbers]
    return Reading(tuple(operations), repeats[-1] if repeats else None) if known else Reading()


def read_shape(text: str) -> tuple[str, ...]:
    """Return the sizes of a label like `C × H × W` or `X: 224x224x3`; nothing for another, or for a kernel like 3x3."""
    match = _SHAPE.fullmatch(text.strip())
    sizes = tuple(re.split(r"\s*[x×*,]\s*", match["sizes"])) if match else ()
    is_kernel = bool(re.match(r"\d+\s*[x×*]\s*\d+(?!\s*[x×*\w])", match["sizes"])) if match else False
    return () if is_kernel else sizes


def read_width(text: str) -> str | None:
    """Return the channels that a label of an arrow names: `64`, `256-d`, or those of a shape."""
    match = _WIDTH.fullmatch(label_text(text))
    return match["size"] if match else labelled_channels(read_shape(label_text(text)))


def labelled_channels(shape: tuple[str, ...]) -> str | None:
    """Return the channels of a shape of three sizes, which stand before or behind the height and width."""
    if len(shape) != 3:
        return None
    first, middle, last = shape
    behind = (first.lower(), middle.lower()) in {("h", "w"), ("1", "1")} or first == middle != last
    before = (middle.lower(), last.lower()) in {("h", "w"), ("1", "1")} or first != middle == last
    return last if behind and not before else first if before and not behind else None


def read_repeat(text: str) -> str | None:
    """Return how often the title of a subgraph says that it repeats: `Encoder ×6`, `N×`."""
    repeat = _without_numbers(label_text(text).lower())[1].get("repeat")
    return None if repeat is None else str(repeat)


def _without_numbers(text: str) -> tuple[str, dict[str, object]]:
    """Return the words of a part of a label, and what its numbers and modifiers say."""
    numbers: dict[str, object] = {}
    for name, pattern in _NUMBERS.items():
        if match := pattern.search(text):
            found = [group for group in match.groups() if group is not None]
            numbers[name] = _number(name, found)
            text = f"{text[: match.start()]} {text[match.end() :]}"
    if _MODIFIERS.search(text):
        numbers["causal"] = True
        text = _MODIFIERS.sub(" ", text)
    return " ".join(text.replace("(", " ").replace(")", " ").split()), numbers


def _number(name: str, groups: list[str]) -> object:
    if name in ("repeat", "padding") and not groups[0].isdigit():
        return groups[0]
    if name == "p":
        return float(groups[0])
    whole = [int(group) for group in groups]
    return whole[0] if len(set(whole)) == 1 else whole
