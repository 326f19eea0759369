"""Private APIs of PyTorch and ONNX Runtime are used in one home each, so that a new release is one file to look at."""

from __future__ import annotations

import ast
import re
from contextlib import nullcontext
from importlib import import_module
from pathlib import Path

import pytest
import torch

import stackc
from stackc.core import torch_internals

PACKAGE = Path(stackc.__file__).parent
HOMES = {"torch": "core/torch_internals.py", "onnxruntime": "runtime/onnxruntime_internals.py"}
"""The file, below the package, that may use private APIs of a library."""

EXCEPTIONS = {
    # a module that `show --as torch` prints can import nothing of stackc; torch.nn.LSTM has no other way to its weights
    "modules/recurrent.py": {"_flat_weights", "_flat_weights_names"},
    # as above; the operator that an exporter keeps as one Scan has no public name yet, and is in torch 2.9 and 2.14
    "modules/scan.py": {"torch._higher_order_ops.scan.scan_op"},
}
"""Private uses outside of the homes, by file, with the reason."""

UNDERSCORED = re.compile(r"_[A-Za-z]")
TORCH_ATTRIBUTES = {"_version", "_flat_weights", "_flat_weights_names", "shape_env", "expr"}
"""Attributes of PyTorch's objects that its documentation does not have; `expr` is one on a `.node` alone."""
ORT_ATTRIBUTES = {"_sess", "capi", "onnxruntime_pybind11_state"}
TORCH_CLASSES = (torch.nn.Module, torch.Tensor, torch_internals.TorchDispatchMode, torch.optim.Optimizer)
TORCH_METHODS = {name for base in TORCH_CLASSES for name in dir(base) if re.match("_[a-z]", name)}
"""Private methods of the classes that stackc extends: one that is defined again overrides PyTorch's."""
PUBLIC = {"torch._check"}
"""Names that look private, and that PyTorch's documentation of dynamic shapes asks users to call."""


def is_private(name: str) -> bool:
    """Whether a dotted name of a library leads through something private or experimental."""
    parts = name.split(".")
    hidden = any(UNDERSCORED.match(part) for part in parts) or "experimental" in parts
    return parts[0] in HOMES and hidden and name not in PUBLIC


def private_uses(text: str) -> list[str]:
    """The private names that a module imports, reaches by attributes, or overrides."""
    uses: list[str] = []
    for node in ast.walk(ast.parse(text)):
        match node:
            case ast.Import(names=names):
                uses += [alias.name for alias in names if is_private(alias.name)]
            case ast.ImportFrom(module=str(module), names=names):
                dotted = (f"{module}.{alias.name}" for alias in names)
                uses += [name for name in dotted if is_private(name)]
            case ast.Attribute(value=ast.Attribute(attr=before), attr="expr"):
                uses += ["expr"] if before == "node" else []
            case ast.Attribute(attr=attribute) if attribute in (TORCH_ATTRIBUTES | ORT_ATTRIBUTES) - {"expr"}:
                uses.append(attribute)
            case ast.ClassDef(body=body):
                uses += [f.name for f in body if isinstance(f, ast.FunctionDef) and f.name in TORCH_METHODS]
            case ast.Attribute(value=ast.Name()) if is_private(ast.unparse(node)):
                uses.append(ast.unparse(node))
    return uses


def uses_outside_homes(sources: dict[str, str]) -> list[str]:
    """Every private use in a file that is not its library's home."""
    outside: list[str] = []
    for file, text in sources.items():
        for name in private_uses(text):
            library = "onnxruntime" if name in ORT_ATTRIBUTES or name.startswith("onnxruntime") else "torch"
            if file != HOMES[library] and name not in EXCEPTIONS.get(file, set()):
                outside.append(f"{file}: {name}")
    return outside


def sources() -> dict[str, str]:
    return {path.relative_to(PACKAGE).as_posix(): path.read_text(encoding="utf-8") for path in PACKAGE.rglob("*.py")}


@pytest.mark.slow
def test_private_apis_are_used_in_their_homes_alone() -> None:
    assert uses_outside_homes(sources()) == []


@pytest.mark.parametrize(
    ("file", "line", "name"),
    [
        ("export/batch.py", "from torch._subclasses.fake_tensor import FakeTensorMode", "FakeTensorMode"),
        ("export/batch.py", "import torch.fx.experimental._config as options", "_config"),
        ("torch_backend/lower.py", "def late():\n    import torch._dynamo", "_dynamo"),
        ("torch_backend/lower.py", "from torch import _C", "_C"),
        ("torch_backend/lower.py", "guard = torch._C.DisableTorchFunction()", "torch._C"),
        ("export/prepare.py", "count = tensor._version", "_version"),
        ("export/guards.py", "expression = size.node.expr", "expr"),
        ("runtime/onnxruntime_internals.py", "import torch._C", "torch._C"),
        ("core/torch_internals.py", "state = ort.capi", "capi"),
        ("proof/jitter.py", "class M(B):\n    def _should_skip_dynamo(cls): ...", "_should_skip_dynamo"),
        ("export/write.py", "inner = session._sess", "_sess"),
        ("benchmark/engines.py", "from onnxruntime.capi import _pybind_state", "_pybind_state"),
    ],
)
def test_a_planted_use_is_found(file: str, line: str, name: str) -> None:
    (use,) = uses_outside_homes({file: line})
    assert use.startswith(f"{file}: ")
    assert use.endswith(name)


def test_public_names_and_other_underscores_are_no_private_uses() -> None:
    text = (
        "import torch\nimport os\ntorch._check(True)\ntorch.export.export\nself._expr\nos._exit(0)\n__import__('torch')"
    )
    assert private_uses(text) == []


@pytest.mark.parametrize("name", torch_internals.MODULES)
def test_the_home_has_what_it_lists(name: str) -> None:
    """In the installed version of PyTorch, whichever that is."""
    assert getattr(torch_internals, name) is getattr(import_module(torch_internals.MODULES[name]), name)
    assert name in torch_internals.__all__


def test_in_place_writes_are_counted() -> None:
    x = torch.zeros(3)
    before = torch_internals.mutation_count(x)
    x += 1
    assert torch_internals.mutation_count(x) == before + 1


class Doubled(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cat([x, x])


def test_traced_sizes_are_expressions_in_an_environment() -> None:
    """And with `size_one_is_ordinary` no size is taken to be at least 2."""
    for context, least in ((torch_internals.size_one_is_ordinary(), 0), (nullcontext(), 2)):
        with context:
            program = torch.export.export(Doubled(), (torch.zeros(3),), dynamic_shapes=({0: torch.export.Dim.AUTO},))
        before, after = (node.meta["val"].shape[0] for node in program.graph.nodes if "val" in node.meta)
        symbol = torch_internals.size_expression(before)
        assert symbol.is_Symbol
        assert torch_internals.size_expression(after) == 2 * symbol
        assert torch_internals.shape_environment(before).var_to_range[symbol].lower == least


def test_the_home_has_nothing_else() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'Nothing'"):
        _ = torch_internals.Nothing
