"""What all tests share: a cache of compiled components of their own, never that of whoever runs them; refusals."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest

from stackc.components.base import Component, SignatureError
from stackc.core.types import TensorType

if TYPE_CHECKING:
    from playwright.sync_api import Browser


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


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Headless Chromium; where there is none: skipped, saying so, but failed in CI."""
    from playwright.sync_api import sync_playwright

    path = shutil.which("chromium") or shutil.which("google-chrome")
    if path is None:
        message = "no Chromium here to open the page in; on Debian: apt-get install chromium"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(message)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()
