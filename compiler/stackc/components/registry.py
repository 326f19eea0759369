"""The table of components, op → class, which imports a family when one of its ops is asked for.

A class of typed fields takes a third of a millisecond to make, and a spec is made of a few families. So which file has
which op is read off the texts of the files; nobody has to write it down.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, MutableMapping
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import TypeVar, dataclass_transform

from stackc.components.base import Component, Port

_DECLARED = re.compile(r'^@component\(\s*"(\w+)"', re.MULTILINE)


class Registry(MutableMapping[str, "type[Component]"]):
    """Every component by its op: those of this package, and what `@component` has declared elsewhere."""

    def __init__(self) -> None:
        self._made: dict[str, type[Component]] = {}

    @cached_property
    def _modules(self) -> dict[str, str]:
        """The module that declares each op of this package."""
        files = sorted((Path(__file__).parent / "families").glob("*.py"))
        return {
            op: f"stackc.components.families.{file.stem}"
            for file in files
            for op in _DECLARED.findall(file.read_text(encoding="utf-8"))
        }

    def __getitem__(self, op: str) -> type[Component]:
        if op not in self._made and op in self._modules:
            import_module(self._modules[op])
        return self._made[op]

    def __setitem__(self, op: str, component: type[Component]) -> None:
        """ValueError where another class has the op."""
        if op in self._made or self._modules.get(op, component.__module__) != component.__module__:
            raise ValueError(f"two components are called {op}")
        self._made[op] = component

    def __delitem__(self, op: str) -> None:
        del self._made[op]

    def __contains__(self, op: object) -> bool:
        return op in self._modules or op in self._made

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys([*self._modules, *self._made]))

    def __len__(self) -> int:
        return len(self._modules.keys() | self._made.keys())


REGISTRY = Registry()

SPECIAL_OPS = ("stack", "torch")
"""The ops that are no components: sub-models composed, and a module of somebody's own."""

C = TypeVar("C", bound=Component)


@dataclass_transform(frozen_default=True, kw_only_default=True)
def component(op: str, *ports: Port | str, outputs: tuple[str, ...] = ("y",)) -> Callable[[type[C]], type[C]]:
    """Declare a component: its op name and its ports. The class becomes a frozen dataclass of keyword fields."""

    def declare(cls: type[C]) -> type[C]:
        cls = dataclass(frozen=True, kw_only=True)(cls)
        cls.op, cls.outputs = op, outputs
        cls.family = cls.__module__.rpartition(".")[2]
        cls.ports = tuple(Port(p) if isinstance(p, str) else p for p in ports)
        if op in SPECIAL_OPS:
            raise ValueError(f"'{op}' is no name of a component")
        REGISTRY[op] = cls
        return cls

    return declare
