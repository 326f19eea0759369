"""Imports: checking a spec loads nothing heavy; between rooms and modules they run one way, without circles."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import networkx as nx
import pytest

import stackc

PACKAGE = Path(stackc.__file__).parent
SPECS = Path(__file__).parents[1] / "specs"
HEAVY = {"torch", "onnx", "onnxruntime", "onnxscript", "onnx_ir", "transformers", "numpy"}

ROOMS = [
    *("_version", "core", "spec", "modules", "components", "ir", "resolve", "typecheck", "dataflow", "transforms"),
    *("weights", "view", "frontend", "runtime", "torch_backend", "onnx_format", "cache", "export", "proof", "timing"),
    *("precision", "artifact", "out_of_memory", "training", "tuning", "pipeline", "benchmark", "analysis", "hub"),
    *("generation", "deployment", "reduction", "attribution", "authoring", "__init__", "cli", "__main__"),
]
"""The rooms in the order of the pipeline: each imports itself and rooms before it. `__init__` is the public API."""


@dataclass(frozen=True)
class Import:
    """One import of a module of stackc: dotted names below `stackc`, "" for the package itself."""

    source: str
    line: int
    target: str

    def __str__(self) -> str:
        return f"{self.source or '__init__'}:{self.line} imports {self.target or '__init__'}"


def room(module: str) -> str:
    """The room of a module."""
    return module.partition(".")[0] or "__init__"


def imports_of(sources: Mapping[str, str]) -> list[Import]:
    """Every import between modules, in functions and under TYPE_CHECKING too; a package stands for its `__init__`."""
    return [found for module, text in sources.items() for found in _imports(module, text, sources)]


def _imports(module: str, text: str, sources: Mapping[str, str]) -> Iterator[Import]:
    for node in ast.walk(ast.parse(text)):
        if not isinstance(node, (ast.Import, ast.ImportFrom)):
            continue
        targets: list[str] = []
        if isinstance(node, ast.ImportFrom):
            if (node.module or "").partition(".")[0] != "stackc":
                continue
            package = (node.module or "").removeprefix("stackc").removeprefix(".")
            for alias in node.names:
                submodule = f"{package}.{alias.name}".removeprefix(".")
                targets.append(submodule if submodule in sources else package)
        else:
            names = [alias.name for alias in node.names if alias.name.partition(".")[0] == "stackc"]
            targets = [name.removeprefix("stackc").removeprefix(".") for name in names]
        for target in dict.fromkeys(targets):
            yield Import(module, node.lineno, target)


def upward(imports: list[Import]) -> list[str]:
    """Imports of a later room."""
    return [str(each) for each in imports if ROOMS.index(room(each.target)) > ROOMS.index(room(each.source))]


def circles(imports: list[Import], name: str) -> list[list[str]]:
    """Circles among rooms, or among modules."""
    graph: nx.DiGraph[str] = nx.DiGraph()
    for each in imports:
        ends = (room(each.source), room(each.target)) if name == "rooms" else (each.source, each.target)
        if ends[0] != ends[1]:
            graph.add_edge(*ends)
    return [sorted(group) for group in nx.strongly_connected_components(graph) if len(group) > 1]


def sources() -> dict[str, str]:
    """The text of every module by its dotted name below `stackc`."""
    texts = {}
    for path in PACKAGE.rglob("*.py"):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        texts[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path.read_text(encoding="utf-8")
    return texts


def loaded_by(statement: str) -> set[str]:
    code = f"{statement}\nimport sys; print(*sorted({{name.split('.')[0] for name in sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split())


@pytest.mark.slow
def test_checking_a_spec_loads_nothing_heavy() -> None:
    """Specs are checked one after the other in one process: the first that loads something is the one named."""
    code = f"""
import sys
from pathlib import Path
from stackc.frontend import check_spec

for path in sorted(Path({str(SPECS)!r}).iterdir()):
    check_spec(path).cost
    loaded = {HEAVY!r} & {{name.split('.')[0] for name in sys.modules}}
    assert not loaded, (path.name, loaded)
print(len(list(Path({str(SPECS)!r}).iterdir())), end="")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == str(len(list(SPECS.iterdir())))


def test_a_spec_without_train_loads_nothing_of_training(tmp_path: Path) -> None:
    text = "stackc: 1\ninputs: {x: {shape: [batch, 8]}}\ngraph: x --> y[linear]\nnodes: {y: {out: 4}}\n"
    train = """train:
  graph: |
    y --> loss[mse]
    y -->|target| loss
  data: {batch: 8}
  steps: 1
"""
    for name, more, expected in (("without", "", False), ("with", train, True)):
        (tmp_path / f"{name}.yaml").write_text(text + more, encoding="utf-8")
        code = f"""
import sys
from pathlib import Path
from stackc.frontend import check_spec
check_spec(Path({str(tmp_path / name)!r} + ".yaml"))
print(any("train" in module or "optimizers" in module for module in sys.modules), end="")
"""
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert done.stdout == str(expected)


def test_help_loads_click_and_nothing_of_the_compiler() -> None:
    code = "from click.testing import CliRunner; from stackc.cli import cli; CliRunner().invoke(cli, ['--help'])"
    assert not loaded_by(code) & (HEAVY | {"networkx", "yaml", "rich"})


def test_every_module_is_in_a_room() -> None:
    assert {room(module) for module in sources()} <= {*ROOMS}


def test_imports_run_one_way() -> None:
    assert upward(imports_of(sources())) == []


@pytest.mark.parametrize("name", ["rooms", "modules"])
def test_there_is_no_circle(name: str) -> None:
    assert circles(imports_of(sources()), name) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("core.types", "from stackc.spec.document import Document"),
        ("spec", "from stackc.ir.model import Graph"),
        ("", "from stackc.cli import cli"),
        ("typecheck.infer", "def late():\n    from stackc.pipeline import build"),
        ("frontend", "import stackc.pipeline"),
        ("core", "from stackc import __version__"),
        ("core", "import stackc"),
        ("export.link", "if TYPE_CHECKING:\n    from stackc.proof.report import Parity"),
    ],
)
def test_a_planted_upward_import_is_found(module: str, line: str) -> None:
    planted = imports_of({**sources(), module: line})
    assert [found.partition(":")[0] for found in upward(planted)] == [module or "__init__"]


def test_a_planted_circle_is_found() -> None:
    texts = sources()
    texts["core.types"] = "from stackc.core.suggestions import closest"
    texts["core.suggestions"] = "from stackc.core.types import Dim"
    assert circles(imports_of(texts), "modules") == [["core.suggestions", "core.types"]]
    texts["view"] = "from stackc.frontend import Checked"
    texts["frontend"] = "from stackc.view.svg import draw_svg"
    assert ["frontend", "view"] in circles(imports_of(texts), "rooms")


def test_no_module_at_the_top_has_the_name_of_a_public_function() -> None:
    """Once such a module is imported, `stackc.NAME` would be the module, and calling it a TypeError."""
    top = {path.stem for path in PACKAGE.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}
    assert not top & {*stackc.__all__}


def test_modules_can_stand_alone() -> None:
    """`show --as torch` prints them as they are: they know PyTorch and each other, and nothing else of stackc."""
    for path in (PACKAGE / "modules").glob("*.py"):
        lines = path.read_text(encoding="utf-8").split('"""', 2)[2].splitlines()
        assert not [line for line in lines if "stackc" in line and not line.startswith("from stackc.modules.")], path
