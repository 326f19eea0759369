"""Turn names of a spec into Python identifiers: classes, variables, attributes."""

from __future__ import annotations

import builtins
import keyword
import re
import unicodedata

from stackc.ir.model import Region, ValueRef

AMBIGUOUS = {"l", "O", "I"}
"""Letters that look like numbers, which linters refuse as variables."""


def class_name(name: str) -> str:
    """Return a name as that of a class: `encoder layer` becomes EncoderLayer."""
    words = re.split(r"[\W_]+", name)
    joined = "".join(word[:1].upper() + word[1:] for word in words if word)
    joined = unicodedata.normalize("NFKC", joined)
    return joined if joined.isidentifier() and not keyword.iskeyword(joined) else f"Region{joined}"


def is_identifier(text: str) -> bool:
    """Return whether Python reads the text as this very name: it normalizes letters of identifiers (NFKC)."""
    return text.isidentifier() and not keyword.iskeyword(text) and unicodedata.normalize("NFKC", text) == text


def variable(wanted: str, taken: set[str]) -> str:
    """Return a variable as near to the wanted name as Python and the `taken` names allow, and add it to those."""
    text = unicodedata.normalize("NFKC", re.sub(r"\W", "_", wanted))
    text = f"h{text}" if text[:1].isdigit() else text
    while text in taken or text in AMBIGUOUS or not text.isidentifier() or keyword.iskeyword(text):
        text += "_"
    taken.add(text)
    return text


def submodule(id: str, *, of: str = "self") -> str:
    """Return the expression for a submodule by its id."""
    return f"{of}.{id}" if is_identifier(id) else f"{of}.get_submodule({quoted(id)})"


def quoted(text: str) -> str:
    """Return a string literal, in double quotes unless the text contains some."""
    shown = repr(text)
    if shown.startswith("'") and '"' not in text:
        return '"' + shown[1:-1].replace("\\'", "'") + '"'
    return shown


class Locals:
    """Local variables for the values of a region: the id of the node if it is a valid name, each distinct."""

    def __init__(self, region: Region) -> None:
        self.taken = {"self", "nn", "torch", "F", "range"}
        self._names: dict[ValueRef, str] = {}
        for name in region.inputs:
            self._names[ValueRef(name)] = variable(name, self.taken)
        self.taken.update(dir(builtins))  # a node named `sum` must not hide Python's
        for node in region.nodes.values():
            for number, output in enumerate(node.body.outputs):
                wanted = f"{node.id}_{output}" if number else node.id
                self._names[ValueRef(node.id, number)] = variable(wanted, self.taken)

    def __getitem__(self, ref: ValueRef) -> str:
        return self._names[ref]
