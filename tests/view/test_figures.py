"""Numbers and types as they stand in pictures."""

from __future__ import annotations

import pytest

from stackc.core.types import Dim, TensorType, shape
from stackc.view.figures import flops_text, parameters_text, type_text

BATCH, SEQ = Dim.symbol("batch"), Dim.symbol("seq")


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (1, "1 parameter"),
        (999, "999 parameters"),
        (1000, "1 k parameters"),
        (109_482_240, "109 M parameters"),
        (999_499, "999 k parameters"),
        (999_500, "1 M parameters"),
        (175_000_000_000, "175 G parameters"),
    ],
)
def test_parameters(number: int, text: str) -> None:
    assert parameters_text(number) == text


def test_flops_are_a_sum_of_products() -> None:
    assert flops_text(Dim.of(0)) == "0 FLOPs"
    attention = 2 * 1024 * SEQ * SEQ * BATCH + 3_014_656 * BATCH * SEQ
    assert flops_text(attention) == "3.01 M·batch·seq + 2.05 k·batch·seq² FLOPs"
    assert flops_text(BATCH * 512 - 16) == "-16 + 512·batch FLOPs"


def test_flops_of_many_terms_show_the_highest_degrees() -> None:
    many = BATCH + SEQ + BATCH * SEQ + SEQ * SEQ + BATCH * SEQ * SEQ
    assert flops_text(many) == "… + 1·batch·seq + 1·seq² + 1·batch·seq² FLOPs"


def test_a_product_of_quotients_keeps_its_parentheses() -> None:
    half, width = (Dim.symbol("h") + 1) // 2, (Dim.symbol("w") + 1) // 2
    assert flops_text(2 * half * width) == "2·((h + 1)//2)·((w + 1)//2) FLOPs"
    assert flops_text(half * half) == "1·((h + 1)//2)² FLOPs"


def test_a_dim_with_multiples_stands_for_itself() -> None:
    assert flops_text(Dim.symbol("h", 16) * 10) == "10·h FLOPs"


def test_float32_goes_without_saying() -> None:
    assert type_text(TensorType("float32", shape(BATCH, 3))) == "[batch, 3]"
    assert type_text(TensorType("int64", shape())) == "int64[]"
