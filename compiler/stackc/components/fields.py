"""The fields of a component as data: what a spec may write there, with range, default and meaning.

Read off the annotations of the class once; the resolver decodes by it, and the JSON Schema is generated from it.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from stackc.components.base import Component
from stackc.core.types import INT64, Dim


@dataclass(frozen=True, slots=True)
class Range:
    """Bounds of a number: `minimum` included, `maximum` included unless `below` is set instead."""

    minimum: float = -math.inf
    maximum: float = math.inf
    below: float = math.inf

    def problem(self, value: float) -> str | None:
        """What is wrong with `value`, or None."""
        if value < self.minimum:
            return f"has to be at least {self.minimum:g}"
        if value > self.maximum:
            return f"has to be at most {self.maximum:g}"
        return f"has to be below {self.below:g}" if value >= self.below else None


Size = Annotated[int, Range(minimum=1)]
Natural = Annotated[int, Range(minimum=0)]
Epsilon = Annotated[float, Range(minimum=0.0)]
Probability = Annotated[float, Range(minimum=0.0, below=1.0)]

NUMBERS = frozenset({"int", "float", "bool"})


@dataclass(frozen=True, slots=True)
class FieldSpec:
    """One field: `kinds` among int, float, bool, str and none; `choices` where it is one of a few words.

    The kind dim is a size known only at run time: see components/extents.py; the params of specs take one too.

    `single` says whether one value may stand there, `listed` whether a list may, each entry of which is such a value.
    """

    name: str
    kinds: frozenset[str]
    choices: tuple[str, ...]
    range: Range
    doc: str
    required: bool
    default: object
    single: bool = True
    listed: bool = False

    @property
    def is_text(self) -> bool:
        """Whether a string in the spec is text with `${…}`.

        In all other fields it is an expression, but for the words of a field that takes words beside numbers.
        """
        return not self.kinds & NUMBERS

    def entry(self, index: int) -> FieldSpec:
        """The entry of a list, as a field of its own: never a word, nor empty."""
        kinds = self.kinds - {"none"}
        return replace(self, name=f"{self.name}[{index}]", kinds=kinds, choices=(), single=True, listed=False)

    def decode(self, value: object) -> object:
        """The value as the component takes it; ValueError, in the user's words, where it cannot be one."""
        if isinstance(value, tuple) and self.listed:
            return tuple(self.entry(index).decode(item) for index, item in enumerate(value))
        if not self.single:
            raise ValueError(f"{self.name} has to be {self.wanted}; it is {_said(value)}")
        if value is None and "none" in self.kinds:
            return None
        if isinstance(value, str) and value in self.choices:
            return value
        if self.choices and not self.kinds & NUMBERS:
            raise ValueError(f"{self.name} has to be one of {', '.join(self.choices)}; it is {_said(value)}")
        if isinstance(value, Dim) and value.constant is not None:
            value = value.constant
        decoded = self._number(value)
        if decoded is None:
            raise ValueError(f"{self.name} has to be {self.wanted}; it is {_said(value)}")
        if not isinstance(decoded, (str, Dim)) and (problem := self.range.problem(decoded)):
            raise ValueError(f"{self.name} {problem}; it is {_said(decoded)}")
        if isinstance(decoded, int) and not -INT64 <= decoded < INT64:
            raise ValueError(f"{self.name} has to fit in 64 bits; it is {_said(decoded)}")
        return decoded

    def _number(self, value: object) -> int | float | str | Dim | None:
        if isinstance(value, Dim):
            return value if "dim" in self.kinds else None
        if isinstance(value, bool):
            return value if "bool" in self.kinds else None
        if isinstance(value, int):
            return value if "int" in self.kinds else float(value) if "float" in self.kinds else None
        if isinstance(value, float):
            whole = "int" in self.kinds and value.is_integer()
            return value if "float" in self.kinds else int(value) if whole else None
        return value if isinstance(value, str) and "str" in self.kinds else None

    @property
    def wanted(self) -> str:
        """The kinds in words."""
        words = {"int": "a whole number", "float": "a number", "bool": "true or false", "str": "text"}
        several = {"int": "a list of whole numbers", "float": "a list of numbers"}
        single = [word for kind, word in words.items() if kind in self.kinds]
        lists = [word for kind, word in several.items() if kind in self.kinds]
        return either(single * self.single + lists * self.listed + [*self.choices])


def either(words: Sequence[str]) -> str:
    """The words, "or" before the last."""
    return " or ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))


def _said(value: object) -> str:
    if isinstance(value, Dim):
        return f"'{value}', known only at run time"
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"'{value}'" if isinstance(value, str) else "empty" if value is None else str(value)


_KINDS: dict[object, str] = {NoneType: "none", Dim: "dim"}
_FIELDS: dict[type[Component], dict[str, FieldSpec]] = {}


def fields_of(component: type[Component]) -> dict[str, FieldSpec]:
    """The fields of a component class by name, in written order."""
    if component.described is not None:
        return dict(component.described)
    if component not in _FIELDS:
        hints = get_type_hints(component, include_extras=True)
        described = dataclasses.fields(component)  # type: ignore[arg-type]  # every component is a dataclass
        _FIELDS[component] = {f.name: _field(f, hints[f.name]) for f in described}
    return _FIELDS[component]


def _field(f: dataclasses.Field[Any], hint: Any) -> FieldSpec:
    required = f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING
    return field_of(f.name, hint, required=required, default=None if required else f.default)


def field_of(name: str, hint: Any, *, required: bool, default: object) -> FieldSpec:
    """The field that an annotation describes: numbers, words, texts, None, tuples and lists of them, unions."""
    kinds: set[str] = set()
    choices: list[str] = []
    single: set[str] = set()  # kinds and words outside of a tuple
    span, doc, listed = Range(), "", False

    def walk(hint: Any, *, inside: bool = False) -> None:
        nonlocal span, doc, listed
        origin = get_origin(hint)
        if origin is Annotated:
            inner, *extras = get_args(hint)
            for extra in extras:
                if isinstance(extra, Range):
                    span = extra
                elif isinstance(extra, str):
                    doc = extra
            walk(inner, inside=inside)
        elif origin in (Union, UnionType):
            for part in get_args(hint):
                walk(part, inside=inside)
        elif origin in (tuple, list):
            listed = True
            walk(get_args(hint)[0], inside=True)
        elif origin is Literal:
            choices.extend(get_args(hint))
            single.update(get_args(hint))
        else:
            kind = _KINDS.get(hint) or hint.__name__
            kinds.add(kind)
            single.update(() if inside else {kind})

    walk(hint)
    return FieldSpec(
        name, frozenset(kinds), tuple(choices), span, doc, required, default, bool(single - {"none"}), listed
    )
