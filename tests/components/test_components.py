"""Properties of every component: documentation, fields, and the cost of importing it."""

import subprocess
import sys
from pathlib import Path

import pytest

import stackc.components.families
from stackc.components import REGISTRY
from stackc.components.base import Component, Limit, SignatureError, require_divisor
from stackc.components.fields import fields_of
from stackc.core.types import Dim

OTHER_FIRST_PORTS = {"non_max_suppression": "boxes", "scaled_dot_product_attention": "query"}
"""First ports with the name that PyTorch and ONNX have for them."""


@pytest.fixture(params=sorted(REGISTRY))
def component(request: pytest.FixtureRequest) -> type[Component]:
    return REGISTRY[request.param]


def test_documentation_gives_formula_and_shapes(component: type[Component]) -> None:
    doc = component.__doc__ or ""
    assert doc.startswith("y"), "the formula comes first"
    assert "→ y: " in doc, "shapes of inputs and output"


def test_fields_are_documented(component: type[Component]) -> None:
    assert [name for name, field in fields_of(component).items() if not field.doc] == []


def test_defaults_are_legal(component: type[Component]) -> None:
    for field in fields_of(component).values():
        if not field.required:
            assert field.decode(field.default) == field.default


def test_first_port_is_x_and_always_connected(component: type[Component]) -> None:
    if not component.ports:
        assert component.op == "constant"
        return
    first, *others = component.ports
    assert (first.name, first.optional) == (OTHER_FIRST_PORTS.get(component.op, "x"), False)
    assert all(not port.variadic for port in component.ports[:-1]), "a variadic port takes all remaining arrows"
    assert len({first.name, *(port.name for port in others)}) == len(component.ports)


def test_every_family_file_is_imported() -> None:
    files = {path.stem for path in Path(stackc.components.families.__path__[0]).glob("*.py")} - {"__init__"}
    assert files == {component.family for component in REGISTRY.values()}


def test_import_loads_no_torch() -> None:
    code = "import sys, stackc.components, stackc.components.reparam; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    ("divisor", "size", "hint"),
    [
        (10, 768, "8 or 12 would work"),
        (7, 12, "6 or 12 would work"),
        (5, 4, "4 would work"),
        (2, 7, "1 or 7 would work"),
    ],
)
def test_error_indivisible_proposes_the_nearest_divisors(divisor: int, size: int, hint: str) -> None:
    with pytest.raises(SignatureError) as caught:
        require_divisor(divisor, size, field="heads", of="dim")
    error = caught.value
    assert error.message == f"heads {divisor} does not divide dim {size}"
    assert (error.code, error.field, error.hint) == ("T202", "heads", hint)


def test_packages_import_what_they_need_from_here() -> None:
    names = {"REGISTRY", "Component", "Port", "Signature", "SignatureError", "component", "construct"}
    names |= {"Along", "Followed", "Mixes", "Portion", "Reduces", "State"}
    assert set(stackc.components.__all__) == names
    assert all(hasattr(stackc.components, name) for name in names)


def test_limits_compare_by_value() -> None:
    assert Limit(Dim.symbol("seq"), "why", maximum=8) == Limit(Dim.symbol("seq"), "why", maximum=8)
