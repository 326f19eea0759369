"""What a submodule is made of, as data: classes and their arguments, in which numbers may stand for parameters."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

from stackc.components.construction import ConstructorCall
from stackc.torch_backend.layout import Bracketed, Expression, Named
from stackc.torch_backend.names import quoted

EMPTY = inspect.Parameter.empty


@dataclass(frozen=True, slots=True)
class Argument:
    """An argument under the name that the class gives it; `default` is EMPTY where it has none."""

    name: str
    value: Value
    default: object = EMPTY
    by_name: bool = False


@dataclass(frozen=True, slots=True)
class ClassCall:
    """A class that torch.nn, stackc.modules or somebody else has, called with every argument it takes."""

    make: Callable[..., Any]
    arguments: tuple[Argument, ...]


@dataclass(frozen=True, slots=True)
class Instance:
    """A call of the class `name`, which is printed for a block or stack: an argument for each of its parameters."""

    name: str
    parameters: tuple[str, ...]
    arguments: tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Members:
    """The members of a stack in series, an nn.ModuleList."""

    values: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Literal:
    """A number, a text, a tuple, None."""

    value: object


Value: TypeAlias = "ClassCall | Instance | Members | Literal"


@dataclass(frozen=True, slots=True)
class Leaf:
    """A literal in its place: the name of the argument it is, and the parameter that stands for it, if any."""

    name: str
    value: object
    parameter: str | None = None

    @property
    def text(self) -> str:
        """How it is written."""
        return self.parameter or literal(self.value)


def class_call(construction: ConstructorCall[Any]) -> ClassCall:
    """A construction with its arguments under their names, those left out filled in."""
    try:
        bound = inspect.signature(construction.make).bind(*construction.positional, **construction.named)
    except ValueError:  # a class written in C may keep its signature to itself
        positional = [Argument(str(i), _value(value)) for i, value in enumerate(construction.positional)]
        named = [Argument(name, _value(value), by_name=True) for name, value in construction.named.items()]
        return ClassCall(construction.make, (*positional, *named))
    bound.apply_defaults()
    several = any(bound.arguments[p.name] for p in bound.signature.parameters.values() if p.kind is p.VAR_POSITIONAL)
    arguments: list[Argument] = []
    for name, value in bound.arguments.items():
        parameter = bound.signature.parameters[name]
        if parameter.kind is parameter.VAR_POSITIONAL:
            arguments += [Argument(f"{name}{i}", _value(item)) for i, item in enumerate(value)]
        elif parameter.kind is parameter.VAR_KEYWORD:
            arguments += [Argument(key, _value(item), by_name=True) for key, item in value.items()]
        else:
            by_place = parameter.kind is not parameter.KEYWORD_ONLY and (several or parameter.default is EMPTY)
            default = EMPTY if by_place else parameter.default  # what stands before others cannot be left out
            arguments.append(Argument(name, _value(value), default, not by_place))
    return ClassCall(construction.make, tuple(arguments))


def _value(value: object) -> Value:
    return class_call(value) if isinstance(value, ConstructorCall) else Literal(value)


def leaves(value: Value, name: str = "") -> Iterator[Leaf]:
    """Every literal in a value, in a fixed order."""
    match value:
        case Literal():
            yield Leaf(name, value.value)
        case ClassCall():
            for argument in value.arguments:
                yield from leaves(argument.value, argument.name)
        case Instance():
            yield from (Leaf(name, given) for name, given in zip(value.parameters, value.arguments, strict=True))
        case Members():
            for member in value.values:
                yield from leaves(member)


def skeleton(value: Value) -> Hashable:
    """What is left of a value without its literals: equal ones are told apart by their leaves alone."""
    match value:
        case Literal():
            return None
        case ClassCall():
            return value.make, tuple((argument.name, skeleton(argument.value)) for argument in value.arguments)
        case Instance():
            return value.name
        case Members():
            return tuple(skeleton(member) for member in value.values)


def expression(value: Value, given: Iterator[Leaf]) -> Expression:
    """A value as source; `given` has what stands in the place of each of its leaves."""
    match value:
        case Literal():
            return _shown(next(given))
        case ClassCall():
            return Bracketed(called(value.make), tuple(_arguments(value, given)))
        case Instance():
            texts = [next(given).text for _ in value.arguments]
            shown = texts if len(texts) < 3 else [f"{n}={t}" for n, t in zip(value.parameters, texts, strict=True)]
            return Bracketed(value.name, tuple(shown))
        case Members():
            members = [expression(member, given) for member in value.values]
            if len(members) > 1 and len({*map(str, members)}) == 1:
                return Bracketed("nn.ModuleList", (members[0],), each=f" for _ in range({len(members)})")
            return Bracketed("nn.ModuleList", (Bracketed("", tuple(members), ("[", "]")),))


def _arguments(value: ClassCall, given: Iterator[Leaf]) -> Iterator[Expression]:
    """The arguments that have to be written."""
    for argument in value.arguments:
        if isinstance(argument.value, Literal):
            leaf = next(given)
            if leaf.parameter is None and _same(leaf.value, argument.default):
                continue
            shown = _shown(leaf)
        else:
            shown = expression(argument.value, given)
        yield Named(argument.name, shown) if argument.by_name else shown


def _shown(leaf: Leaf) -> Expression:
    if leaf.parameter is None and isinstance(leaf.value, tuple) and len(leaf.value) > 1:
        return Bracketed("", tuple(map(literal, leaf.value)))
    return leaf.text


def called(make: Callable[..., Any]) -> str:
    """A class as it is called in the file: `nn.Linear`, `Attention`, or under the module that somebody has it in."""
    module, name = make.__module__, make.__qualname__
    if module.startswith("torch.nn.modules."):
        return f"nn.{name}"
    return name if module.startswith("stackc.modules.") else f"{module}.{name}"


def literal(value: object) -> str:
    """A literal as one writes it."""
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, tuple):
        return f"({', '.join(map(literal, value))}{',' * (len(value) == 1)})"
    return re.sub(r"e([+-])0", r"e\1", repr(value)) if isinstance(value, float) else repr(value)


def classes_in(value: Value) -> Iterator[Callable[..., Any]]:
    """Every class that a value calls and that is not printed for a block or stack."""
    if isinstance(value, ClassCall):
        yield value.make
        for argument in value.arguments:
            yield from classes_in(argument.value)
    elif isinstance(value, Members):
        for member in value.values:
            yield from classes_in(member)


def _same(value: object, default: object) -> bool:
    return type(value) is type(default) and value == default
