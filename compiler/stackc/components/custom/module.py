"""Modules of somebody's own: any torch.nn.Module class, named by a spec, as a component.

What other components say of themselves is found out: the fields are the arguments of the constructor, the ports those
of `forward`, and the signature is what PyTorch makes of inputs whose sizes are symbols (symbolic.py).
"""

from __future__ import annotations

import inspect
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self, Union, get_args, get_origin

from stackc.components.base import Component, Port, Signature
from stackc.components.construction import ConstructorCall, construct
from stackc.components.fields import FieldSpec, field_of
from stackc.core.types import TensorType

if TYPE_CHECKING:
    from torch import nn


class Unfit(Exception):
    """A class that cannot be a component, and why, in words, with the mend where there is one."""

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint


@dataclass(frozen=True, kw_only=True)
class CustomModule(Component):
    """y = f(x), f a torch.nn.Module of somebody's own.

    There is a class of these for every class of such modules; see `custom_module`.
    """

    make: ClassVar[type[nn.Module]]
    arguments: tuple[tuple[str, object], ...] = ()

    @classmethod
    def of_fields(cls, values: Mapping[str, object]) -> Self:
        """The module constructed with these arguments, in the order of the constructor."""
        assert cls.described is not None, "custom_module describes its arguments"
        return cls(arguments=tuple((name, values[name]) for name in cls.described if name in values))

    def values(self) -> Mapping[str, object]:
        """The arguments that are given."""
        return dict(self.arguments)

    def signature(self, *inputs: TensorType | None) -> Signature:
        """What PyTorch finds. Misfit T210 where the module cannot be made or run, T211 where sizes cannot be told."""
        return _signature(self, inputs)

    def construction(self, *inputs: TensorType | None) -> ConstructorCall[nn.Module]:
        """The class, called with the arguments."""
        return construct(self.make, **dict(self.arguments))


@lru_cache(maxsize=10_000)
def _signature(module: CustomModule, inputs: tuple[TensorType | None, ...]) -> Signature:
    from stackc.components.custom.symbolic import traced

    return traced(lambda: module.construction().build(), inputs, module.outputs)


_CLASSES: dict[tuple[type[nn.Module], str, tuple[str, ...]], type[CustomModule]] = {}


def custom_module(make: type[nn.Module], name: str, outputs: tuple[str, ...]) -> type[CustomModule]:
    """The component whose module is of the class `make`, which the spec calls `name`. Unfit where none can be.

    The same class for the same arguments: components are equal where their classes are.
    """
    if (made := _CLASSES.get((make, name, outputs))) is None:
        ports, fields = tuple(_ports(make, name)), {field.name: field for field in _fields(make, name)}
        own = {"op": name, "family": "own", "ports": ports, "outputs": outputs, "described": fields, "make": make}
        made = type(make.__name__, (CustomModule,), {**own, "__doc__": inspect.getdoc(make), "__module__": __name__})
        _CLASSES[make, name, outputs] = made
    return made


def _ports(make: type[nn.Module], name: str) -> Iterator[Port]:
    """The arguments of `forward` that take tensors: those without a default, and those that may be None.

    An argument with another default is a setting; it and what follows it are left at their defaults.
    """
    _self, *parameters = inspect.signature(make.forward).parameters.values()
    found = False
    for parameter in parameters:
        if parameter.kind is parameter.KEYWORD_ONLY and parameter.default is parameter.empty:
            raise Unfit(f"the forward of {name} has to be given '{parameter.name}' by name, which no arrow can")
        if parameter.kind in (parameter.KEYWORD_ONLY, parameter.VAR_KEYWORD):
            continue
        if parameter.default is not None and parameter.default is not parameter.empty:
            break
        found = True
        optional = parameter.default is None
        yield Port(parameter.name, optional=optional, variadic=parameter.kind is parameter.VAR_POSITIONAL)
    if not found:
        raise Unfit(f"the forward of {name} takes no tensors")


def _fields(make: type[nn.Module], name: str) -> Iterator[FieldSpec]:
    """The arguments of the constructor."""
    try:
        hints = typing.get_type_hints(make.__init__)
    except (NameError, TypeError, AttributeError):  # names that only a type checker knows
        hints = {}
    for parameter in inspect.signature(make).parameters.values():
        if parameter.kind is parameter.VAR_KEYWORD:
            continue
        required = parameter.default is parameter.empty
        if parameter.kind in (parameter.POSITIONAL_ONLY, parameter.VAR_POSITIONAL):
            if required and parameter.kind is parameter.POSITIONAL_ONLY:
                raise Unfit(f"the constructor of {name} takes '{parameter.name}' by its place alone")
            continue
        hint = hints.get(parameter.name)
        if not _is_plain(hint):
            hint = _ANYTHING if required else _like(parameter.default)
        yield field_of(parameter.name, hint, required=required, default=None if required else parameter.default)


_ANYTHING = int | float | bool | str | None | tuple[float | str, ...]
_SCALARS = (int, float, bool, str)


def _is_plain(hint: Any) -> bool:
    """Whether an annotation says what a spec may write: numbers, words, texts, None, lists of them."""
    origin = get_origin(hint)
    if origin in (Union, UnionType, tuple, list):
        return all(_is_plain(part) for part in get_args(hint) if part is not Ellipsis) and bool(get_args(hint))
    if origin is Literal:
        return all(isinstance(word, str) for word in get_args(hint))
    return hint is NoneType or hint in _SCALARS


def _like(default: object) -> Any:
    """An annotation for an argument that has none, by its default; a whole number may be any."""
    if isinstance(default, (bool, str)):
        return type(default)
    return float | int if isinstance(default, (int, float)) else _ANYTHING
