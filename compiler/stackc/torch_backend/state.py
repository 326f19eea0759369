"""The state of a module as arrays."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import nn


def state_arrays(module: nn.Module) -> Mapping[str, NDArray[Any]]:
    """Return every parameter and buffer by its name in the state_dict."""
    return {name: tensor.detach().numpy() for name, tensor in module.state_dict().items()}
