"""Components of installed packages, under the entry point `stackc.components`: its name is the op.

A package is imported when a spec uses one of its ops, or when all components are listed.
"""

from __future__ import annotations

from contextlib import suppress
from functools import cache
from importlib.metadata import EntryPoint, entry_points

from stackc.components.base import Component
from stackc.components.registry import REGISTRY

GROUP = "stackc.components"


class PluginError(Exception):
    """A component of an installed package cannot be loaded; the message says why."""


@cache
def plugins() -> dict[str, EntryPoint]:
    """Return the components of installed packages by op, without those of stackc itself; nothing is imported."""
    return {point.name: point for point in entry_points(group=GROUP) if point.name not in REGISTRY}


def component_named(op: str) -> type[Component] | None:
    """Return the component with this op, or None. Raises PluginError if its package fails to load."""
    if op in REGISTRY:
        return REGISTRY[op]
    return _loaded(plugins()[op]) if op in plugins() else None


def load_plugins() -> None:
    """Register the components of all packages, so that lists have them; `stackc doctor` reports those that fail."""
    for op in plugins():
        with suppress(PluginError):
            component_named(op)


def _loaded(point: EntryPoint) -> type[Component]:
    package = point.dist.name if point.dist else point.module
    what = f"the component '{point.name}' of the package {package}"

    try:
        loaded = point.load()
    except BaseException as error:  # code of another package, which may raise anything
        REGISTRY.discard_unloaded()
        if not isinstance(error, Exception):  # an interrupt
            raise
        raise PluginError(f"{what} cannot be loaded: {type(error).__name__}: {error}") from error

    if REGISTRY.get(point.name) is not loaded:
        raise PluginError(f'{what} is invalid: {point.value} must be a class under @component("{point.name}", …)')
    return REGISTRY[point.name]
