"""float64 for code that names float32: `x.float()`, a table without a dtype, `torch.zeros(3, dtype=torch.float32)`.

stackc's own components name no precision, so that a module in float64 calculates in float64 all through. The code of
somebody else may; under this mode whatever it asks for in float32 it gets in float64.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from stackc.core.torch_internals import TorchDispatchMode, tree_map


@contextmanager
def promoted() -> Iterator[None]:
    """Inside, float32 is float64: the type of numbers without one, what operators are asked for, and what they take."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        with _Promotion():
            yield
    finally:
        torch.set_default_dtype(before)


class _Promotion(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # it has no annotations

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """The operator, in float64 where it would be in float32."""
        args, kwargs = tree_map(_promoted, (args, dict(kwargs or {})))
        return tree_map(_promoted, func(*args, **kwargs))


def _promoted(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value.to(torch.float64) if value.dtype == torch.float32 else value
    return torch.float64 if value is torch.float32 else value
