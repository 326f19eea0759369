"""Files beside a spec: one runs only if its name is trusted, whatever it is called and whoever imports it."""

from __future__ import annotations

import contextlib
import importlib.util
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

import stackc
from stackc.core.diagnostics import SpecError

SPEC = """\
stackc: 1
name: trust
inputs: {x: {shape: [batch, 8]}}
graph: x --> a
nodes: {a: {op: torch, of: torch.nn.Softsign}}
"""
LIBRARIES = ("torch", "numpy", "onnx", "onnxruntime", "click", "yaml", "networkx", "sympy")
_IMPORT = re.compile(rb"^[ \t]*(?:import|from)[ \t]+([A-Za-z_]\w*)", re.MULTILINE)
MARK = "open(__file__ + '.ran', 'w').close()\n"


@pytest.fixture(scope="module")
def traps(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a spec and a file for every name that libraries and the standard library import.

    Without `torch`, which the tests trust (beside the spec it is shadowed, an error), and `stackc`, which they run.
    """
    folder = tmp_path_factory.mktemp("traps")
    (folder / "spec.yaml").write_text(SPEC, encoding="utf-8")
    for name in {*sys.stdlib_module_names, *optional_imports()} - {"stackc", "torch"}:
        (folder / f"{name}.py").write_text(MARK, encoding="utf-8")
    return folder


def optional_imports() -> Iterator[str]:
    """Yield the top-level modules that the files of the libraries import anywhere."""
    for library in LIBRARIES:
        spec = importlib.util.find_spec(library)
        assert spec is not None
        assert spec.submodule_search_locations
        for path in Path(spec.submodule_search_locations[0]).rglob("*.py"):
            yield from (name.decode() for name in _IMPORT.findall(path.read_bytes()))


def imported_by_python_itself(folder: Path) -> set[str]:
    """The modules that `python -m` imports from the working directory before it reaches any package's code."""
    (folder / "empty").mkdir()
    (folder / "empty" / "__init__.py").write_text("import sys; print(*sys.modules)\n", encoding="utf-8")
    (folder / "empty" / "__main__.py").touch()
    done = subprocess.run(
        [sys.executable, "-m", "empty"], cwd=folder, capture_output=True, encoding="utf-8", check=True
    )
    return {name.partition(".")[0] for name in done.stdout.split()}


def run(folder: Path, *command: str) -> set[str]:
    """Run stackc in a folder; return the names of the modules there that ran."""
    done = subprocess.run([sys.executable, *command], cwd=folder, capture_output=True, encoding="utf-8", check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    ran = [path for path in folder.iterdir() if path.suffix == ".ran"]
    for path in ran:
        path.unlink()
    return {path.name.removesuffix(".py.ran") for path in ran}


BUILD = ("build", "spec.yaml", "-o", "out", "--no-bench", "--trust", "torch")
BENCH = ("bench", "spec.yaml", "--trust", "torch", "--only", "eager,onnx", "--seconds", "0", "--sittings", "1")


@pytest.mark.slow
@pytest.mark.parametrize("command", [("check", "spec.yaml", "--trust", "torch"), BUILD, BENCH], ids=lambda c: str(c[0]))
def test_no_file_named_like_a_package_runs(traps: Path, command: Sequence[str]) -> None:
    assert len(list(traps.glob("*.py"))) > 500
    assert (traps / "dill.py").exists()
    # the installed command: its process has its own folder first on sys.path, not the working directory
    assert run(traps, "-P", "-c", "from stackc.cli import main; main()", *command) == set()


@pytest.mark.slow
def test_the_module_stackc_does_not_search_the_working_directory(traps: Path, tmp_path: Path) -> None:
    before = imported_by_python_itself(tmp_path)
    assert {"__future__", "click", "typing", "pathlib", "dill"}.isdisjoint(before)
    for path in traps.glob("*.py"):
        if path.stem not in before:
            (tmp_path / path.name).write_text(MARK, encoding="utf-8")
    (tmp_path / "spec.yaml").write_text(SPEC, encoding="utf-8")
    assert run(tmp_path, "-m", "stackc", "check", "spec.yaml", "--trust", "torch") == set()
    assert run(tmp_path, "-m", "stackc", *BENCH) == set()


@pytest.mark.slow
@pytest.mark.parametrize(
    "start",
    [["-m", "stackc"], ["-mstackc"], ["-Bm", "stackc"], ["-Bmstackc"], ["-um", "stackc.__main__"]],
    ids=" ".join,
)
def test_however_python_is_told_to_run_it(start: list[str], tmp_path: Path) -> None:
    for name in ("typing", "click", "yaml", "__future__"):
        (tmp_path / f"{name}.py").write_text(MARK, encoding="utf-8")
    assert run(tmp_path, *start, "--version") == set()


@pytest.mark.slow
def test_a_trusted_file_is_found_although_nothing_else_is(tmp_path: Path) -> None:
    layers = f"{MARK}from torch import nn\nclass Layer(nn.Softsign): pass\n"
    (tmp_path / "layers_there.py").write_text(layers, encoding="utf-8")
    (tmp_path / "dill.py").write_text(MARK, encoding="utf-8")
    (tmp_path / "spec.yaml").write_text(SPEC.replace("torch.nn.Softsign", "layers_there.Layer"), encoding="utf-8")
    assert run(tmp_path, "-m", "stackc", "check", "spec.yaml", "--trust", "layers_there") == {"layers_there"}


@pytest.fixture
def siblings(tmp_path: Path) -> Iterator[Path]:
    """Yield a folder with a spec whose class needs a module beside it; forget both modules afterwards."""
    spec = SPEC.replace("torch.nn.Softsign", "layers_sib.Layer")
    (tmp_path / "spec.yaml").write_text(spec, encoding="utf-8")
    (tmp_path / "helper_sib.py").write_text(f"{MARK}factor = 2\n", encoding="utf-8")
    yield tmp_path
    for name in ("layers_sib", "helper_sib"):
        sys.modules.pop(name, None)


EARLY = """\
import helper_sib
from torch import nn
class Layer(nn.Module):
    def forward(self, x):
        return x * helper_sib.factor
"""
LATE = """\
from torch import nn
class Layer(nn.Module):
    def forward(self, x):
        from helper_sib import factor
        return x * factor
"""


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        (EARLY, "layers_sib cannot be imported: it imports 'helper_sib', which is code that is not trusted to run"),
        (LATE, "'a' (layers_sib.Layer): it imports 'helper_sib', which is code that is not trusted to run"),
    ],
    ids=["early", "late"],
)
def test_an_untrusted_sibling_is_named(siblings: Path, layers: str, message: str) -> None:
    (siblings / "layers_sib.py").write_text(layers, encoding="utf-8")
    with pytest.raises(SpecError) as caught:
        stackc.check(siblings / "spec.yaml", trust=["layers_sib"])
    (diagnostic,) = caught.value.diagnostics
    hint = "`--trust layers_sib,helper_sib` lets it run"
    assert (diagnostic.code, diagnostic.message, diagnostic.hint) == ("N316", message, hint)
    assert not (siblings / "helper_sib.py.ran").exists()

    sys.modules.pop("layers_sib", None)
    assert stackc.check(siblings / "spec.yaml", trust=["layers_sib", "helper_sib"])
    assert (siblings / "helper_sib.py.ran").exists()


@pytest.mark.parametrize("trust", [["layers_sib", "helper_sib"], ["layers_sib"], ["torch"], []])
def test_the_api_leaves_the_import_path_alone(siblings: Path, trust: list[str]) -> None:
    (siblings / "layers_sib.py").write_text(EARLY, encoding="utf-8")
    before = list(sys.path), list(sys.meta_path)
    sound = trust == ["layers_sib", "helper_sib"]
    with contextlib.nullcontext() if sound else pytest.raises(SpecError):
        stackc.check(siblings / "spec.yaml", trust=trust)
    assert (list(sys.path), list(sys.meta_path)) == before


@pytest.mark.parametrize("file", ["part.py", "inner/part.py", "part.abi3.so", "part.pyc"])
def test_a_package_without_init_is_named_wherever_its_code_is(siblings: Path, file: str) -> None:
    (siblings / "layers_sib.py").write_text("import spread_sib.inner.part\n", encoding="utf-8")
    (siblings / "spread_sib" / "inner").mkdir(parents=True)
    (siblings / "spread_sib" / file).touch()
    with pytest.raises(SpecError) as caught:
        stackc.check(siblings / "spec.yaml", trust=["layers_sib"])
    (diagnostic,) = caught.value.diagnostics
    assert (diagnostic.code, diagnostic.hint) == ("N316", "`--trust layers_sib,spread_sib` lets it run")


def test_a_missing_package_stays_missing(siblings: Path) -> None:
    """A folder of data beside the spec that is named like a package is no reason to propose trust."""
    (siblings / "layers_sib.py").write_text("import absent_sib\n", encoding="utf-8")
    (siblings / "absent_sib").mkdir()
    with pytest.raises(SpecError) as caught:
        stackc.check(siblings / "spec.yaml", trust=["layers_sib"])
    (diagnostic,) = caught.value.diagnostics
    assert (diagnostic.code, diagnostic.hint) == ("N317", "install the missing module")
