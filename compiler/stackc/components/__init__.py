"""What a node can be: one family of components a file. Importing this package fills `REGISTRY`, op name → class."""

from stackc.components import (
    activation,
    attention,
    conv,
    elementwise,
    embedding,
    image,
    layout,
    linear,
    merge,
    norm,
    padding,
    pool,
    product,
    recurrent,
)
from stackc.components.base import REGISTRY

__all__ = [
    "REGISTRY",
    "activation",
    "attention",
    "conv",
    "elementwise",
    "embedding",
    "image",
    "layout",
    "linear",
    "merge",
    "norm",
    "padding",
    "pool",
    "product",
    "recurrent",
]
