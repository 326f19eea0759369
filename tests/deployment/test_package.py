"""`stackc deploy --to package`: the wheel runs in a process that has neither stackc nor PyTorch."""

from __future__ import annotations

import ast
import dataclasses
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from tests.deployment.conftest import small_feeds

from stackc.artifact.folder import load_artifact, run_artifact
from stackc.cli import cli
from stackc.core.diagnostics import SpecError
from stackc.deployment.kinds import DeploymentOptions, write_deployment
from stackc.deployment.package import modules_needed, write_wheel
from stackc.deployment.plain_names import package_name
from stackc.runtime import check_feeds, read_npz, write_npz

pytestmark = pytest.mark.slow

LONELY = """
import sys

class Refusing:
    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        if top in {"stackc", "torch", "onnx", "ml_dtypes"}:
            raise ImportError(f"{name} was imported")
        return None

sys.meta_path.insert(0, Refusing())
sys.path.insert(0, sys.argv[1])
import numpy as np
import small

feeds = dict(np.load(sys.argv[2]))
np.savez(sys.argv[3], **small.run(feeds, threads=1))
try:
    small.run({"ids": feeds["ids"] + 1000, "scale": feeds["scale"][1:]})
except small.InputError as error:
    print("\\n".join(str(each.message) for each in error.diagnostics))
"""


@pytest.fixture(scope="module")
def installed(small: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The content of the wheel, as pip puts it on the path: it is pure Python."""
    folder = tmp_path_factory.mktemp("wheel")
    done = CliRunner().invoke(cli, ["deploy", str(small), "--to", "package", "-o", str(folder / "dist"), "--json"])
    assert done.exit_code == 0, done.output
    (name,) = json.loads(done.output)["files"]
    assert name == "small-1.0.0-py3-none-any.whl"
    with zipfile.ZipFile(folder / "dist" / name) as wheel:
        wheel.extractall(folder / "site")
    return folder / "site"


def test_it_runs_without_stackc_and_pytorch(small: Path, installed: Path, tmp_path: Path) -> None:
    feeds = small_feeds(3, 5)
    write_npz(tmp_path / "in.npz", feeds)
    code = [sys.executable, "-c", LONELY, str(installed), str(tmp_path / "in.npz"), str(tmp_path / "out.npz")]
    done = subprocess.run(code, cwd=tmp_path, capture_output=True, text=True, check=False, env={"PATH": ""})
    assert done.returncode == 0, done.stderr

    expected = run_artifact(small, feeds, "cpu", threads=1)
    outputs = read_npz(tmp_path / "out.npz")
    assert outputs.keys() == expected.keys()
    for name, array in expected.items():
        np.testing.assert_allclose(outputs[name], array, rtol=1e-6)

    # the messages of wrong inputs are those of `stackc run`
    wrong = {"ids": feeds["ids"] + 1000, "scale": feeds["scale"][1:]}
    manifest = load_artifact(small).manifest
    with pytest.raises(SpecError) as refused:
        check_feeds(manifest.inputs, wrong, manifest.dims)
    assert done.stdout.splitlines() == [each.message for each in refused.value.diagnostics]
    assert len(refused.value.diagnostics) == 2


def test_pip_installs_it_with_the_dependencies_it_states(small: Path, installed: Path) -> None:
    (metadata,) = installed.glob("*.dist-info/METADATA")
    text = metadata.read_text(encoding="utf-8")
    requires = [line for line in text.splitlines() if line.startswith("Requires-Dist")]
    bound = load_artifact(small).manifest.runs_on.replace(" ", "")
    assert requires == ["Requires-Dist: numpy>=1.26", f"Requires-Dist: {bound}"]


def test_its_modules_import_numpy_and_onnxruntime_alone(installed: Path) -> None:
    for path in (installed / "small").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            tops = {name.partition(".")[0] for name in names}
            assert tops <= {"numpy", "onnxruntime", "small", *sys.stdlib_module_names}, path


def test_the_modules_of_a_package_are_few() -> None:
    assert {name.partition(".")[0] for name in modules_needed("deployment.standalone")} == {
        *("artifact", "core", "deployment", "precision", "runtime")
    }
    assert len(modules_needed("deployment.standalone")) < 12


def test_the_same_artifact_gives_the_same_wheel(small: Path, tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_deployment(small, "package", tmp_path / name, DeploymentOptions(name="again", release="2.1"))
    (one,), (other,) = (tuple((tmp_path / name).iterdir()) for name in ("a", "b"))
    assert one.name == other.name == "again-2.1-py3-none-any.whl"
    assert one.read_bytes() == other.read_bytes()


@pytest.mark.parametrize("name", ["numpy", "json", "class", "2fast", "ü", "a b", "_", ""])
def test_a_name_that_no_package_can_have(name: str) -> None:
    with pytest.raises(SpecError) as refused:
        package_name(name)
    assert refused.value.diagnostics[0].code == "D802"


def test_a_release_that_is_no_version(small: Path, tmp_path: Path) -> None:
    with pytest.raises(SpecError) as refused:
        write_deployment(small, "package", tmp_path / "dist", DeploymentOptions(release="newest one"))
    (only,) = refused.value.diagnostics
    assert only.code == "D804"
    assert "newest one" in only.message
    assert not (tmp_path / "dist").exists()


def test_a_folder_that_exists_stays_as_it_is(small: Path, tmp_path: Path) -> None:
    (tmp_path / "kept").write_text("mine")
    done = CliRunner().invoke(cli, ["deploy", str(small), "--to", "package", "-o", str(tmp_path), "--json"])
    assert done.exit_code == 1
    (only,) = json.loads(done.output)["diagnostics"]
    assert only["code"] == "D801"
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--to", "package", "--gpu"], "--gpu is an option of `--to triton`"),
        (["--to", "triton", "--release", "2"], "--release is an option of `--to package`"),
        (["--to", "openvino", "--name", "x"], "--name is an option of"),
    ],
)
def test_an_option_of_another_kind(options: list[str], message: str, small: Path, tmp_path: Path) -> None:
    done = CliRunner().invoke(cli, ["deploy", str(small), *options, "-o", str(tmp_path / "x")])
    assert done.exit_code == 2
    assert message in done.output


def test_an_input_of_a_type_that_numpy_lacks(small: Path, tmp_path: Path) -> None:
    artifact = load_artifact(small)
    values = (dataclasses.replace(artifact.manifest.inputs[0], dtype="bfloat16"),)
    changed = dataclasses.replace(artifact, manifest=dataclasses.replace(artifact.manifest, inputs=values))
    with pytest.raises(SpecError) as refused:
        write_wheel(changed, tmp_path)
    (only,) = refused.value.diagnostics
    assert (only.code, only.message) == ("D803", "the input 'ids' is bfloat16, which NumPy alone does not have")
