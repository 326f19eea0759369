"""The methods of copied classes: those that something copied calls, and no others."""

from __future__ import annotations

import pytest
import torch

from stackc.modules.same_pool import SameAvgPool, SameMaxPool
from stackc.torch_backend.support import support_of


@pytest.mark.parametrize("pool", [SameMaxPool, SameAvgPool])
def test_a_base_keeps_the_methods_that_only_its_subclasses_call(pool: type[SameMaxPool | SameAvgPool]) -> None:
    """`padded` of `SamePool`, which calls it nowhere; without what an export alone needs."""
    support = support_of([pool])
    assert "def padded" in support.sources["SamePool"]
    assert not [name for name, source in support.sources.items() if "export_forward" in source or "auto_pad" in source]

    imports = (f"from {module} import {name} as {bound}" if name else f"import {module}"
               for bound, (module, name, _) in support.imports.items())  # fmt: skip
    namespace: dict[str, type[SameMaxPool | SameAvgPool]] = {}
    exec("\n".join(["from __future__ import annotations", *imports, *support.sources.values()]), namespace)
    y = namespace[pool.__name__]((2,), (2,))(torch.tensor([[[1.0, 3.0, -2.0]]]))
    assert y.tolist() == [[[3.0, -2.0] if pool is SameMaxPool else [2.0, -1.0]]]
