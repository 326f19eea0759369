"""A module is held to numbers that PyTorch modules of the original recorded, and fails by name where it differs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from stackc.core.diagnostics import SpecError
from stackc.core.progress import no_progress
from stackc.frontend import check_spec
from stackc.pipeline import Options, build, lower_with_weights
from stackc.proof.components import Reference
from stackc.proof.reference_vectors import hold_to_original

SPEC = """\
stackc: 1
name: small
dims: {seq: {min: 2, max: 64}}
inputs:
  x: {shape: [batch, seq, 8]}
  mask: {dtype: int64, shape: [batch, seq], values: [0, 1]}
graph: |
  x --> up[linear] --> act[gelu] --> norm[layer_norm] --> pool[mean_pool] --> y[linear]
  mask -->|mask| pool
nodes: {up: {out: 16}, act: {approximate: tanh}, norm: {eps: 1e-5}, y: {out: 3}}
weights: {file: w.safetensors, reference: vectors.npz}
"""


class Original(nn.Module):
    """The same in plain PyTorch."""

    def __init__(self) -> None:
        super().__init__()
        self.up, self.norm, self.y = nn.Linear(8, 16), nn.LayerNorm(16), nn.Linear(16, 3)

    def forward(self, x: Tensor, mask: Tensor) -> dict[str, Tensor]:
        act = nn.functional.gelu(self.up(x), approximate="tanh")
        weights = mask.to(x.dtype)[..., None]
        pooled = (self.norm(act) * weights).sum(1) / weights.sum(1)
        return {"act": act, "y": self.y(pooled)}


@pytest.fixture
def original(tmp_path: Path) -> Original:
    torch.manual_seed(0)
    module = Original()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.normal_()
    save_file(module.state_dict(), tmp_path / "w.safetensors")
    return module


def recorded(module: Original, folder: Path, dtype: torch.dtype = torch.float32, *, case: str = "") -> dict[str, Any]:
    """Record a forward pass in `dtype` and write it beside the spec; "act" is a value inside the model."""
    random = np.random.default_rng(0)
    x, mask = random.standard_normal((2, 5, 8)).astype(np.float32), np.ones((2, 5), np.int64)
    mask[1, 3:] = 0
    with torch.no_grad():
        outputs = module.to(dtype)(torch.from_numpy(x).to(dtype), torch.from_numpy(mask))
    arrays = {f"{case}input.x": x, f"{case}input.mask": mask}
    arrays |= {f"{case}output.{name}": tensor.numpy() for name, tensor in outputs.items()}
    np.savez(folder / "vectors.npz", **arrays)  # type: ignore[arg-type]  # names are no options
    module.to(torch.float32)
    return arrays


def held(folder: Path, spec: str = SPEC) -> list[tuple[str, str]]:
    """Return the case and the name of each row."""
    (folder / "small.yaml").write_text(spec, encoding="utf-8")
    checked = check_spec(folder / "small.yaml")
    reference = Reference.of(lower_with_weights(checked, None, 0))
    rows = hold_to_original(checked, reference, None, no_progress, random_weights=False)
    assert all(row.verdict.numbers and row.verdict.onnx <= row.verdict.allowed for row in rows)
    return [(row.case, row.output) for row in rows]


def refused(folder: Path, spec: str = SPEC) -> list[str]:
    with pytest.raises(SpecError) as caught:
        held(folder, spec)
    return [f"{d.span.line if d.span else 0} {d.code} {d.message}" for d in caught.value.diagnostics]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_same_function_passes(dtype: torch.dtype, original: Original, tmp_path: Path) -> None:
    recorded(original, tmp_path, dtype)
    assert held(tmp_path) == [("", "act"), ("", "y")]  # in running order


def test_bare_names_and_labels(original: Original, tmp_path: Path) -> None:
    arrays = recorded(original, tmp_path)
    bare = {key.partition(".")[2]: array for key, array in arrays.items() if key != "output.act"}
    np.savez(tmp_path / "vectors.npz", **bare)
    assert held(tmp_path) == [("", "y")]
    labelled = {f"{case}/{key}": array for case in ("short", "long") for key, array in arrays.items()}
    np.savez(tmp_path / "vectors.npz", **labelled)
    assert held(tmp_path) == [(case, name) for case in ("short", "long") for name in ("act", "y")]


@pytest.mark.parametrize(
    ("right", "wrong", "lines"),
    [
        ("approximate: tanh", "approximate: none", [("8", "act"), ("8", "y")]),
        ("norm: {eps: 1e-5}", "norm: {eps: 1e-4}", [("8", "y")]),
        ("[layer_norm]", "[rms_norm]", None),
    ],
)
def test_another_function_fails_from_where_it_differs(
    right: str, wrong: str, lines: list[tuple[str, str]] | None, original: Original, tmp_path: Path
) -> None:
    """GELU and its approximation differ by 5e-4, an eps in the fifth digit: both were proven, and wrong."""
    recorded(original, tmp_path)
    spec = SPEC.replace(right, wrong)
    if lines is None:  # the file has a bias more
        spec = spec.replace("reference:", "ignore: [norm.bias], reference:")
    problems = refused(tmp_path, spec)
    names = [(line.split(" ")[0], line.split("'")[1]) for line in problems]
    assert names == (lines or [("8", "y")])
    assert all("P710" in line and "is not what the original computes" in line for line in problems)


def test_swapped_rows_of_a_matrix_fail(original: Original, tmp_path: Path) -> None:
    recorded(original, tmp_path)
    state = original.state_dict()
    state["up.weight"] = state["up.weight"].flip(0).contiguous()
    save_file(state, tmp_path / "w.safetensors")
    assert [line.split("'")[1] for line in refused(tmp_path)] == ["act", "y"]


def test_half_precision_needs_a_budget(original: Original, tmp_path: Path) -> None:
    arrays = recorded(original, tmp_path, torch.float64)
    halves = {key: array.astype(np.float16) if key.startswith("output") else array for key, array in arrays.items()}
    np.savez(tmp_path / "vectors.npz", **halves)
    assert refused(tmp_path) == [
        f"11 W809 'output.{name}' in vectors.npz is float16, which the rule of the proof does not hold to"
        for name in ("act", "y")
    ]
    budget = SPEC.replace("reference: vectors.npz", "reference: {file: vectors.npz, budget: 0.001}")
    assert held(tmp_path, budget) == [("", "act"), ("", "y")]
    assert len(refused(tmp_path, budget.replace("0.001", "0.00001"))) == 2


def test_nan_was_not_recorded_by_a_sound_original(original: Original, tmp_path: Path) -> None:
    arrays = recorded(original, tmp_path)
    arrays["output.y"][0, 0] = np.nan
    np.savez(tmp_path / "vectors.npz", **arrays)
    assert len(refused(tmp_path)) == 1
    budget = SPEC.replace("reference: vectors.npz", "reference: {file: vectors.npz, budget: 0.5}")
    assert len(refused(tmp_path, budget)) == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"output.z": np.ones(3)}, "11 W809 vectors.npz has 'output.z', which is no input or output"),
        ({"input.y": np.ones(3)}, "11 W809 vectors.npz has 'input.y', which is no input or output"),
        ({"z": np.ones(3)}, "11 W809 vectors.npz has 'z', which is no input or output"),
        ({"input.x": np.ones((2, 5, 9), np.float32)}, "11 W809 vectors.npz: axis 2 of input 'x' must be 8, but is 9"),
        ({"input.x": np.ones((2, 5, 8), np.int64)}, "11 W809 vectors.npz: input 'x' takes float32, not int64"),
        ({"input.mask": None}, "11 W809 vectors.npz: input 'mask' is missing"),
        ({"output.y": None, "output.act": None}, "11 W809 vectors.npz has no output"),
        ({"output.y": np.ones((2, 4), np.float32)},
         "8 P710 'y' is not what the original computes: by vectors.npz it has shape [2, 4] there, and [2, 3] here"),
    ],
)  # fmt: skip
def test_a_file_that_does_not_fit(change: dict[str, Any], message: str, original: Original, tmp_path: Path) -> None:
    arrays = {**recorded(original, tmp_path), **change}
    np.savez(tmp_path / "vectors.npz", **{key: array for key, array in arrays.items() if array is not None})
    assert refused(tmp_path) == [message]


@pytest.mark.slow
def test_a_build_is_held_to_it(original: Original, tmp_path: Path) -> None:
    recorded(original, tmp_path)
    (tmp_path / "small.yaml").write_text(SPEC, encoding="utf-8")
    lines: dict[str, str] = {}
    options = Options(out=tmp_path / "out", measure=False)
    built = build(tmp_path / "small.yaml", options, lambda stage, summary: lines.update({stage: summary}))
    assert lines["original"].startswith("the module computes the 2 recorded values of vectors.npz, within ")
    rows = json.loads((built.folder / "parity.json").read_text(encoding="utf-8"))["reference"]
    assert [row["output"] for row in rows] == ["act", "y"]
    assert json.loads((built.folder / "manifest.json").read_text(encoding="utf-8"))["parity"]["reference"] == rows
    page = (built.folder / "report.html").read_text(encoding="utf-8")
    assert "<h2>The original</h2>" in page
    assert "<td>act<td" in page

    # another function is refused, and the artifact stays
    (tmp_path / "small.yaml").write_text(SPEC.replace("tanh}", "none}"), encoding="utf-8")
    before = (built.folder / "manifest.json").read_bytes()
    with pytest.raises(SpecError, match="P710"):
        build(tmp_path / "small.yaml", options)
    assert (built.folder / "manifest.json").read_bytes() == before
