"""The first release of ONNX Runtime for a file: what was measured, see tests/benchmarks/compatibility.py."""

import onnx
import pytest

from stackc.export.objects import IR_VERSION
from stackc.runtime.compatibility import IR_VERSIONS, OPERATORS, OPSETS, first_release

PLAIN = {("", "MatMul"), ("", "Relu")}


@pytest.mark.parametrize(("opset", "release"), [(18, "1.18"), (21, "1.18"), (22, "1.21"), (23, "1.23")])
def test_by_opset(opset: int, release: str) -> None:
    assert first_release(IR_VERSION, opset, PLAIN) == release


@pytest.mark.parametrize(
    ("operator", "release"), [(("", "Trilu"), "1.19"), (("com.microsoft", "MultiHeadAttention"), "1.21")]
)
def test_an_operator_can_need_a_later_one(operator: tuple[str, str], release: str) -> None:
    assert first_release(IR_VERSION, 18, {*PLAIN, operator}) == release
    assert first_release(IR_VERSION, 23, {*PLAIN, operator}) == "1.23"


def test_every_opset_that_build_offers_is_known() -> None:
    from stackc.cli.build import command

    (option,) = (parameter for parameter in command.params if parameter.name == "opset")
    assert set(OPSETS) == set(range(option.type.min, option.type.max + 1))  # type: ignore[attr-defined]  # an IntRange
    assert IR_VERSION in IR_VERSIONS


def test_every_operator_is_one() -> None:
    for domain, name in OPERATORS:
        assert domain == "com.microsoft" or onnx.defs.has(name, domain)
