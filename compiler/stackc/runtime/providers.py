"""Execution providers: which one opens on this machine, and for one that does not, the cause and the mend.

ONNX Runtime itself goes on with the CPU, in silence, where a provider does not open. Here that is an error.
"""

from __future__ import annotations

import contextlib
import io
import platform
import re
import sys
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, get_args

from stackc.core.diagnostics import Diagnostic, SpecError, did_you_mean
from stackc.runtime.libraries import SharedLibrary, find_libraries, load_library, needed

Provider = Literal["cpu", "cuda", "tensorrt"]
PROVIDERS: tuple[Provider, ...] = get_args(Provider)

# On an Ampere GPU or a newer one, ONNX Runtime rounds float32 products to TF32's 10 bits by default; float32 has to
# mean float32, as it does in PyTorch.
_CUDA = ("CUDAExecutionProvider", {"use_tf32": "0"})
_LADDERS: dict[Provider, list[Any]] = {
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

# A model of one Identity node; opening it opens the provider and nothing else.
PROBE = (
    b'\x08\x08:;\n\x10\n\x01x\x12\x01y"\x08Identity\x12\x05probeZ\x0f\n\x01x\x12\n\n\x08\x08\x01\x12\x04\n\x02\x08\x01'
    b"b\x0f\n\x01y\x12\n\n\x08\x08\x01\x12\x04\n\x02\x08\x01B\x04\n\x00\x10\r"
)


def onnxruntime() -> Any:
    """The onnxruntime module, its log muted: what it logs as an error comes back as an exception or from `unavailable`."""
    import onnxruntime as ort

    ort.set_default_logger_severity(4)
    return ort


@dataclass(frozen=True, slots=True)
class Build:
    """The ONNX Runtime that is installed: `cuda` is the version it was built for, `providers` what was built in."""

    package: str
    version: str
    cuda: str | None
    providers: tuple[str, ...]


def installed_build() -> Build:
    """The ONNX Runtime that is installed."""
    ort = onnxruntime()
    return Build(ort.package_name, ort.__version__, ort.cuda_version or None, tuple(ort.get_available_providers()))


@cache
def failures() -> tuple[type[Exception], ...]:
    """The exceptions that ONNX Runtime raises; its own have no common base."""
    state = onnxruntime().capi.onnxruntime_pybind11_state
    own = [c for c in vars(state).values() if isinstance(c, type) and issubclass(c, Exception)]
    return (*own, RuntimeError, ValueError)


def cause(error: Exception) -> str:
    """The text of ONNX Runtime's exception in one line, without its numbering."""
    return " ".join(re.sub(r"^\[ONNXRuntimeError\] : \d+ : \w+ : ", "", str(error)).split())


def open_with(provider: Provider, model: str | bytes, options: Any, stream: int | None = None) -> Any:
    """An `onnxruntime.InferenceSession` of the model on the provider; RuntimeError where another one opened instead.

    `stream` is the CUDA stream, as a number, that it works on instead of one of its own.
    """
    session = onnxruntime().InferenceSession(
        model, options, providers=provider_chain(provider, stream), enable_fallback=0
    )
    opened = session.get_providers()
    if opened[0] != _NAMES[provider]:
        raise RuntimeError(f"ONNX Runtime opened {', '.join(opened)} in place of {_NAMES[provider]}")
    return session


def provider_chain(provider: Provider, stream: int | None = None) -> list[Any]:
    """The execution providers that a session is opened with, the one asked for first, each with its options."""
    if stream is None:
        return _LADDERS[provider]
    own = {"user_compute_stream": str(stream)}
    steps = [(step, {}) if isinstance(step, str) else step for step in _LADDERS[provider]]
    return [(name, options | own if name != _NAMES["cpu"] else options) for name, options in steps]


def provider_name(execution_provider: str) -> str:
    """stackc's word for an execution provider: CUDAExecutionProvider is "cuda"; its own name where there is none."""
    return next((short for short, name in _NAMES.items() if name == execution_provider), execution_provider)


def has_kernel(provider: str, domain: str, op_type: str) -> bool | None:
    """Whether a provider has any kernel for an operator; None where this ONNX Runtime does not tell."""
    kernels = _kernels(_NAMES[provider]) if provider in PROVIDERS else None
    return None if kernels is None else (domain, op_type) in kernels


@cache
def _kernels(execution_provider: str) -> frozenset[tuple[str, str]] | None:
    state = onnxruntime().capi.onnxruntime_pybind11_state
    if not hasattr(state, "get_registered_ep_kernel_defs"):  # it is not in the documented API
        return None
    try:
        found = state.get_registered_ep_kernel_defs(execution_provider)
    except failures():
        return None
    return frozenset((kernel.domain.replace("ai.onnx", ""), kernel.op_name) for kernel in found)


def choose(provider: str) -> tuple[Provider, str]:
    """The provider to open and the reason for it: the one asked for, or for "auto" CUDA where it opens, else the CPU.

    Raises SpecError R400 for an unknown word, R401 to R404 where the provider asked for does not open.
    """
    if provider == "auto":
        if load_library(DRIVER):  # a glance, before libraries of a gigabyte are loaded
            return "cpu", f"no NVIDIA driver was found ({DRIVER})"
        problem = unavailable("cuda")
        return ("cpu", problem.message) if problem else ("cuda", "an NVIDIA GPU is here, and the CUDA provider opens")
    for known in PROVIDERS:
        if provider == known:
            if problem := unavailable(known):
                raise SpecError(problem)
            return known, "asked for"
    hint = did_you_mean(provider, ("auto", *PROVIDERS))
    raise SpecError(Diagnostic("R400", f"there is no provider '{provider}'", hint=hint))


@cache
def unavailable(provider: Provider) -> Diagnostic | None:
    """What keeps the provider from opening here, with the mend; None where it opens. Looked into once a process."""
    if _NAMES[provider] not in installed_build().providers:
        return _not_in_this_build(provider)
    said = preload() if provider != "cpu" else ""
    if provider != "cpu" and (missing := _missing(provider)):
        return _libraries_missing(provider, missing)
    try:
        open_with(provider, PROBE, None)
    except failures() as error:
        # Where ONNX Runtime cannot load a provider it only logs why: the loader, asked again, says it once more.
        library = provider_library(provider)
        causes = (cause(error), said, (load_library(str(library)) if library else "") or "")
        message = f"the {provider} provider does not open: {'; '.join(filter(None, causes))}"
        return Diagnostic("R404", message, hint=_DRIVER_HINT)
    return None


def provider_library(provider: Provider) -> Path | None:
    """The shared object of a provider that has one of its own, None where it has none or ELF is not in use."""
    path = Path(onnxruntime().__file__).parent / "capi" / f"libonnxruntime_providers_{provider}.so"
    return path if sys.platform == "linux" and path.is_file() else None


def preload() -> str:
    """Load the CUDA, cuDNN and TensorRT libraries that pip installed, off any search path; what was said of it."""
    ort, said = onnxruntime(), io.StringIO()
    with contextlib.redirect_stdout(said):  # preload_dlls prints what it cannot load
        ort.preload_dlls()
    folder = find_spec("tensorrt_libs")
    library = provider_library("tensorrt")
    if folder and folder.submodule_search_locations and library:
        for name in needed(library):
            path = Path(folder.submodule_search_locations[0], name)
            if path.is_file():
                load_library(str(path))
    return " ".join(said.getvalue().split())


def cuda_libraries() -> tuple[SharedLibrary, ...]:
    """Every library that the CUDA provider names, tried: those it is linked with, and those it opens at first use."""
    library = provider_library("cuda")
    if library is None:
        return ()
    preload()
    cufft = "libcufft.so.11" if (installed_build().cuda or "").startswith("12.") else "libcufft.so.12"
    return find_libraries((*needed(library), "libcudnn.so.9", cufft))


def _missing(provider: Provider) -> tuple[str, ...]:
    """The driver, and the libraries that the provider is linked with, as far as they are not here."""
    library = provider_library(provider)
    names = dict.fromkeys((DRIVER, *(needed(library) if library else ())))
    return tuple(found.name for found in find_libraries(names) if found.problem)


def _libraries_missing(provider: Provider, missing: tuple[str, ...]) -> Diagnostic:
    causes, mends = [], []
    if driver := DRIVER in missing:
        causes.append(f"no NVIDIA driver was found ({DRIVER})")
        mends.append(_DRIVER_HINT)
    if libraries := tuple(name for name in missing if name != DRIVER):
        causes.append(f"{', '.join(libraries)} not found")
        mends.append(f"pip install {packages(libraries)}")
    message = f"the {provider} provider does not open: {'; '.join(causes)}"
    return Diagnostic("R403" if driver else "R402", message, hint="; ".join(mends))


def packages(missing: tuple[str, ...]) -> str:
    """What pip has to install for the libraries: the extras of onnxruntime-gpu, or a TensorRT of the right major."""
    tensorrt = [name for name in missing if name.startswith(("libnvinfer", "libnvonnxparser"))]
    wanted = ["'onnxruntime-gpu[cuda,cudnn]'"] if len(tensorrt) < len(missing) else []
    if tensorrt:
        cuda, major = (installed_build().cuda or "").partition(".")[0], tensorrt[0].rpartition(".")[2]
        wanted.append(f"'tensorrt-cu{cuda}=={major}.*'")
    return " ".join(wanted)


def _not_in_this_build(provider: Provider) -> Diagnostic:
    message = (
        f"{installed_build().package} {installed_build().version}, as it is installed here, has no {provider} provider"
    )
    wheels = sys.platform == "win32" or (sys.platform == "linux" and platform.machine() == "x86_64")
    hint = "pip uninstall onnxruntime onnxruntime-gpu; pip install 'onnxruntime-gpu[cuda,cudnn]'"
    return Diagnostic("R401", message, hint=hint if wheels else "there are wheels with it for x86-64 Linux and Windows")
