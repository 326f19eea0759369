"""Components that installed packages offer, under the entry point `stackc.components`: its name is the op.

A package is imported when a spec names an op of its own, or when all of them are listed.
"""

from __future__ import annotations

from contextlib import suppress
from functools import cache
from importlib.metadata import EntryPoint, entry_points

from stackc.components.base import Component
from stackc.components.registry import REGISTRY

GROUP = "stackc.components"


class PluginError(Exception):
    """A component that a package offers and that cannot be had, and why, in words."""


@cache
def plugins() -> dict[str, EntryPoint]:
    """What installed packages offer beside the components that are here, by op; nothing is imported."""
    return {point.name: point for point in entry_points(group=GROUP) if point.name not in REGISTRY}


def component_named(op: str) -> type[Component] | None:
    """The component of that name, None where there is none. PluginError where a package offers it in vain."""
    if op in REGISTRY:
        return REGISTRY[op]
    return _loaded(plugins()[op]) if op in plugins() else None


def load_plugins() -> None:
    """Register all that is offered, so that it stands in lists; what cannot be had `stackc doctor` tells."""
    for op in plugins():
        with suppress(PluginError):
            component_named(op)


def _loaded(point: EntryPoint) -> type[Component]:
    package = point.dist.name if point.dist else point.module
    what = f"the component '{point.name}' of the package {package}"
    try:
        found = point.load()
    except Exception as error:  # the code of somebody else, which may raise anything
        raise PluginError(f"{what} cannot be loaded: {type(error).__name__}: {error}") from error
    if REGISTRY.get(point.name) is not found:
        raise PluginError(f'{what} is none: {point.value} has to be a class under @component("{point.name}", …)')
    return REGISTRY[point.name]
