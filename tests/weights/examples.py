"""A small spec, tensors for it, and the messages of what is refused."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

from stackc.core.diagnostics import SpecError

HEAD = "stackc: 1\ninputs: {x: {shape: [batch, 3]}}\n"
LINEAR = "graph: x --> y[linear]\nnodes: {y: {out: 2}}\n"
WEIGHT = np.arange(6, dtype=np.float32).reshape(2, 3)
TENSORS: Mapping[str, Any] = {"y.weight": WEIGHT, "y.bias": np.ones(2, np.float32)}


def refused(run: Callable[[], object]) -> list[str]:
    with pytest.raises(SpecError) as caught:
        run()
    return [f"{d.code} {d.message} | {d.hint}" for d in caught.value.diagnostics]
