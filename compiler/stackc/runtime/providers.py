"""Execution providers: which of them open on this machine, and the cause and the fix if one does not.

ONNX Runtime itself silently falls back to the CPU if a provider does not open. Here that is an error.
"""

from __future__ import annotations

import contextlib
import io
import platform
import sys
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, get_args

from stackc.core.diagnostics import Diagnostic, SpecError, did_you_mean
from stackc.runtime.libraries import SharedLibrary, find_libraries, load_library, needed_libraries
from stackc.runtime.onnxruntime_internals import (
    create_session,
    error_cause,
    error_types,
    onnxruntime,
    provider_library,
    registered_kernels,
)

Provider = Literal["cpu", "cuda", "tensorrt"]
PROVIDERS: tuple[Provider, ...] = get_args(Provider)

# From Ampere GPUs on, ONNX Runtime by default rounds float32 products to TF32's 10 bits; here they stay float32, as in
# PyTorch.
_CUDA = ("CUDAExecutionProvider", {"use_tf32": "0"})
_CHAINS: dict[Provider, list[Any]] = {
    "cpu": ["CPUExecutionProvider"],
    "cuda": [_CUDA, "CPUExecutionProvider"],
    "tensorrt": ["TensorrtExecutionProvider", _CUDA, "CPUExecutionProvider"],
}
_NAMES: dict[Provider, str] = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
}
DRIVER = "nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1"

_DRIVER_HINT = "`nvidia-smi` shows GPU and driver; CUDA 13 needs driver 580 or later; `--provider cpu` needs neither"

# A model of one Identity node, to open a provider with.
PROBE = (
    b'\x08\x08:;\n\x10\n\x01x\x12\x01y"\x08Identity\x12\x05probeZ\x0f\n\x01x\x12\n\n\x08\x08\x01\x12\x04\n\x02\x08\x01'
    b"b\x0f\n\x01y\x12\n\n\x08\x08\x01\x12\x04\n\x02\x08\x01B\x04\n\x00\x10\r"
)


@dataclass(frozen=True, slots=True)
class Build:
    """The installed ONNX Runtime: `cuda` is the version it was built for, `providers` are those it was built with."""

    package: str
    version: str
    cuda: str | None
    providers: tuple[str, ...]


def installed_build() -> Build:
    """Return the installed ONNX Runtime."""
    ort = onnxruntime()
    return Build(ort.package_name, ort.__version__, ort.cuda_version or None, tuple(ort.get_available_providers()))


def open_with(provider: Provider, model: str | bytes, options: Any, stream: int | None = None) -> Any:
    """Open an `onnxruntime.InferenceSession` of the model on the provider. Raises RuntimeError if another one opened.

    `stream` is the CUDA stream to run on, as a number; None for one of its own.
    """
    session = create_session(model, options, provider_chain(provider, stream))
    opened = session.get_providers()
    if opened[0] != _NAMES[provider]:
        raise RuntimeError(f"ONNX Runtime opened {', '.join(opened)} instead of {_NAMES[provider]}")
    return session


def provider_chain(provider: Provider, stream: int | None = None) -> list[Any]:
    """Return the execution providers to open a session with, the one asked for first, each with its options."""
    if stream is None:
        return _CHAINS[provider]
    on_stream = {"user_compute_stream": str(stream)}
    chain = [(step, {}) if isinstance(step, str) else step for step in _CHAINS[provider]]
    return [(name, options | on_stream if name != _NAMES["cpu"] else options) for name, options in chain]


def provider_name(execution_provider: str) -> str:
    """Return stackc's name of an execution provider, "cuda" for CUDAExecutionProvider; others keep their own."""
    return next((short for short, name in _NAMES.items() if name == execution_provider), execution_provider)


def has_kernel(provider: str, domain: str, op_type: str) -> bool | None:
    """Return whether a provider has any kernel for an operator; None if this ONNX Runtime cannot list its kernels."""
    kernels = registered_kernels(_NAMES[provider]) if provider in PROVIDERS else None
    return None if kernels is None else (domain, op_type) in kernels


def choose(provider: str) -> tuple[Provider, str]:
    """Return the provider to open and the reason: the one asked for, or for "auto" CUDA if it opens, else the CPU.

    Raises SpecError: R400 for an unknown provider, R401 to R404 if the provider asked for does not open.
    """
    if provider == "auto":
        return _choose_automatically()

    for name in PROVIDERS:
        if provider == name:
            if problem := unavailable(name):
                raise SpecError(problem)
            return name, "asked for"

    hint = did_you_mean(provider, ("auto", *PROVIDERS))
    raise SpecError(Diagnostic("R400", f"there is no provider '{provider}'", hint=hint))


def _choose_automatically() -> tuple[Provider, str]:
    if load_library(DRIVER):  # a quick check, before libraries of a gigabyte are loaded
        return "cpu", f"no NVIDIA driver was found ({DRIVER})"
    if problem := unavailable("cuda"):
        return "cpu", problem.message
    return "cuda", "an NVIDIA GPU was found, and the CUDA provider opens"


@cache
def unavailable(provider: Provider) -> Diagnostic | None:
    """Return the reason why the provider does not open here, with the fix; None if it opens. Cached for the process."""
    if _NAMES[provider] not in installed_build().providers:
        return _not_in_this_build(provider)

    preload_output = preload() if provider != "cpu" else ""
    if provider != "cpu" and (missing := _missing_libraries(provider)):
        return _libraries_missing(provider, missing)

    try:
        open_with(provider, PROBE, None)
    except error_types() as error:
        # ONNX Runtime only logs why it cannot load a provider: the loader gives the reason again
        library = provider_library(provider)
        loader_message = load_library(str(library)) if library else None
        causes = (error_cause(error), preload_output, loader_message)
        message = f"the {provider} provider does not open: {'; '.join(filter(None, causes))}"
        return Diagnostic("R404", message, hint=_DRIVER_HINT)
    return None


def preload() -> str:
    """Load the CUDA, cuDNN and TensorRT libraries that pip installed, which are on no search path.

    Returns what ONNX Runtime printed: the libraries that it could not load.
    """
    ort, printed = onnxruntime(), io.StringIO()
    with contextlib.redirect_stdout(printed):
        ort.preload_dlls()

    # preload_dlls leaves out TensorRT
    package = find_spec("tensorrt_libs")
    library = provider_library("tensorrt")
    if package and package.submodule_search_locations and library:
        for name in needed_libraries(library):
            path = Path(package.submodule_search_locations[0], name)
            if path.is_file():
                load_library(str(path))
    return " ".join(printed.getvalue().split())


def cuda_libraries() -> tuple[SharedLibrary, ...]:
    """Try every library of the CUDA provider: those it is linked with, and those it opens on first use."""
    library = provider_library("cuda")
    if library is None:
        return ()
    preload()
    cufft = "libcufft.so.11" if (installed_build().cuda or "").startswith("12.") else "libcufft.so.12"
    return find_libraries((*needed_libraries(library), "libcudnn.so.9", cufft))


def _missing_libraries(provider: Provider) -> tuple[str, ...]:
    """Return which of the driver and the libraries that the provider is linked with are missing."""
    library = provider_library(provider)
    names = dict.fromkeys((DRIVER, *(needed_libraries(library) if library else ())))
    return tuple(tried.name for tried in find_libraries(names) if tried.problem)


def _libraries_missing(provider: Provider, missing: tuple[str, ...]) -> Diagnostic:
    causes, fixes = [], []
    if driver := DRIVER in missing:
        causes.append(f"no NVIDIA driver was found ({DRIVER})")
        fixes.append(_DRIVER_HINT)
    if libraries := tuple(name for name in missing if name != DRIVER):
        causes.append(f"{', '.join(libraries)} not found")
        fixes.append(f"pip install {packages(libraries)}")

    message = f"the {provider} provider does not open: {'; '.join(causes)}"
    return Diagnostic("R403" if driver else "R402", message, hint="; ".join(fixes))


def packages(missing: tuple[str, ...]) -> str:
    """Return the pip packages with the libraries: those of the extra `cuda`, or TensorRT of the right major version."""
    tensorrt = [name for name in missing if name.startswith(("libnvinfer", "libnvonnxparser"))]
    wanted = ["'stackc[cuda]'"] if len(tensorrt) < len(missing) else []
    if tensorrt:
        cuda, major = (installed_build().cuda or "").partition(".")[0], tensorrt[0].rpartition(".")[2]
        wanted.append(f"'tensorrt-cu{cuda}=={major}.*'")
    return " ".join(wanted)


def _not_in_this_build(provider: Provider) -> Diagnostic:
    build = installed_build()
    message = f"the installed {build.package} {build.version} has no {provider} provider"
    if sys.platform == "win32" or (sys.platform == "linux" and platform.machine() == "x86_64"):
        hint = "pip uninstall onnxruntime onnxruntime-gpu; pip install 'stackc[cuda]'"
    else:
        hint = "only x86-64 Linux and Windows have packages with it"
    return Diagnostic("R401", message, hint=hint)
