"""Which versions are installed, read off the packages' metadata: nothing is imported for it."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

from stackc._version import __version__

_TOOLS = ("torch", "onnx", "onnxscript", "onnxruntime-gpu", "onnxruntime")


def installed_version(package: str) -> str | None:
    """The version of an installed package, None where there is none."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def tool_versions() -> dict[str, str]:
    """The versions of everything that has a hand in an artifact."""
    installed = {name: found for name in _TOOLS if (found := installed_version(name))}
    return {"stackc": __version__} | installed
