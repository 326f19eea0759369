"""What torch.nn, Keras and ONNX call things, and what stackc has for each: read from equivalents.yaml."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from stackc.spec.yaml.tree import Value
from stackc.spec.yaml.yaml_reader import read_yaml

PREFIXES = {"torch.nn": "torch.nn.", "keras": "keras.layers.", "onnx": "onnx."}
"""What stands before a name of each library where it is shown."""

_FIRST_LINE = "stackc: 1\n"
_COMMON_INPUTS = "inputs: {x: {shape: [batch, 6, 8]}}\n"


@dataclass(frozen=True)
class Recipe:
    """A spec that takes the place of a name that no component has, and what its output equals.

    `equals` is an expression of PyTorch over the inputs; `attributes` are those of the ONNX operator.
    """

    spec: str
    equals: str | None = None
    attributes: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Equivalent:
    """A name of a library: the components that stand for it, a recipe, or the reason why there is neither."""

    library: str
    name: str
    ops: tuple[str, ...] = ()
    recipe: Recipe | None = None
    reason: str | None = None

    @property
    def full_name(self) -> str:
        """The name with its library, `torch.nn.Linear`."""
        return PREFIXES[self.library] + self.name


@cache
def equivalents() -> tuple[Equivalent, ...]:
    """Return the whole table, in its order."""
    text = files(__package__).joinpath("equivalents.yaml").read_text(encoding="utf-8")
    table = _plain(read_yaml(text, file="equivalents.yaml"))
    reasons: Mapping[str, str] = table["reasons"]
    return tuple(
        _equivalent(library, name, value, reasons) for library in PREFIXES for name, value in table[library].items()
    )


def find_equivalents(word: str) -> tuple[Equivalent, ...]:
    """Return the names that are this word, whatever its case and its library; those that contain it if none is."""
    wanted = _squeezed(word.rpartition(".")[2])
    exact = tuple(each for each in equivalents() if _squeezed(each.name) == wanted)
    return exact or tuple(each for each in equivalents() if len(wanted) > 2 and wanted in _squeezed(each.name))


def _equivalent(library: str, name: str, value: Any, reasons: Mapping[str, str]) -> Equivalent:
    if isinstance(value, str | list):
        return Equivalent(library, name, ops=tuple([value] if isinstance(value, str) else value))
    if "reason" in value:
        return Equivalent(library, name, reason=reasons.get(value["reason"], value["reason"]))

    body: str = value["recipe"]
    inputs = "" if "inputs:" in body else _COMMON_INPUTS
    recipe = Recipe(_FIRST_LINE + inputs + body, value.get("equals"), value.get("attributes"))
    return Equivalent(library, name, recipe=recipe)


def _plain(value: Value) -> Any:
    """Return a value of YAML as Python's own types."""
    if isinstance(value.data, Mapping):
        return {key: _plain(entry.value) for key, entry in value.data.items()}
    return [_plain(item) for item in value.data] if isinstance(value.data, tuple) else value.data


def _squeezed(text: str) -> str:
    return re.sub(r"[\W_]+", "", text).lower()
