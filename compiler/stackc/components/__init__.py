"""What a node can be: one family of components a file. Importing this package fills `REGISTRY`, op name → class."""

from stackc.components import activation, attention, embedding, linear, merge, norm, pool
from stackc.components.base import REGISTRY

__all__ = ["REGISTRY", "activation", "attention", "embedding", "linear", "merge", "norm", "pool"]
