"""What a node can be: one family of components a file. `REGISTRY` has all of them, op name → class."""

from stackc.components.base import REGISTRY

__all__ = ["REGISTRY"]
