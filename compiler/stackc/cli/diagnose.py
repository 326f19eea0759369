"""Diagnose this installation: versions, providers, the libraries that CUDA needs, each with its fix.

Does not import PyTorch and changes nothing.
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

# The driver is part of the machine and does not come from pip: without one, CUDA cannot be tested here.
_NO_DRIVER = "R403"


@dataclass(frozen=True, slots=True)
class DiagnosisRow:
    """One finding: what was examined, its state, a description, and the command that fixes it."""

    subject: str
    state: State
    detail: str
    fix: str | None = None


def diagnose() -> tuple[DiagnosisRow, ...]:
    """Return all findings: versions, components of plugins, ONNX Runtime, its providers, their libraries."""
    rows = (*_versions(), *map(_component, plugins()), _onnxruntime(), *map(_provider, PROVIDERS))
    return (*rows, *map(_library, cuda_libraries()))


def _versions() -> Iterator[DiagnosisRow]:
    yield DiagnosisRow("python", "ok", f"{platform.python_version()} on {platform.system()} {platform.machine()}")
    yield DiagnosisRow("stackc", "ok", __version__)
    for package in ("torch", "onnx", "onnxscript"):
        if installed := _version(package):
            yield DiagnosisRow(package, "ok", installed)
        else:
            yield DiagnosisRow(package, "missing", "", "pip install .")


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _component(op: str) -> DiagnosisRow:
    """Try to load a component that an installed package provides."""
    subject, package = f"component {op}", plugins()[op].dist
    try:
        component_named(op)
    except PluginError as error:
        fix = f"pip install --upgrade {package.name}" if package else None
        return DiagnosisRow(subject, "failed", str(error), fix)
    return DiagnosisRow(subject, "ok", f"from {package.name} {package.version}" if package else "")


def _onnxruntime() -> DiagnosisRow:
    build = installed_build()
    description = f"{build.package} {build.version}, {f'CUDA {build.cuda}' if build.cuda else 'without CUDA'}"
    if _version("onnxruntime") and _version("onnxruntime-gpu"):
        detail = f"{description}; both packages are installed, and one hides the other"
        fix = "pip uninstall onnxruntime onnxruntime-gpu; pip install 'stackc[cuda]'"
        return DiagnosisRow("onnxruntime", "failed", detail, fix)
    return DiagnosisRow("onnxruntime", "ok", f"{description}: {', '.join(build.providers)}")


def _provider(provider: Provider) -> DiagnosisRow:
    subject, problem = f"provider {provider}", unavailable(provider)
    if problem is None:
        return DiagnosisRow(subject, "ok", "opens")
    if problem.code == _NO_DRIVER:
        return DiagnosisRow(subject, "untested", f"not tested here: {problem.message}", problem.hint)
    return DiagnosisRow(subject, "failed", problem.message, problem.hint)


def _library(library: SharedLibrary) -> DiagnosisRow:
    subject = f"library {library.name}"
    if library.problem is None:
        return DiagnosisRow(subject, "ok", "found")
    if library.name == DRIVER:
        return DiagnosisRow(subject, "untested", "not tested here: part of the NVIDIA driver, which is not installed")
    return DiagnosisRow(subject, "missing", library.problem, f"pip install {packages((library.name,))}")
