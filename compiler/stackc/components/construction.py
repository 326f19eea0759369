"""A module before it is constructed: a class and its arguments, to be called or printed as source."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, ParamSpec, TypeVar, cast

from stackc.components.deprecated import moved_names

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")
Result_co = TypeVar("Result_co", covariant=True)


@dataclass(frozen=True)
class ConstructorCall(Generic[Result_co]):
    """A call of a class that has not been made yet; see `construct`."""

    make: Callable[..., Result_co]
    positional: tuple[object, ...]
    named: Mapping[str, object]

    def build(self) -> Result_co:
        """Make the call, and before it the calls among its arguments."""
        positional = (_built(value) for value in self.positional)
        return self.make(*positional, **{name: _built(value) for name, value in self.named.items()})


def construct(
    make: Callable[Arguments, Result], /, *positional: Arguments.args, **named: Arguments.kwargs
) -> ConstructorCall[Result]:
    """Return the call `make(*positional, **named)` without making it; it is type-checked like the call itself."""
    return ConstructorCall(make, positional, named)


def nested(call: ConstructorCall[Result]) -> Result:
    """Return a call for use as an argument of another one, typed as the object that it will construct."""
    return cast(Result, call)


def _built(value: object) -> object:
    return value.build() if isinstance(value, ConstructorCall) else value


if not TYPE_CHECKING:
    __getattr__ = moved_names(__name__, Construction="stackc.components.construction.ConstructorCall")
