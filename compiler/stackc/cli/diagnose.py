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
from stackc.components.plugins import PluginError, component_named, plugins
from stackc.runtime.libraries import SharedLibrary
from stackc.runtime.providers import DRIVER, PROVIDERS, Provider, cuda_libraries, installed_build, packages, unavailable

State = Literal["ok", "missing", "failed", "untested"]

# A driver comes with the machine, not with pip: without one, CUDA is neither right nor wrong here.
_NO_DRIVER = "R403"


@dataclass(frozen=True, slots=True)
class DiagnosisRow:
    """One finding: what was looked at, in which state it is, what there is to say, and what mends it."""

    subject: str
    state: State
    detail: str
    fix: str | None = None


def diagnose() -> tuple[DiagnosisRow, ...]:
    """Every finding, from the versions to the libraries."""
    rows = (*_versions(), *map(_component, plugins()), _onnxruntime(), *map(_provider, PROVIDERS))
    return (*rows, *map(_library, cuda_libraries()))


def _versions() -> Iterator[DiagnosisRow]:
    yield DiagnosisRow("python", "ok", f"{platform.python_version()} on {platform.system()} {platform.machine()}")
    yield DiagnosisRow("stackc", "ok", __version__)
    for package in ("torch", "onnx", "onnxscript"):
        installed = _version(package)
        yield DiagnosisRow(
            package, "ok" if installed else "missing", installed or "", None if installed else "pip install ."
        )


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _component(op: str) -> DiagnosisRow:
    """One that an installed package offers."""
    package = plugins()[op].dist
    try:
        component_named(op)
    except PluginError as error:
        fix = f"pip install --upgrade {package.name}" if package else None
        return DiagnosisRow(f"component {op}", "failed", str(error), fix)
    return DiagnosisRow(f"component {op}", "ok", f"of {package.name} {package.version}" if package else "")


def _onnxruntime() -> DiagnosisRow:
    found = installed_build()
    detail = f"{found.package} {found.version}, {f'CUDA {found.cuda}' if found.cuda else 'without CUDA'}"
    if _version("onnxruntime") and _version("onnxruntime-gpu"):
        fix = "pip uninstall onnxruntime onnxruntime-gpu; pip install 'onnxruntime-gpu[cuda,cudnn]'"
        return DiagnosisRow(
            "onnxruntime", "failed", f"{detail}; both packages are installed, and one hides the other", fix
        )
    return DiagnosisRow("onnxruntime", "ok", f"{detail}: {', '.join(found.providers)}")


def _provider(provider: Provider) -> DiagnosisRow:
    subject, problem = f"provider {provider}", unavailable(provider)
    if problem is None:
        return DiagnosisRow(subject, "ok", "opens")
    if problem.code == _NO_DRIVER:
        return DiagnosisRow(subject, "untested", f"untested here: {problem.message}", problem.hint)
    return DiagnosisRow(subject, "failed", problem.message, problem.hint)


def _library(library: SharedLibrary) -> DiagnosisRow:
    subject = f"library {library.name}"
    if library.problem is None:
        return DiagnosisRow(subject, "ok", "found")
    if library.name == DRIVER:
        return DiagnosisRow(subject, "untested", "untested here: it comes with the NVIDIA driver, and there is none")
    return DiagnosisRow(subject, "missing", library.problem, f"pip install {packages((library.name,))}")
