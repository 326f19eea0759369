"""What all tests share: a cache of compiled components of their own, never that of whoever runs them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest


@pytest.fixture(scope="session", autouse=True)
def _cache_of_the_tests(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Empty at the start of a run; a component's object is the same in any company (tests/export/test_compile.py)."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STACKC_CACHE", str(tmp_path_factory.mktemp("stackc-cache")))
        yield
