"""The tables of reserved names, against PyTorch. Those of Mermaid are tested in test_mermaid_judge.py."""

import subprocess
import sys

import pytest
from torch import nn

from stackc.core.diagnostics import Collector, Span
from stackc.spec.names import MODULE_NAMES, check_name


def problems(name: str) -> str:
    check_name(name, "a node", Span("x", 1), diagnostics := Collector())
    return "; ".join(f"{diagnostic.message} | {diagnostic.hint}" for diagnostic in diagnostics.diagnostics)


@pytest.mark.slow
def test_every_attribute_of_a_module_is_reserved() -> None:
    """In its own process, since other libraries add attributes to nn.Module."""
    code = "from torch import nn; print(*(name for name in dir(nn.Module()) if not name.startswith('__')))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) <= MODULE_NAMES


@pytest.mark.parametrize("name", sorted(MODULE_NAMES - {"parametrizations"}))
def test_pytorch_refuses_reserved_names(name: str) -> None:
    """All but `parametrizations`, under which PyTorch keeps the parameters of a reparametrized module."""
    if hasattr(nn.Module(), name):  # older versions of PyTorch lack some
        with pytest.raises(KeyError, match="already exists"):
            nn.Module().add_module(name, nn.Identity())


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("to", "'to' is not a valid name for a node: PyTorch reserves it | rename it to 'to_'"),
        ("_modules", "'_modules' is not a valid name for a node: PyTorch reserves it | rename it to 'modules_'"),
        ("__x__", "'__x__' is not a valid name for a node: PyTorch reserves it | rename it to 'x_'"),
        ("_self", "'_self' is not a valid name for a node: Mermaid reserves it | rename it to 'self_'"),
        (
            "a.b",
            "'a.b' is not a valid name for a node | "
            "write 'a_b': names have letters (of any script), digits, '_' and '-'",
        ),
        ("default", ""),
        ("direction", ""),
        ("_x", ""),
        ("子模型-1", ""),
    ],
)
def test_names(name: str, message: str) -> None:
    assert problems(name) == message
