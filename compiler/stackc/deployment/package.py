"""A wheel with the model and a `run` that needs ONNX Runtime and NumPy alone.

The checks of inputs are stackc's own modules: those that standalone.py imports go along, under `NAME._stackc`.
"""

from __future__ import annotations

import ast
import json
import re
import shutil
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

from stackc._version import __version__
from stackc.artifact.folder import MODEL, Artifact
from stackc.artifact.manifest import contract_json
from stackc.core.diagnostics import Diagnostic, SpecError
from stackc.deployment.plain_names import package_name
from stackc.onnx_format.files import data_locations, read_model

ENTRY = "deployment.standalone"
"""The module that becomes the package itself, below stackc."""
BUILDER = "hatchling"
INSTALL = "pip install 'stackc[deploy]'"

_SOURCES = Path(__file__).parents[1]


def has_wheel_builder() -> bool:
    """Return whether the package that builds wheels is installed."""
    return find_spec(BUILDER) is not None


def write_wheel(artifact: Artifact, folder: Path, name: str | None = None, release: str = "1.0.0") -> Path:
    """Build a wheel of the model in `folder`, without the network, and return it.

    Raises SpecError D802 for a name that no package can have, D803 if an input or output is bfloat16, which NumPy
    lacks, D804 if the wheel cannot be built, as for a `release` that is no version.
    """
    module = package_name(name or artifact.manifest.name)
    _require_numpy_types(artifact)
    with tempfile.TemporaryDirectory(prefix="stackc-wheel-") as project:
        _write_package(artifact, Path(project, module))
        Path(project, "pyproject.toml").write_text(_project(artifact, module, release), encoding="utf-8")
        command = [sys.executable, "-m", BUILDER, "build", "-t", "wheel", "-d", str(folder.absolute())]
        done = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)

    wheels = [*folder.glob("*.whl")]
    if done.returncode or len(wheels) != 1:
        reason = (done.stderr.strip() or done.stdout.strip()).splitlines()[-1:]
        message = f"{BUILDER} cannot build the wheel: {''.join(reason)}"
        raise SpecError(Diagnostic("D804", message, hint="a release is a version, like `--release 1.2.0`"))
    return wheels[0]


def _require_numpy_types(artifact: Artifact) -> None:
    """Raise SpecError D803 for an input or output whose type NumPy lacks."""
    for kind, values in (("input", artifact.manifest.inputs), ("output", artifact.manifest.outputs)):
        for value in values:
            if value.dtype == "bfloat16":
                message = f"the {kind} '{value.name}' is bfloat16, which NumPy alone does not have"
                raise SpecError(Diagnostic("D803", message, hint="build the model with `dtype: float32` there"))


def _write_package(artifact: Artifact, package: Path) -> None:
    """Write the modules, the model with its data, and the contract."""
    package.mkdir()
    (package / "__init__.py").write_text(_renamed(ENTRY, package.name), encoding="utf-8")
    (package / "py.typed").touch()
    for module in sorted(modules_needed(ENTRY) - {ENTRY}):
        path = package / "_stackc" / Path(*module.split(".")).with_suffix(".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(_renamed(module, package.name), encoding="utf-8")
        (path.parent / "__init__.py").touch()
    (package / "_stackc" / "__init__.py").write_text(
        f'"""Modules of stackc {__version__}, under the Apache License 2.0."""\n', encoding="utf-8"
    )

    for file in (MODEL, *data_locations(read_model(artifact.model))):
        shutil.copyfile(artifact.folder / file, package / file)
    manifest = artifact.manifest
    contract = contract_json(manifest.dims, manifest.inputs, manifest.outputs)
    (package / "contract.json").write_text(json.dumps(contract, indent=2) + "\n", encoding="utf-8")


def modules_needed(module: str) -> set[str]:
    """Return a module and all of stackc that it imports, below stackc; what a package's `__init__` imports is not."""
    needed, left = set[str](), [module]
    while left:
        each = left.pop()
        if each not in needed:
            needed.add(each)
            tree = ast.parse(_text(each))
            froms = (node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom))
            left += [name.removeprefix("stackc.") for name in froms if name.startswith("stackc.")]
    return needed


def _renamed(module: str, package: str) -> str:
    """Return the text of a module whose imports of stackc are those of the package."""
    return re.sub(r"^(\s*from) stackc\.", rf"\1 {package}._stackc.", _text(module), flags=re.MULTILINE)


def _text(module: str) -> str:
    return (_SOURCES / Path(*module.split(".")).with_suffix(".py")).read_text(encoding="utf-8")


def _project(artifact: Artifact, module: str, release: str) -> str:
    """Return the pyproject.toml of the package."""
    manifest = artifact.manifest
    description = f"The model {module}, built by stackc {__version__}: run(feeds) returns its outputs."
    return f"""[build-system]
requires = ["{BUILDER}"]
build-backend = "{BUILDER}.build"

[project]
name = "{module}"
version = {json.dumps(release)}
description = "{description}"
requires-python = ">=3.11"
dependencies = ["numpy>=1.26", "{manifest.runs_on.replace(" ", "")}"]

[tool.hatch.build]
ignore-vcs = true

[tool.hatch.build.targets.wheel]
packages = ["{module}"]
"""
