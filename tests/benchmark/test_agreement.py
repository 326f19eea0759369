"""Compare outputs: what counts as the same, and the errors if they differ."""

import math

import numpy as np
import pytest

from stackc.benchmark.agreement import compare_outputs
from stackc.core.diagnostics import SpecError

ODD = "the output 'y' has another shape, or NaN or Inf at other positions"
OUTPUTS = {"y": np.linspace(-2, 2, 100, dtype="float32"), "chosen": np.arange(200)}


def test_equal_outputs_compare_outputs() -> None:
    difference = compare_outputs("B", OUTPUTS, "A", OUTPUTS, 0.0)
    assert (difference.candidate, difference.against, difference.share) == ("B", "A", 0.0)


def test_the_difference_is_a_share_of_the_largest_number() -> None:
    off = {"y": OUTPUTS["y"] + np.float32(1e-3)}
    difference = compare_outputs("B", off, "A", OUTPUTS, 1e-3)
    assert difference.output == "y"
    assert difference.share == pytest.approx(5e-4, rel=1e-3), "1e-3 of 2"


def test_outputs_without_a_common_name_are_compared_by_position() -> None:
    assert compare_outputs("B", {"other": OUTPUTS["y"]}, "A", {"y": OUTPUTS["y"]}, 0.0).output == "y"


def test_a_few_whole_numbers_may_be_chosen_otherwise() -> None:
    chosen = OUTPUTS["chosen"].copy()
    chosen[:2] += 1
    assert compare_outputs("B", {"chosen": chosen}, "A", OUTPUTS, 1e-3).share == 0.01


def spoilt(name: str, index: int, value: float) -> dict[str, np.ndarray]:
    outputs = {name: array.copy() for name, array in OUTPUTS.items()}
    outputs[name][index] = value
    return outputs


@pytest.mark.parametrize(
    ("outputs", "message"),
    [
        (spoilt("y", 7, 0.0), "the output 'y' differs by 8.6e-01 of its largest number; 0.001 is allowed"),
        (spoilt("y", 7, math.nan), f"{ODD}; 0.001 is allowed"),
        ({"y": np.zeros(3, "float32")}, f"{ODD}; 0.001 is allowed"),
        ({"chosen": OUTPUTS["chosen"] + 1}, "the output 'chosen' differs in 1.0e+00 of its numbers; 0.01 is allowed"),
    ],
)  # fmt: skip
def test_error_other_outputs(outputs: dict[str, np.ndarray], message: str) -> None:
    with pytest.raises(SpecError) as raised:
        compare_outputs("B", outputs, "A", OUTPUTS, 1e-3)
    (diagnostic,) = raised.value.diagnostics
    assert (diagnostic.code, diagnostic.message) == ("R433", f"'B' does not compute the same as 'A': {message}")
    assert compare_outputs("B", outputs, "A", OUTPUTS, math.inf).candidate == "B", "anything is allowed then"


def test_error_nothing_compares() -> None:
    with pytest.raises(SpecError) as raised:
        compare_outputs("B", {"z": np.zeros(3)}, "A", OUTPUTS, 1e-3)
    assert str(raised.value) == "error[R433]: 'B' returns 'z', but 'A' returns 'y', 'chosen'"
