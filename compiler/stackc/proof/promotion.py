"""float64 for code that names float32: `x.float()`, a table without a dtype, `torch.zeros(3, dtype=torch.float32)`.

stackc's own components name no precision, so a module in float64 computes in float64 throughout. Custom code may name
one; in this mode it gets float64 whenever it asks for float32.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from stackc.core.torch_internals import tree_map
from stackc.proof.eager_mode import EagerMode


@contextmanager
def promoted() -> Iterator[None]:
    """Replace float32 by float64: as the default dtype, in the arguments of operators, and in their results."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        with _Promotion():
            yield
    finally:
        torch.set_default_dtype(before)


class _Promotion(EagerMode):
    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Run the operator in float64 if it would run in float32."""
        args, kwargs = tree_map(_promoted, (args, dict(kwargs or {})))
        return tree_map(_promoted, func(*args, **kwargs))


def _promoted(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value.to(torch.float64) if value.dtype == torch.float32 else value
    return torch.float64 if value is torch.float32 else value
