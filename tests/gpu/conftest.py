"""GPU tests run where the CUDA provider opens; elsewhere they are skipped, and say why."""

import pytest

from stackc.runtime.providers import unavailable


@pytest.fixture(scope="session", autouse=True)
def _cuda() -> None:
    if problem := unavailable("cuda"):
        pytest.skip(f"no NVIDIA GPU here: {problem.message}")
