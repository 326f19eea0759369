"""Custom modules: any torch.nn.Module class that a spec names, as a component.

What other components declare is derived: the fields are the arguments of the constructor, the ports those of
`forward`, and the signature comes from running PyTorch on inputs with symbolic sizes (symbolic.py).
"""

from __future__ import annotations

import inspect
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self, Union, get_args, get_origin

from stackc.components.base import Component, Port, Signature, SignatureError
from stackc.components.construction import ConstructorCall, construct
from stackc.components.custom.trusted_imports import NOTHING_TRUSTED, TrustedImports
from stackc.components.fields import FieldSpec, field_of
from stackc.components.registry import REGISTRY
from stackc.core.types import TensorType

if TYPE_CHECKING:
    from torch import nn


class Unfit(Exception):
    """A class cannot be a component; the message says why, `hint` how to fix it, if that is known."""

    def __init__(self, message: str, hint: str | None = None, code: str = "N317") -> None:
        super().__init__(message)
        self.hint = hint
        self.code = code


@dataclass(frozen=True, kw_only=True)
class CustomModule(Component):
    """y = f(x), f a user's own torch.nn.Module.

    `custom_module` makes one subclass for each class of such modules.
    """

    make: ClassVar[type[nn.Module]]
    imports: ClassVar[TrustedImports]
    arguments: tuple[tuple[str, object], ...] = ()

    mixes = ("is code of its own, which does not say how it acts along an axis", None)

    @classmethod
    def of_fields(cls, values: Mapping[str, object]) -> Self:
        """Return the module with these constructor arguments, in the order of the constructor."""
        assert cls.described is not None, "custom_module describes its arguments"
        return cls(arguments=tuple((name, values[name]) for name in cls.described if name in values))

    def values(self) -> Mapping[str, object]:
        """Return the constructor arguments by name."""
        return dict(self.arguments)

    def signature(self, *inputs: TensorType | None) -> Signature:
        """Return the signature that PyTorch computes.

        Raises SignatureError: T210 if the module cannot be constructed or run, T211 if its output sizes are unknown.
        """
        return _signature(self, inputs)

    def construction(self, *inputs: TensorType | None) -> ConstructorCall[nn.Module]:
        """Return the class, called with the arguments."""
        return construct(self.make, **dict(self.arguments))


@lru_cache(maxsize=10_000)
def _signature(module: CustomModule, inputs: tuple[TensorType | None, ...]) -> Signature:
    from stackc.components.custom.symbolic import traced

    try:
        with module.imports:
            return traced(lambda: module.construction().build(), inputs, module.outputs)
    except SignatureError as error:
        if error.hint is None or error.code == "T211":
            error.hint = same_component(module.make) or error.hint
        raise


def same_component(make: type[nn.Module]) -> str | None:
    """Return a hint at the component that has the name of a class of torch.nn, such as lstm for LSTM."""
    ops = (op for op in REGISTRY if op.replace("_", "") == make.__name__.lower())
    op = next(ops, None) if make.__module__.startswith("torch.nn.") else None
    if op is None:
        return None
    return f"the component `{op}` computes the same at any size: write `op: {op}`"


_CLASSES: dict[tuple[type[nn.Module], str, tuple[str, ...], TrustedImports], type[CustomModule]] = {}


def custom_module(
    make: type[nn.Module], name: str, outputs: tuple[str, ...], imports: TrustedImports = NOTHING_TRUSTED
) -> type[CustomModule]:
    """Return the component class for modules of the class `make`, which the spec calls `name`.

    `imports` are open while its code runs for the first time. Equal arguments give the same class, since components are
    equal only if their classes are. Raises Unfit if the class cannot be a component.
    """
    key = make, name, outputs, imports
    if key not in _CLASSES:
        ports, fields = tuple(_ports(make, name)), {field.name: field for field in _fields(make, name)}
        attributes = {
            "op": name,
            "family": "own",
            "ports": ports,
            "outputs": outputs,
            "described": fields,
            "make": make,
            "imports": imports,
        }
        documentation = {"__doc__": inspect.getdoc(make), "__module__": __name__}
        _CLASSES[key] = type(make.__name__, (CustomModule,), attributes | documentation)

    return _CLASSES[key]


def _ports(make: type[nn.Module], name: str) -> Iterator[Port]:
    """Yield a port for each argument of `forward` that takes a tensor: one without a default, or with the default None.

    An argument with another default is a setting; it and all after it keep their defaults. Raises Unfit.
    """
    _self, *parameters = inspect.signature(make.forward).parameters.values()
    count = 0

    for parameter in parameters:
        if parameter.kind is parameter.KEYWORD_ONLY and parameter.default is parameter.empty:
            raise Unfit(f"the forward of {name} takes '{parameter.name}' by keyword only, but arrows are positional")
        if parameter.kind in (parameter.KEYWORD_ONLY, parameter.VAR_KEYWORD):
            continue
        if parameter.default is not None and parameter.default is not parameter.empty:
            break

        count += 1
        optional = parameter.default is None
        yield Port(parameter.name, optional=optional, variadic=parameter.kind is parameter.VAR_POSITIONAL)

    if not count:
        raise Unfit(f"the forward of {name} takes no tensors")


def _fields(make: type[nn.Module], name: str) -> Iterator[FieldSpec]:
    """Yield a field for each argument of the constructor that can be passed by name. Raises Unfit."""
    try:
        hints = typing.get_type_hints(make.__init__)
    except (NameError, TypeError, AttributeError):  # names that are defined for type checkers only
        hints = {}

    for parameter in _constructor(make).parameters.values():
        if parameter.kind is parameter.VAR_KEYWORD:
            continue

        required = parameter.default is parameter.empty
        if parameter.kind in (parameter.POSITIONAL_ONLY, parameter.VAR_POSITIONAL):
            if required and parameter.kind is parameter.POSITIONAL_ONLY:
                raise Unfit(f"the constructor of {name} takes '{parameter.name}' by position only")
            continue

        hint = hints.get(parameter.name)
        if required and isinstance(hint, type) and hint not in (*_SCALARS, *_WRITABLE):
            message = f"the constructor of {name} takes '{parameter.name}', a {hint.__name__}, which no spec can write"
            wrapper = "a torch.nn.Module of your own that makes it and calls the class: see `stackc help language`"
            raise Unfit(message, f"name instead {wrapper}, custom modules")
        if not _is_plain(hint):
            hint = _ANYTHING if required else _type_of_default(parameter.default)
        yield field_of(parameter.name, hint, required=required, default=None if required else parameter.default)


def _constructor(make: type[nn.Module]) -> inspect.Signature:
    """Return the signature of the constructor: of its overloads, as nn.LSTM has them, the first with names."""
    signature = inspect.signature(make)
    unnamed = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    if any(parameter.kind not in unnamed for parameter in signature.parameters.values()):
        return signature

    for overload in typing.get_overloads(make.__init__):
        _self, *parameters = inspect.signature(overload).parameters.values()
        if any(parameter.kind not in unnamed for parameter in parameters):
            return inspect.Signature(parameters)
    return signature


_ANYTHING = int | float | bool | str | None | tuple[float | str, ...]
_SCALARS = (int, float, bool, str)
_WRITABLE = (list, tuple, object, NoneType)


def _is_plain(hint: Any) -> bool:
    """Return whether a spec can write every value of an annotation: numbers, choices, text, None, and lists of them."""
    origin = get_origin(hint)
    if origin in (Union, UnionType, tuple, list):
        return all(_is_plain(part) for part in get_args(hint) if part is not Ellipsis) and bool(get_args(hint))
    if origin is Literal:
        return all(isinstance(word, str) for word in get_args(hint))
    return hint is NoneType or hint in _SCALARS


def _type_of_default(default: object) -> Any:
    """Return an annotation for an argument without a usable one; a default of 1 admits all numbers."""
    if isinstance(default, (bool, str)):
        return type(default)
    return float | int if isinstance(default, (int, float)) else _ANYTHING
