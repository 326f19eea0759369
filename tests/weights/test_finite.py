"""Weights that hold NaN or Inf are refused (W806), named and counted, unless the spec allows them by name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from stackc.core.diagnostics import SpecError
from stackc.pipeline import Options, build_until

SPEC = """\
stackc: 1
name: tiny
inputs: {x: {shape: [batch, 4]}}
graph: x --> up[linear] --> y[linear]
nodes: {up: {out: 5}, y: {out: 2}}
weights:
  map: {up.weight: first.weight}
"""


def weights() -> dict[str, np.ndarray]:
    random = np.random.default_rng(0)
    shapes = {"first.weight": (5, 4), "up.bias": (5,), "y.weight": (2, 5), "y.bias": (2,)}
    return {name: random.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()}


def refused(folder: Path, tensors: dict[str, np.ndarray], spec: str = SPEC) -> list[str]:
    """Return what `--until weights` says of the file; an empty list if it accepts it."""
    (folder / "tiny.yaml").write_text(spec, encoding="utf-8")
    np.savez(folder / "tiny.npz", **tensors)  # type: ignore[arg-type]  # names are no options
    try:
        build_until(folder / "tiny.yaml", "weights", Options(weights=folder / "tiny.npz"))
    except SpecError as error:
        return [f"{d.code} {d.message} | {d.hint}" for d in error.diagnostics]
    return []


def test_finite_weights_pass_even_if_their_sum_overflows(tmp_path: Path) -> None:
    tensors = weights()
    tensors["up.bias"][:] = 3e38
    assert refused(tmp_path, tensors) == []


def test_each_tensor_is_named_and_counted(tmp_path: Path) -> None:
    tensors = weights()
    tensors["first.weight"][3, 1] = np.nan
    tensors["first.weight"][4, 2] = np.inf
    tensors["y.bias"][1] = -np.inf
    assert refused(tmp_path, tensors) == [
        "W806 'up.weight' ('first.weight' in tiny.npz) has 1 NaN and 1 Inf among 20 numbers, the first at [3, 1] | "
        "fix the file, or allow it: `weights: {nonfinite: [first.weight]}`",
        "W806 'y.bias' in tiny.npz has 1 Inf among 2 numbers, the first at [1] | "
        "fix the file, or allow it: `weights: {nonfinite: [y.bias]}`",
    ]


def test_infinities_of_opposite_sign_do_not_cancel(tmp_path: Path) -> None:
    tensors = weights()
    tensors["y.bias"][:] = np.inf, -np.inf
    assert len(refused(tmp_path, tensors)) == 1


def test_a_number_beyond_float32_counts_as_read(tmp_path: Path) -> None:
    tensors = weights()
    tensors["y.bias"] = np.array([1e300, 0.0])
    (problem,) = refused(tmp_path, tensors)
    assert (
        "'y.bias' in tiny.npz has 1 Inf among 2 numbers, the first at [0]: numbers beyond those of float32" in problem
    )


@pytest.mark.parametrize("pattern", ["first.weight", "first.*"])
def test_what_the_spec_allows_is_accepted(pattern: str, tmp_path: Path) -> None:
    tensors = weights()
    tensors["first.weight"][0, 0] = np.nan
    assert refused(tmp_path, tensors, f"{SPEC}  nonfinite: [{pattern}]\n") == []


def test_a_wrong_file_is_listed_in_a_dozen_lines(tmp_path: Path) -> None:
    names = [f"n{i}" for i in range(15)]
    spec = "stackc: 1\nname: tiny\ninputs: {x: {shape: [batch, 1]}}\ngraph: x --> " + " --> ".join(
        f"{name}[linear]" for name in names
    )
    spec += "\nnodes:\n" + "".join(f"  {name}: {{out: 1, bias: false}}\n" for name in names)
    problems = refused(tmp_path, {f"{name}.weight": np.full((1, 1), np.nan, np.float32) for name in names}, spec)
    assert len(problems) == 13
    assert problems[-1].startswith("W806 … and 3 more of this kind")
