"""Installed versions, read from package metadata so that nothing has to be imported."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

from stackc._version import __version__

_TOOLS = ("torch", "onnx", "onnxscript", "onnxruntime-gpu", "onnxruntime")


def installed_version(package: str) -> str | None:
    """Return the version of a package, or None if it is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def tool_versions() -> dict[str, str]:
    """Return the versions of stackc and of every installed library that takes part in building an artifact."""
    installed = {name: number for name in _TOOLS if (number := installed_version(name))}
    return {"stackc": __version__} | installed
