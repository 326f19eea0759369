"""What importing costs: nothing left of lowering loads PyTorch, ONNX or ONNX Runtime; layers import downwards only."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "compiler" / "stackc"
SPECS = Path(__file__).parents[1] / "specs"
HEAVY = {"torch", "onnx", "onnxruntime", "onnxscript", "onnx_ir", "transformers"}

# The order of the design: a module imports from its own layer and from those before it.
LAYERS = [
    ["likeness"],
    ["diagnostics", "versions"],
    ["types"],
    ["spec"],
    ["modules"],
    ["components"],
    ["own"],
    ["guess"],
    ["graph"],
    ["reference"],
    ["starters", "watch"],
    ["emit", "schema", "outline", "front", "view", "lock", "runtime"],
    ["budget"],
    ["difference"],
    ["tensor_files", "weights", "staging", "manifest", "model_file", "artifact"],
    ["validity", "verify", "cache", "doctor"],
    ["export", "lower", "bench"],
    ["proof"],
    ["report_page", "memory"],
    ["build"],
    ["benchmark"],
    ["cli", "__main__"],
]
RANK = {name: rank for rank, layer in enumerate(LAYERS) for name in layer}


def loaded_by(statement: str) -> set[str]:
    code = f"{statement}\nimport sys; print(*sorted({{name.split('.')[0] for name in sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split())


@pytest.mark.parametrize("spec", sorted(SPECS.iterdir()), ids=lambda path: path.name)
def test_checking_a_spec_loads_nothing_heavy(spec: Path) -> None:
    code = f"from pathlib import Path; from stackc.front import check_spec; check_spec(Path({str(spec)!r})).cost"
    assert not loaded_by(code) & HEAVY


def test_help_loads_click_and_nothing_of_the_compiler() -> None:
    code = "from click.testing import CliRunner; from stackc.cli import cli; CliRunner().invoke(cli, ['--help'])"
    assert not loaded_by(code) & (HEAVY | {"numpy", "networkx", "yaml", "rich"})


def test_imports_run_one_way() -> None:
    wrong = []
    for path in SOURCE.rglob("*.py"):
        relative = path.relative_to(SOURCE)
        layer = relative.parts[0].removesuffix(".py")
        if layer == "__init__":
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("stackc."):
                imported = node.module.split(".")[1]
                if RANK[imported] > RANK[layer]:
                    wrong.append(f"{relative}:{node.lineno} imports {node.module}")
    assert not wrong


def test_modules_can_stand_alone() -> None:
    """`show --as torch` prints them as they are: they know PyTorch and nothing of stackc."""
    for path in (SOURCE / "modules").glob("*.py"):
        assert "stackc" not in path.read_text(encoding="utf-8").split('"""', 2)[2], path
