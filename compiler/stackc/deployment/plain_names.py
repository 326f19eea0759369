"""The name of a deployment, from the name of a spec: what a package or a model of a server can be called."""

from __future__ import annotations

import keyword
import re
import sys

from stackc.core.diagnostics import Diagnostic, SpecError

_TAKEN = {*sys.stdlib_module_names, "numpy", "onnxruntime", "stackc"}
"""Modules that a package of the same name would hide."""


def server_name(name: str) -> str:
    """Return the name of a model in a server: a folder and a part of a URL. Raises SpecError D802 if it can be none."""
    if re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]*", name):
        return name
    raise _refusal(name, "the name of a model in a server: letters, digits, `_`, `.` and `-`")


def package_name(name: str) -> str:
    """Return the name of a Python package for a model, `-` and `.` as `_`. Raises SpecError D802 if it can be none."""
    module = re.sub(r"[-.]", "_", name)
    if re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*[A-Za-z0-9]|[A-Za-z]", module) and not keyword.iskeyword(module):
        if module not in _TAKEN:
            return module
        raise _refusal(name, f"the name of a package, which would hide the module '{module}'")
    raise _refusal(name, "the name of a Python package: letters, digits and `_`, a letter first")


def _refusal(name: str, reason: str) -> SpecError:
    return SpecError(Diagnostic("D802", f"'{name}' cannot be {reason}", hint="give another one with `--name my_model`"))
