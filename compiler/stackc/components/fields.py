"""The fields of a component as data: the values that a spec may write, with range, default and meaning.

They are read once off the annotations of the class; the resolver decodes by them, and the JSON Schema is generated
from them.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, cast, get_args, get_origin, get_type_hints

from stackc.components.base import Component
from stackc.core.types import INT64, Dim


@dataclass(frozen=True, slots=True)
class Range:
    """Bounds of a number: `minimum` and `maximum` are included, `below` is not."""

    minimum: float = -math.inf
    maximum: float = math.inf
    below: float = math.inf

    def problem(self, value: float) -> str | None:
        """Return which bound `value` violates, "must be at least 1", or None."""
        if value < self.minimum:
            return f"must be at least {self.minimum:g}"
        if value > self.maximum:
            return f"must be at most {self.maximum:g}"
        return f"must be below {self.below:g}" if value >= self.below else None


Size = Annotated[int, Range(minimum=1)]
Natural = Annotated[int, Range(minimum=0)]
Epsilon = Annotated[float, Range(minimum=0.0)]
Probability = Annotated[float, Range(minimum=0.0, below=1.0)]

NUMBERS = frozenset({"int", "float", "bool"})


@dataclass(frozen=True, slots=True)
class FieldSpec:
    """One field: `kinds` are among int, float, bool, str, none and dim; `choices` are the words that it accepts.

    The kind dim is a size known only at run time, see components/size_expressions.py; params of specs accept one too.

    `single` says whether a single value is accepted, `listed` whether a list of such values is. A mapping is accepted
    if there are `members`, the fields of the dataclass `make`.
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
    members: tuple[FieldSpec, ...] = ()
    make: type | None = None

    @property
    def is_text(self) -> bool:
        """Whether a string in the spec is text with `${…}`.

        In all other fields it is an expression, except the choices of a field that accepts words as well as numbers.
        """
        return not self.kinds & NUMBERS

    def entry(self, index: int) -> FieldSpec:
        """Return the field of one list entry, which is neither a choice nor empty."""
        kinds = self.kinds - {"none"}
        return replace(self, name=f"{self.name}[{index}]", kinds=kinds, choices=(), single=True, listed=False)

    def member(self, member: FieldSpec) -> FieldSpec:
        """Return one of `members` under the name that messages call it by, `bias.q`."""
        return replace(member, name=f"{self.name}.{member.name}")

    def instance(self, values: Mapping[str, object]) -> object:
        """Return a mapping of decoded values as the component takes it; members with a default may be missing."""
        assert self.make is not None, "only a field with members takes a mapping"
        return self.make(**values)

    def decode(self, value: object) -> object:
        """Return the value as the component takes it. Raises ValueError, with a message for the user, if invalid."""
        if isinstance(value, tuple) and self.listed:
            return tuple(self.entry(index).decode(item) for index, item in enumerate(value))
        if value is None and "none" in self.kinds:
            return None
        if not self.single:
            raise self._error(f"must be {self.wanted}", value)

        if isinstance(value, str) and value in self.choices:
            return value
        if self.choices and not self.kinds & NUMBERS:
            raise self._error(f"must be one of {', '.join(self.choices)}", value)

        if isinstance(value, Dim) and value.constant is not None:
            value = value.constant
        decoded = self._convert(value)
        if decoded is None:
            raise self._error(f"must be {self.wanted}", value)

        if not isinstance(decoded, (str, Dim)) and (problem := self.range.problem(decoded)):
            raise self._error(problem, decoded)
        if isinstance(decoded, int) and not -INT64 <= decoded < INT64:
            raise self._error("must fit in 64 bits", decoded)
        return decoded

    def _error(self, rule: str, value: object) -> ValueError:
        return ValueError(f"{self.name} {rule}, but is {_shown(value)}")

    def _convert(self, value: object) -> int | float | str | Dim | None:
        """Return the value as one of `kinds`, None if it is of none of them."""
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
        """The accepted values as a phrase, "a whole number or same"."""
        singular = {"int": "a whole number", "float": "a number", "bool": "true or false", "str": "text"}
        plural = {"int": "a list of whole numbers", "float": "a list of numbers"}
        values = [phrase for kind, phrase in singular.items() if kind in self.kinds]
        lists = [phrase for kind, phrase in plural.items() if kind in self.kinds]
        mapping = [f"a mapping with {', '.join(member.name for member in self.members)}"] if self.members else []
        return either(values * self.single + lists * self.listed + [*self.choices] + mapping)


def either(words: Sequence[str]) -> str:
    """Join words with commas, and with "or" before the last."""
    return " or ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))


def _shown(value: object) -> str:
    """Return a value as a message shows it."""
    if isinstance(value, Dim):
        return f"'{value}', known only at run time"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        return "a list"
    return f"'{value}'" if isinstance(value, str) else "empty" if value is None else str(value)


_KINDS: dict[object, str] = {NoneType: "none", Dim: "dim"}
_FIELDS: dict[type[Component], dict[str, FieldSpec]] = {}
_MEMBERS: dict[type, tuple[FieldSpec, ...]] = {}


def fields_of(component: type[Component]) -> dict[str, FieldSpec]:
    """Return the fields of a component class by name, in written order."""
    if component.described is not None:
        return dict(component.described)

    if component not in _FIELDS:
        hints = get_type_hints(component, include_extras=True)
        declared = dataclasses.fields(component)  # type: ignore[arg-type]  # every component is a dataclass
        _FIELDS[component] = {f.name: _field(f, hints[f.name]) for f in declared}
    return _FIELDS[component]


def _field(f: dataclasses.Field[Any], hint: Any) -> FieldSpec:
    required = f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING
    return field_of(f.name, hint, required=required, default=None if required else f.default)


def field_of(name: str, hint: Any, *, required: bool, default: object) -> FieldSpec:
    """Return the field that an annotation describes: numbers, words, text, None, tuples and lists of them, unions."""
    parts = _AnnotationParts()
    parts.collect(hint)
    return FieldSpec(
        name,
        frozenset(parts.kinds),
        tuple(parts.choices),
        parts.range,
        parts.doc,
        required,
        default,
        single=bool(parts.single - {"none"}),
        listed=parts.listed,
        members=dataclass_fields(parts.mapping) if parts.mapping else (),
        make=parts.mapping,
    )


def dataclass_fields(make: type) -> tuple[FieldSpec, ...]:
    """Return the fields that a dataclass declares, whose values a spec writes as a mapping."""
    if make not in _MEMBERS:
        hints = get_type_hints(make, include_extras=True)
        _MEMBERS[make] = tuple(_field(f, hints[f.name]) for f in dataclasses.fields(make))
    return _MEMBERS[make]


def members_of(value: object) -> Mapping[str, object] | None:
    """Return the entries of a field's value that the spec writes as a mapping, but for those at their defaults.

    None for any other value.
    """
    if isinstance(value, Dim) or not dataclasses.is_dataclass(value):
        return None
    entries = {f.name: (getattr(value, f.name), f.default) for f in dataclasses.fields(value)}
    return {name: entry for name, (entry, default) in entries.items() if entry != default}


@dataclass(slots=True)
class _AnnotationParts:
    """What an annotation says about a field, collected from all parts of it."""

    kinds: set[str] = field(default_factory=set)
    choices: list[str] = field(default_factory=list)
    single: set[str] = field(default_factory=set)  # kinds and choices outside of tuples and lists
    range: Range = field(default_factory=Range)
    doc: str = ""
    listed: bool = False
    mapping: type | None = None

    def collect(self, hint: Any, *, in_list: bool = False) -> None:
        """Add what one part of the annotation says."""
        origin = get_origin(hint)
        if origin is Annotated:
            inner, *extras = get_args(hint)
            for extra in extras:
                self.range = extra if isinstance(extra, Range) else self.range
                self.doc = extra if isinstance(extra, str) else self.doc
            self.collect(inner, in_list=in_list)

        elif origin in (Union, UnionType):
            for member in get_args(hint):
                self.collect(member, in_list=in_list)

        elif origin in (tuple, list):
            self.listed = True
            self.collect(get_args(hint)[0], in_list=True)

        elif origin is Literal:
            self.choices.extend(get_args(hint))
            self.single.update(get_args(hint))

        elif dataclasses.is_dataclass(hint) and hint is not Dim:
            self.mapping = cast(type, hint)

        else:
            kind = _KINDS.get(hint) or hint.__name__
            self.kinds.add(kind)
            self.single.update(() if in_list else {kind})
