"""What all tests share: a cache of compiled components of their own, never that of whoever runs them; refusals."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from stackc.components.base import Component, SignatureError
from stackc.core.types import TensorType


@pytest.fixture(scope="session", autouse=True)
def _cache_of_the_tests(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Empty at the start of a run; a component's object is the same in any company (tests/export/test_compile.py)."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STACKC_CACHE", str(tmp_path_factory.mktemp("stackc-cache")))
        yield


@pytest.fixture
def refused() -> Callable[..., SignatureError]:
    """Runs a signature that has to be refused and returns the SignatureError."""

    def refuse(component: Component, *inputs: TensorType | None) -> SignatureError:
        with pytest.raises(SignatureError) as caught:
            component.signature(*inputs)
        return caught.value

    return refuse
