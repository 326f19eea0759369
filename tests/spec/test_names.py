"""The table of names that are taken, against those who have taken them. Mermaid's are in test_mermaid_judge.py."""

import subprocess
import sys

import pytest
from torch import nn

from stackc.core.diagnostics import Collector, Span
from stackc.spec.names import MODULE_NAMES, check_name


def found(name: str) -> str:
    check_name(name, "a node", Span("x", 1), collector := Collector())
    return "; ".join(f"{diagnostic.message} | {diagnostic.hint}" for diagnostic in collector.diagnostics)


def test_every_attribute_of_a_module_is_taken() -> None:
    """In a process of its own: other libraries add attributes to nn.Module, and then these are not PyTorch's."""
    code = "from torch import nn; print(*(name for name in dir(nn.Module()) if not name.startswith('__')))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) <= MODULE_NAMES


@pytest.mark.parametrize("name", sorted(MODULE_NAMES - {"parametrizations"}))
def test_pytorch_refuses_what_is_taken(name: str) -> None:
    """All but `parametrizations`, under which PyTorch keeps the parameters of a reparametrized module."""
    if hasattr(nn.Module(), name):  # older versions of PyTorch lack some
        with pytest.raises(KeyError, match="already exists"):
            nn.Module().add_module(name, nn.Identity())


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("to", "'to' cannot be the name of a node: PyTorch has taken it | call it 'to_'"),
        ("_modules", "'_modules' cannot be the name of a node: PyTorch has taken it | call it 'modules_'"),
        ("__x__", "'__x__' cannot be the name of a node: PyTorch has taken it | call it 'x_'"),
        ("_self", "'_self' cannot be the name of a node: Mermaid has taken it | call it 'self_'"),
        ("a.b", "'a.b' cannot be the name of a node | use letters, digits, '_' and '-', of any script"),
        ("default", ""),
        ("direction", ""),
        ("_x", ""),
        ("子模型-1", ""),
    ],
)
def test_names(name: str, message: str) -> None:
    assert found(name) == message
