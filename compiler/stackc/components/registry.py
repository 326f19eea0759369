"""The table of components, op → class; it imports a family when one of its ops is looked up.

Creating a class with typed fields takes a third of a millisecond, and a spec needs few families. So the registry reads
off the text of the family files which of them declares which op, and no list has to be maintained.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator, MutableMapping
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import TypeVar, dataclass_transform

from stackc.components.base import Component, Port

_DECLARED = re.compile(r'^@component\(\s*"(\w+)"', re.MULTILINE)


class Registry(MutableMapping[str, "type[Component]"]):
    """Every component by its op: those of this package, and those that `@component` has declared elsewhere."""

    def __init__(self) -> None:
        self._classes: dict[str, type[Component]] = {}

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
        if op in self._modules:
            import_module(self._modules[op])  # again if an import was interrupted, which may have left some classes
        return self._classes[op]

    def __setitem__(self, op: str, component: type[Component]) -> None:
        """Add a component. Raises ValueError if another class has the op.

        A class of the same name and module is no other: its module is imported anew, after an interrupted import.
        """
        earlier = self._classes.get(op, component)
        is_other = (earlier.__module__, earlier.__qualname__) != (component.__module__, component.__qualname__)
        if is_other or self._modules.get(op, component.__module__) != component.__module__:
            raise ValueError(f"two components have the op '{op}'")
        self._classes[op] = component

    def __delitem__(self, op: str) -> None:
        del self._classes[op]

    def discard_unloaded(self) -> None:
        """Drop the classes of modules that are not loaded: their import failed after they were declared."""
        self._classes = {op: cls for op, cls in self._classes.items() if cls.__module__ in sys.modules}

    def __contains__(self, op: object) -> bool:
        return op in self._modules or op in self._classes

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys([*self._modules, *self._classes]))

    def __len__(self) -> int:
        return len(self._modules.keys() | self._classes.keys())


REGISTRY = Registry()

SPECIAL_OPS = ("stack", "scan", "torch")
"""Ops that are not components: a stack of sub-models, a block along an axis, and a custom module."""

C = TypeVar("C", bound=Component)


@dataclass_transform(frozen_default=True, kw_only_default=True)
def component(op: str, *ports: Port | str, outputs: tuple[str, ...] = ("y",)) -> Callable[[type[C]], type[C]]:
    """Declare a component: its op, ports and outputs. The class becomes a frozen dataclass with keyword fields."""

    def declare(cls: type[C]) -> type[C]:
        cls = dataclass(frozen=True, kw_only=True)(cls)
        cls.op, cls.outputs = op, outputs
        cls.family = cls.__module__.rpartition(".")[2]
        cls.ports = tuple(Port(p) if isinstance(p, str) else p for p in ports)

        if op in SPECIAL_OPS:
            raise ValueError(f"a component cannot have the op '{op}'")
        REGISTRY[op] = cls
        return cls

    return declare
