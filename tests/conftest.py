"""What all tests share: a cache of compiled components of their own, verified stages, refusals."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from functools import wraps
from typing import TYPE_CHECKING, Any

import pytest

from stackc import frontend
from stackc.components.base import Component, SignatureError
from stackc.core.types import TensorType
from stackc.ir.graph_rules import regions_of
from stackc.ir.model import Graph
from stackc.ir.program import Program
from stackc.ir.typed import TypedGraph
from stackc.ir.verifier import verify_graph, verify_program, verify_typed

if TYPE_CHECKING:
    from playwright.sync_api import Browser

MOST_VERIFIED = 1000
"""Nodes or calls of a value that is verified between stages: beyond it tests would take noticeably longer."""


@pytest.fixture(scope="session", autouse=True)
def _cache_of_the_tests(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Empty at the start of a run; a component's object is the same in any company (tests/export/test_compile.py).

    The processes of pytest-xdist share it: each has a temporary folder of its own within that of the run.
    """
    folder = tmp_path_factory.getbasetemp()
    run = folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STACKC_CACHE", str(run / "stackc-cache"))
        yield


@pytest.fixture(autouse=True)
def _state_of_pytorch() -> Iterator[None]:
    """What PyTorch has for the whole process is after each test as before it, for tests that follow as for users."""
    before = _process_state()
    yield
    if before is not None:
        assert _process_state() == before


def _process_state() -> dict[str, object] | None:
    """Threads, modes and default types of PyTorch; None where nothing has imported it."""
    if "torch" not in sys.modules:
        return None
    import torch

    return {
        "threads": torch.get_num_threads(),
        "gradients": torch.is_grad_enabled(),
        "dtype": torch.get_default_dtype(),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
    }


@pytest.fixture(scope="session", autouse=True)
def _verified_stages() -> Iterator[None]:
    """Every test that checks a spec verifies what each stage of the frontend returns."""
    with pytest.MonkeyPatch.context() as patch:
        for stage, verify in (("resolve", verify_graph), ("infer_types", verify_typed), ("flatten", verify_program)):
            patch.setattr(frontend, stage, _verifying(getattr(frontend, stage), verify))
        yield


def _verifying(stage: Callable[..., Any], verify: Callable[[Any], None]) -> Callable[..., Any]:
    @wraps(stage)
    def verified(*arguments: Any, **keywords: Any) -> Any:
        value = stage(*arguments, **keywords)
        if _size(value) <= MOST_VERIFIED:
            verify(value)
        return value

    return verified


def _size(value: Graph | TypedGraph | Program) -> int:
    """Return how many nodes or calls a value has; nodes of a shared region count once."""
    if isinstance(value, Program):
        return len(value.calls)
    graph = value.graph if isinstance(value, TypedGraph) else value
    return sum(len(region.nodes) for region in regions_of(graph.root))


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
