"""The parameters of an artifact, read back from its model, are those of the module, bit for bit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

import stackc
from stackc.artifact.folder import MODEL
from stackc.artifact.stored_weights import open_all_weights
from stackc.core.diagnostics import SpecError
from stackc.pipeline import Options, build
from stackc.weights.files import open_weights

SPEC = """\
stackc: 1
name: parts
inputs: {ids: {dtype: int64, shape: [batch, seq], below: 11}}
graph: ids --> embed[embedding] --> square[linear] --> attn[attention] --> norm[layer_norm] --> head[linear]
nodes:
  embed: {vocab: 11, dim: 8}
  square: {out: 8}
  attn: {heads: 2}
  head: {out: 11, bias: false, tie: {weight: embed.weight}}
"""


def built(folder: Path, spec: str = SPEC) -> Path:
    (folder / "spec.yaml").write_text(spec, encoding="utf-8")
    return build(folder / "spec.yaml", Options(out=folder / "exported", verify=False, measure=False)).folder


@pytest.mark.slow
def test_what_was_moved_is_moved_back(tmp_path: Path) -> None:
    artifact = built(tmp_path)
    state = stackc.module(tmp_path / "spec.yaml", seed=0).state_dict()
    for path in (artifact, artifact / MODEL):
        file = open_all_weights(path)
        assert {*file.shapes} == {*state} - {"head.weight"}
        for name in file.shapes:
            np.testing.assert_array_equal(file.read(name), state[name].numpy(), err_msg=name)

    # a spec continues with them, and its own file is the same again
    again = stackc.build(tmp_path / "spec.yaml", Options(weights=artifact, out=tmp_path / "again", verify=False))
    assert (again.folder / MODEL).read_bytes() == (artifact / MODEL).read_bytes()

    # its initializers are no parameters: the square matrix lies there transposed
    with pytest.raises(SpecError, match="it is a model of stackc"):
        open_weights(artifact / MODEL)
    with pytest.raises(SpecError, match="it is a model of stackc"):
        open_weights(artifact)


@pytest.mark.slow
def test_what_was_negated_is_negated_back(tmp_path: Path) -> None:
    """The model subtracts the running mean of a batch norm by adding its negative."""
    spec = "stackc: 1\nname: normed\ninputs: {x: {shape: [batch, 4]}}\ngraph: x --> y[batch_norm]\n"
    (tmp_path / "spec.yaml").write_text(spec, encoding="utf-8")
    mean = np.array([1.5, -2.0, 0.0, 3.0], np.float32)
    tensors = {"y.weight": mean + 4, "y.bias": mean + 8, "y.running_mean": mean, "y.running_var": mean + 16}
    np.savez(tmp_path / "weights.npz", allow_pickle=False, **tensors)

    options = Options(weights=tmp_path / "weights.npz", out=tmp_path, verify=False)
    file = open_all_weights(build(tmp_path / "spec.yaml", options).folder)
    for name, tensor in tensors.items():
        np.testing.assert_array_equal(file.read(name), tensor, err_msg=name)


NORMED = """\
stackc: 1
name: normed
inputs: {x: {shape: [batch, seq, 8]}}
graph: x --> up[linear] --> attn[attention] --> turned[transpose] --> conv[conv1d] --> back[transpose] --> wide[linear]
nodes:
  up: {out: 12, reparam: {weight: {weight_norm: {axis: 1}}}}
  attn: {heads: 2, reparam: {q.weight: {weight_norm: {axis: 0}}, v.weight: {weight_norm: {axis: 0}}}}
  conv: {out: 5, kernel: 3, padding: 1, reparam: {weight: {weight_norm: {axis: 0}}}}
  wide: {out: 600, reparam: {weight: {weight_norm: {axis: 0}}}}
"""


@pytest.mark.slow
def test_a_weight_under_weight_norm_is_taken_apart_anew(tmp_path: Path) -> None:
    """As torch.nn.utils.parametrizations.weight_norm does it with a plain weight: v is the weight, g its norms."""
    artifact = built(tmp_path, NORMED)
    original = stackc.module(tmp_path / "spec.yaml", seed=0).eval()
    again = stackc.module(tmp_path / "spec.yaml", weights=artifact).eval()
    x = torch.randn(2, 5, 8)
    torch.testing.assert_close(again(x), original(x), rtol=1e-5, atol=1e-6)

    for path in ("up", "attn.q", "conv", "wide"):
        layer = original.get_submodule(path)
        assert isinstance(layer.weight, Tensor)
        weight = layer.weight.detach()
        parts = [again.get_parameter(f"{path}.parametrizations.weight.original{number}") for number in range(2)]
        norms, direction = (part.detach() for part in parts)
        np.testing.assert_allclose(direction, weight, rtol=1e-6)
        axes = tuple(axis for axis, size in enumerate(norms.shape) if size == 1)
        np.testing.assert_allclose(norms, weight.norm(dim=axes, keepdim=True), rtol=1e-6)


@pytest.mark.slow
def test_what_was_calculated_cannot_be_read_back(tmp_path: Path) -> None:
    spec = "stackc: 1\nname: normed\ninputs: {x: {shape: [batch, 4]}}\ngraph: x --> y[linear]\n"
    artifact = built(tmp_path, f"{spec}nodes: {{y: {{out: 3, reparam: {{weight: spectral_norm}}}}}}\n")
    with pytest.raises(SpecError, match="W804") as caught:
        open_all_weights(artifact)
    (problem,) = caught.value.diagnostics
    assert problem.message.startswith("'y.parametrizations.weight.original' cannot be read back from ")
