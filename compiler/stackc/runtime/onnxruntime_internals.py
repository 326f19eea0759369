"""onnxruntime, imported on first use, and those of its APIs that are not documented: nothing else may use them.

error_types            the exceptions of the compiled module
registered_kernels     the operators that a provider has a kernel for
create_session         `enable_fallback`, without which a session falls back to the CPU
provider_library       where the package keeps the shared library of a provider
"""

from __future__ import annotations

import re
import sys
from functools import cache
from pathlib import Path
from typing import Any


def onnxruntime() -> Any:
    """Import onnxruntime, with its log muted: errors are raised as exceptions, or are returned by `unavailable`."""
    import onnxruntime as ort

    ort.set_default_logger_severity(4)
    return ort


@cache
def error_types() -> tuple[type[Exception], ...]:
    """Return the exceptions that ONNX Runtime raises; its own have no common base class."""
    state = onnxruntime().capi.onnxruntime_pybind11_state
    own = [c for c in vars(state).values() if isinstance(c, type) and issubclass(c, Exception)]
    return (*own, RuntimeError, ValueError)


def error_cause(error: Exception) -> str:
    """Return the text of ONNX Runtime's exception in one line, without its numbering."""
    return " ".join(re.sub(r"^\[ONNXRuntimeError\] : \d+ : \w+ : ", "", str(error)).split())


@cache
def registered_kernels(execution_provider: str) -> frozenset[tuple[str, str]] | None:
    """Return (domain, operator) for all kernels of a provider; None if this ONNX Runtime cannot list them."""
    state = onnxruntime().capi.onnxruntime_pybind11_state
    if not hasattr(state, "get_registered_ep_kernel_defs"):
        return None
    try:
        kernels = state.get_registered_ep_kernel_defs(execution_provider)
    except error_types():
        return None
    return frozenset((kernel.domain.replace("ai.onnx", ""), kernel.op_name) for kernel in kernels)


def create_session(model: str | bytes, options: Any, providers: list[Any]) -> Any:
    """Create an `onnxruntime.InferenceSession` that raises instead of retrying on the CPU."""
    return onnxruntime().InferenceSession(model, options, providers=providers, enable_fallback=0)


def provider_library(provider: str) -> Path | None:
    """Return the shared library of a provider; None if it is part of ONNX Runtime's own, or outside Linux."""
    path = Path(onnxruntime().__file__).parent / "capi" / f"libonnxruntime_providers_{provider}.so"
    return path if sys.platform == "linux" and path.is_file() else None
