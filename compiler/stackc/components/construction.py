"""A module before it is built: the class and what it is called with, which can be run, and printed as source."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Generic, ParamSpec, TypeVar, cast

Arguments = ParamSpec("Arguments")
Made = TypeVar("Made")
Made_co = TypeVar("Made_co", covariant=True)


@dataclass(frozen=True)
class ConstructorCall(Generic[Made_co]):
    """A call of a class that has not been made yet; see `construct`."""

    make: Callable[..., Made_co]
    positional: tuple[object, ...]
    named: Mapping[str, object]

    def build(self) -> Made_co:
        """Make the call, after those among its arguments."""
        positional = (_built(value) for value in self.positional)
        return self.make(*positional, **{name: _built(value) for name, value in self.named.items()})


def construct(
    make: Callable[Arguments, Made], /, *positional: Arguments.args, **named: Arguments.kwargs
) -> ConstructorCall[Made]:
    """`construct(nn.Linear, 3, 4)` is `nn.Linear(3, 4)` before the call, and is type-checked like it."""
    return ConstructorCall(make, positional, named)


def nested(construction: ConstructorCall[Made]) -> Made:
    """A construction as an argument of another one, under the type of what it will have become there."""
    return cast(Made, construction)


def _built(value: object) -> object:
    return value.build() if isinstance(value, ConstructorCall) else value
