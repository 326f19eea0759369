"""Names of a spec as Python can bear them: classes, variables, attributes."""

from __future__ import annotations

import builtins
import keyword
import re
import unicodedata

from stackc.ir.model import Region, ValueRef

AMBIGUOUS = {"l", "O", "I"}
"""Letters that look like numbers, which linters refuse as variables."""


def class_name(name: str) -> str:
    """A name as that of a class: `encoder layer` becomes EncoderLayer."""
    words = re.split(r"[\W_]+", name)
    joined = "".join(word[:1].upper() + word[1:] for word in words if word)
    joined = unicodedata.normalize("NFKC", joined)
    return joined if joined.isidentifier() and not keyword.iskeyword(joined) else f"Region{joined}"


def is_identifier(text: str) -> bool:
    """Whether Python reads the text as the very name: it folds look-alike letters (NFKC) in identifiers."""
    return text.isidentifier() and not keyword.iskeyword(text) and unicodedata.normalize("NFKC", text) == text


def variable(wanted: str, taken: set[str]) -> str:
    """A variable as near to the wanted name as Python and the names that are taken allow; it is taken then."""
    text = unicodedata.normalize("NFKC", re.sub(r"\W", "_", wanted))
    text = f"h{text}" if text[:1].isdigit() else text
    while text in taken or text in AMBIGUOUS or not text.isidentifier() or keyword.iskeyword(text):
        text += "_"
    taken.add(text)
    return text


def submodule(id: str, *, of: str = "self") -> str:
    """The expression for a submodule by its id."""
    return f"{of}.{id}" if is_identifier(id) else f"{of}.get_submodule({quoted(id)})"


def quoted(text: str) -> str:
    """A string literal, in double quotes unless it holds more of them than single ones."""
    shown = repr(text)
    if shown.startswith("'") and '"' not in text:
        return '"' + shown[1:-1].replace("\\'", "'") + '"'
    return shown


class Locals:
    """Local variables for the values of a region: the node's id where Python can bear it, no two alike."""

    def __init__(self, region: Region) -> None:
        self.taken = {"self", "nn", "torch", "F", "range"}
        self._names: dict[ValueRef, str] = {}
        for name in region.inputs:
            self._names[ValueRef(name)] = variable(name, self.taken)
        self.taken.update(dir(builtins))  # a node that is called sum does not hide Python's
        for node in region.nodes.values():
            for number, output in enumerate(node.body.outputs):
                wanted = f"{node.id}_{output}" if number else node.id
                self._names[ValueRef(node.id, number)] = variable(wanted, self.taken)

    def __getitem__(self, ref: ValueRef) -> str:
        return self._names[ref]
