"""Components of installed packages, under the entry point `stackc.components`: a package is put on the path."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

POLYNOMIAL = '''\
"""A component of a package."""

from typing import Annotated

from stackc.components import Component, Signature, component, construct
from stackc.components.base import require_float


@component("polynomial", "x")
class Polynomial(Component):
    """y = c·x² + x.

    x: [...] → y: the same.
    """

    factor: Annotated[float, "the c"] = 1.0

    def signature(self, x):
        require_float(x)
        return Signature((x,))

    def construction(self, x):
        from polynomials.modules import Polynomial

        return construct(Polynomial, self.factor)
'''
MODULES = """\
from torch import nn


class Polynomial(nn.Module):
    def __init__(self, factor):
        super().__init__()
        self.factor = factor

    def forward(self, x):
        return self.factor * x**2 + x
"""
SPEC = """\
stackc: 1
inputs: {x: {shape: [batch, 8]}}
graph: x --> y[polynomial]
nodes: {y: {factor: 0.5}}
"""


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A folder as pip leaves it: a package and its metadata."""
    site = tmp_path / "site"
    (site / "polynomials").mkdir(parents=True)
    (site / "polynomials" / "__init__.py").touch()
    (site / "polynomials" / "components.py").write_text(POLYNOMIAL, encoding="utf-8")
    (site / "polynomials" / "modules.py").write_text(MODULES, encoding="utf-8")
    info = site / "polynomials-1.2.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: polynomials\nVersion: 1.2\n", encoding="utf-8")
    points = "[stackc.components]\npolynomial = polynomials.components:Polynomial\ncubic = polynomials.cubic:Cubic\n"
    (info / "entry_points.txt").write_text(f"{points}sine = polynomials.modules:Polynomial\n", encoding="utf-8")
    (tmp_path / "spec.yaml").write_text(SPEC, encoding="utf-8")
    return tmp_path


def stackc(package: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join(filter(None, [str(package / "site"), os.environ.get("PYTHONPATH")]))
    env = os.environ | {"PYTHONPATH": path, "STACKC_CACHE": str(package / "cache")}
    command = [sys.executable, "-m", "stackc", *arguments]
    return subprocess.run(command, cwd=package, env=env, capture_output=True, encoding="utf-8", check=False)


@pytest.mark.slow
def test_it_is_a_component_like_others(package: Path) -> None:
    done = stackc(package, "build", "spec.yaml", "--no-bench", "--out", "out")
    assert done.returncode == 0, done.stderr
    assert "comparisons and 1 component alone" in done.stdout
    assert "y = c·x² + x." in stackc(package, "ops", "polynomial").stdout
    assert "op.polynomial" in json.loads(stackc(package, "schema").stdout)["$defs"]


@pytest.mark.slow
def test_a_change_anywhere_in_its_package_is_recompiled(package: Path) -> None:
    build = ("build", "spec.yaml", "--no-bench", "--out", "out")
    assert "from the cache" not in stackc(package, *build).stdout
    assert "1 from the cache" in stackc(package, *build).stdout
    changed = MODULES.replace("x**2", "x**3")
    (package / "site" / "polynomials" / "modules.py").write_text(changed, encoding="utf-8")
    assert "from the cache" not in stackc(package, *build).stdout


def test_a_name_that_is_nearly_its_own(package: Path) -> None:
    (package / "spec.yaml").write_text(SPEC.replace("polynomial", "polinomial"), encoding="utf-8")
    assert "did you mean 'polynomial'?" in stackc(package, "check", "spec.yaml").stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("op", "message"),
    [
        ("cubic", "the component 'cubic' of the package polynomials cannot be loaded: "
                  "ModuleNotFoundError: No module named 'polynomials.cubic'"),
        ("sine", "the component 'sine' of the package polynomials is invalid: "
                 'polynomials.modules:Polynomial must be a class under @component("sine", …)'),
    ],
)  # fmt: skip
def test_error_components_that_cannot_be_loaded(package: Path, op: str, message: str) -> None:
    (package / "spec.yaml").write_text(SPEC.replace("polynomial", op), encoding="utf-8")
    assert stackc(package, "check", "spec.yaml").stderr.startswith(f"error[N317]: {message}\n")
    rows = {row["subject"]: row for row in json.loads(stackc(package, "doctor", "--json").stdout)}
    assert (rows[f"component {op}"]["state"], rows[f"component {op}"]["detail"]) == ("failed", message)
    assert rows["component polynomial"]["detail"] == "from polynomials 1.2"
