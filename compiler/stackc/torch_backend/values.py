"""The construction of a submodule as data: classes and their arguments, whose literals may become parameters."""

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
    """An argument under its name in the class; `default` is EMPTY if it has none."""

    name: str
    value: Value
    default: object = EMPTY
    by_name: bool = False


@dataclass(frozen=True, slots=True)
class ClassCall:
    """A call of an existing class (of torch.nn, stackc.modules or user code), with every argument it takes."""

    make: Callable[..., Any]
    arguments: tuple[Argument, ...]


@dataclass(frozen=True, slots=True)
class Instance:
    """A call of the class `name` that is printed for a block or stack, with an argument for each parameter."""

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
    """A literal with the name of its argument, and the parameter that replaces it, or None."""

    name: str
    value: object
    parameter: str | None = None

    @property
    def text(self) -> str:
        """The source text."""
        return self.parameter or literal(self.value)


def class_call(construction: ConstructorCall[Any]) -> ClassCall:
    """Return a constructor call with its arguments by name and omitted ones filled in."""
    try:
        bound = inspect.signature(construction.make).bind(*construction.positional, **construction.named)
    except ValueError:  # a class written in C may keep its signature to itself
        positional = [Argument(str(i), _value(value)) for i, value in enumerate(construction.positional)]
        named = [Argument(name, _value(value), by_name=True) for name, value in construction.named.items()]
        return ClassCall(construction.make, (*positional, *named))

    # An argument before variadic ones can only be passed by position.
    bound.apply_defaults()
    parameters = bound.signature.parameters
    has_variadic = any(bound.arguments[p.name] for p in parameters.values() if p.kind is p.VAR_POSITIONAL)

    arguments: list[Argument] = []
    for name, value in bound.arguments.items():
        parameter = parameters[name]
        if parameter.kind is parameter.VAR_POSITIONAL:
            arguments += [Argument(f"{name}{i}", _value(item)) for i, item in enumerate(value)]
        elif parameter.kind is parameter.VAR_KEYWORD:
            arguments += [Argument(key, _value(item), by_name=True) for key, item in value.items()]
        else:
            by_position = parameter.kind is not parameter.KEYWORD_ONLY and (has_variadic or parameter.default is EMPTY)
            default = EMPTY if by_position else parameter.default  # a positional argument cannot be left out
            arguments.append(Argument(name, _value(value), default, not by_position))
    return ClassCall(construction.make, tuple(arguments))


def _value(value: object) -> Value:
    return class_call(value) if isinstance(value, ConstructorCall) else Literal(value)


def leaves(value: Value, name: str = "") -> Iterator[Leaf]:
    """Yield every literal in a value, in a fixed order."""
    match value:
        case Literal():
            yield Leaf(name, value.value)
        case ClassCall():
            for argument in value.arguments:
                yield from leaves(argument.value, argument.name)
        case Instance():
            yield from (Leaf(name, argument) for name, argument in zip(value.parameters, value.arguments, strict=True))
        case Members():
            for member in value.values:
                yield from leaves(member)


def skeleton(value: Value) -> Hashable:
    """Return a value without its literals: values with equal skeletons differ only in their leaves."""
    match value:
        case Literal():
            return None
        case ClassCall():
            return value.make, tuple((argument.name, skeleton(argument.value)) for argument in value.arguments)
        case Instance():
            return value.name
        case Members():
            return tuple(skeleton(member) for member in value.values)


def expression(value: Value, literals: Iterator[Leaf]) -> Expression:
    """Return a value as source; `literals` has a leaf for each of its own, in order."""
    match value:
        case Literal():
            return _leaf_source(next(literals))
        case ClassCall():
            return Bracketed(called(value.make), tuple(_arguments(value, literals)))
        case Instance():
            texts = [next(literals).text for _ in value.arguments]
            if len(texts) > 2:  # too many to read without names
                texts = [f"{name}={text}" for name, text in zip(value.parameters, texts, strict=True)]
            return Bracketed(value.name, tuple(texts))
        case Members():
            members = [expression(member, literals) for member in value.values]
            if len(members) > 1 and len({*map(str, members)}) == 1:
                return Bracketed("nn.ModuleList", (members[0],), each=f" for _ in range({len(members)})")
            return Bracketed("nn.ModuleList", (Bracketed("", tuple(members), ("[", "]")),))


def _arguments(value: ClassCall, literals: Iterator[Leaf]) -> Iterator[Expression]:
    """Yield the arguments that must be written: all but literals equal to their defaults."""
    for argument in value.arguments:
        if isinstance(argument.value, Literal):
            leaf = next(literals)
            if leaf.parameter is None and _same(leaf.value, argument.default):
                continue
            source = _leaf_source(leaf)
        else:
            source = expression(argument.value, literals)
        yield Named(argument.name, source) if argument.by_name else source


def _leaf_source(leaf: Leaf) -> Expression:
    if leaf.parameter is None and isinstance(leaf.value, tuple) and len(leaf.value) > 1:
        return Bracketed("", tuple(map(literal, leaf.value)))
    return leaf.text


def called(make: Callable[..., Any]) -> str:
    """Return a class as the file calls it: `nn.Linear`, `Attention`, or with the module that a user defines it in."""
    module, name = make.__module__, make.__qualname__
    if module.startswith("torch.nn.modules."):
        return f"nn.{name}"
    is_printed = module.startswith("stackc.modules.") or hasattr(make, "written_source")
    return name if is_printed else f"{module}.{name}"


def literal(value: object) -> str:
    """Return a literal as source."""
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, tuple):
        return f"({', '.join(map(literal, value))}{',' * (len(value) == 1)})"
    return re.sub(r"e([+-])0", r"e\1", repr(value)) if isinstance(value, float) else repr(value)


def classes_in(value: Value) -> Iterator[Callable[..., Any]]:
    """Yield every existing class that a value calls: those that are not printed for a block or stack."""
    if isinstance(value, ClassCall):
        yield value.make
        for argument in value.arguments:
            yield from classes_in(argument.value)
    elif isinstance(value, Members):
        for member in value.values:
            yield from classes_in(member)


def _same(value: object, default: object) -> bool:
    return type(value) is type(default) and value == default
