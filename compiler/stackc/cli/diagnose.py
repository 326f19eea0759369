"""What of this installation works: versions, providers, the libraries that CUDA needs, each with its mend.

PyTorch is not imported for that; nothing is changed.
"""

from __future__ import annotations

import platform
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Literal

from stackc._version import __version__
from stackc.components.plugins import Unloadable, component_named, offered
from stackc.runtime.libraries import Library
from stackc.runtime.providers import DRIVER, PROVIDERS, Provider, build, cuda_libraries, obstacle, packages

State = Literal["ok", "missing", "failed", "untested"]

# A driver comes with the machine, not with pip: without one, CUDA is neither right nor wrong here.
_NO_DRIVER = "R403"


@dataclass(frozen=True, slots=True)
class Row:
    """One finding: what was looked at, in which state it is, what there is to say, and what mends it."""

    subject: str
    state: State
    detail: str
    fix: str | None = None


def diagnose() -> tuple[Row, ...]:
    """Every finding, from the versions to the libraries."""
    rows = (*_versions(), *map(_component, offered()), _onnxruntime(), *map(_provider, PROVIDERS))
    return (*rows, *map(_library, cuda_libraries()))


def _versions() -> Iterator[Row]:
    yield Row("python", "ok", f"{platform.python_version()} on {platform.system()} {platform.machine()}")
    yield Row("stackc", "ok", __version__)
    for package in ("torch", "onnx", "onnxscript"):
        installed = _version(package)
        yield Row(package, "ok" if installed else "missing", installed or "", None if installed else "pip install .")


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _component(op: str) -> Row:
    """One that an installed package offers."""
    package = offered()[op].dist
    try:
        component_named(op)
    except Unloadable as error:
        fix = f"pip install --upgrade {package.name}" if package else None
        return Row(f"component {op}", "failed", str(error), fix)
    return Row(f"component {op}", "ok", f"of {package.name} {package.version}" if package else "")


def _onnxruntime() -> Row:
    found = build()
    detail = f"{found.package} {found.version}, {f'CUDA {found.cuda}' if found.cuda else 'without CUDA'}"
    if _version("onnxruntime") and _version("onnxruntime-gpu"):
        fix = "pip uninstall onnxruntime onnxruntime-gpu; pip install 'onnxruntime-gpu[cuda,cudnn]'"
        return Row("onnxruntime", "failed", f"{detail}; both packages are installed, and one hides the other", fix)
    return Row("onnxruntime", "ok", f"{detail}: {', '.join(found.providers)}")


def _provider(provider: Provider) -> Row:
    subject, problem = f"provider {provider}", obstacle(provider)
    if problem is None:
        return Row(subject, "ok", "opens")
    if problem.code == _NO_DRIVER:
        return Row(subject, "untested", f"untested here: {problem.message}", problem.hint)
    return Row(subject, "failed", problem.message, problem.hint)


def _library(library: Library) -> Row:
    subject = f"library {library.name}"
    if library.problem is None:
        return Row(subject, "ok", "found")
    if library.name == DRIVER:
        return Row(subject, "untested", "untested here: it comes with the NVIDIA driver, and there is none")
    return Row(subject, "missing", library.problem, f"pip install {packages((library.name,))}")
