"""specs/ensemble.yaml and specs/deep_bert.yaml against the same models made of torch.nn's own layers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from stackc.artifact.folder import run_artifact
from stackc.frontend import Overrides, check_spec
from stackc.pipeline import Options, build
from stackc.torch_backend.lower import lower

pytestmark = pytest.mark.slow

SPECS = Path(__file__).parents[2] / "specs"
Weights = dict[str, Tensor]


def encoder_layer(weights: Weights, prefix: str, heads: int) -> nn.TransformerEncoderLayer:
    """torch.nn's encoder layer, post-norm with GELU, with the weights of a block of the specs."""
    width, hidden = weights[f"{prefix}.mlp.down.weight"].shape
    layer = nn.TransformerEncoderLayer(width, heads, hidden, activation="gelu", batch_first=True)
    names = {
        "linear1": "mlp.up",
        "linear2": "mlp.down",
        "norm1": "norm1",
        "norm2": "norm2",
        "self_attn.out_proj": "attn.out",
    }
    state = {
        f"{ours}.{p}": weights[f"{prefix}.{theirs}.{p}"] for ours, theirs in names.items() for p in ("weight", "bias")
    }
    for p in ("weight", "bias"):
        state[f"self_attn.in_proj_{p}"] = torch.cat([weights[f"{prefix}.attn.{n}.{p}"] for n in "qkv"])
    layer.load_state_dict(state)
    return layer.eval()


def embedded(weights: Weights, ids: Tensor) -> Tensor:
    return weights["word.weight"][ids] + weights["position.weight"][: ids.shape[1]]


def inputs() -> tuple[Tensor, Tensor]:
    """Ids and a mask with padding of different lengths."""
    random = torch.Generator().manual_seed(0)
    ids = torch.randint(0, 500, (3, 11), generator=random)
    return ids, (torch.arange(11) < torch.tensor([[11], [4], [1]])).long()


def built(spec: str, folder: Path, ids: Tensor, mask: Tensor) -> tuple[Weights, dict[str, np.ndarray]]:
    """The weights of a spec, and what its ONNX file makes of the inputs."""
    small = Overrides({"vocab": "500"})
    weights = lower(check_spec(SPECS / spec, small).typed).state_dict()
    artifact = build(
        SPECS / spec, Options(small, out=folder, verify=False, measure=False), lambda stage, found: None
    ).folder
    return weights, run_artifact(artifact, {"ids": ids.numpy(), "mask": mask.numpy()}, "cpu")


def test_several_bert_encoders_one_after_another(tmp_path: Path) -> None:
    ids, mask = inputs()
    weights, outputs = built("deep_bert.yaml", tmp_path, ids, mask)
    with torch.no_grad():
        x = embedded(weights, ids)
        between = []
        for i in range(3):
            for j in range(2):
                layer = encoder_layer(weights, f"deep.{i}.encoder.{j}", heads=2)
                x = layer(x, src_key_padding_mask=mask == 0)
            between.append(x)
            x = F.layer_norm(x, (128,), weights[f"deep.norm_{i}.weight"], weights[f"deep.norm_{i}.bias"])
    np.testing.assert_allclose(outputs["sentence"], x[:, 0].numpy(), rtol=0, atol=1e-5)
    kept = mask.bool().numpy()  # torch.nn's fast path leaves padded positions as they come
    np.testing.assert_allclose(outputs["first"][kept], between[0].numpy()[kept], rtol=0, atol=1e-5)


def test_three_different_encoders_side_by_side(tmp_path: Path) -> None:
    ids, mask = inputs()
    weights, outputs = built("ensemble.yaml", tmp_path, ids, mask)

    def linear(name: str, x: Tensor) -> Tensor:
        return F.linear(x, weights[f"{name}.weight"], weights.get(f"{name}.bias"))

    def grouped_attention(prefix: str, x: Tensor) -> Tensor:
        """Four query heads share two heads of keys and values, written out."""
        q, k, v = (linear(f"{prefix}.{n}", x).unflatten(-1, (-1, 64)).transpose(1, 2) for n in "qkv")
        k, v = k.repeat_interleave(2, dim=1), v.repeat_interleave(2, dim=1)
        scores = (q @ k.transpose(-1, -2) / 8).masked_fill(mask[:, None, None] == 0, -1e30)
        return linear(f"{prefix}.out", (scores.softmax(-1) @ v).transpose(1, 2).flatten(2))

    def pre_norm(prefix: str, x: Tensor) -> Tensor:
        def rms(name: str, x: Tensor) -> Tensor:
            return F.rms_norm(x, (256,), weights[f"{prefix}.{name}.weight"], 1e-6)

        h = x + grouped_attention(f"{prefix}.attn", rms("norm1", x))
        return h + linear(f"{prefix}.mlp.down", F.relu(linear(f"{prefix}.mlp.up", rms("norm2", h))))

    def feed_forward(prefix: str, x: Tensor) -> Tensor:
        original = weights[f"{prefix}.down.parametrizations.weight.original"]
        standard = (original - original.mean()) / (original.std(unbiased=False) + 1e-5)
        h = F.linear(F.gelu(linear(f"{prefix}.up", x)), standard, weights[f"{prefix}.down.bias"])
        return F.layer_norm(h, (256,), weights[f"{prefix}.norm.weight"], weights[f"{prefix}.norm.bias"])

    with torch.no_grad():
        x = embedded(weights, ids)
        first = encoder_layer(weights, "encoders.0", heads=4)(x, src_key_padding_mask=mask == 0)
        total = first + pre_norm("encoders.1", x) + feed_forward("encoders.2", x)
        normal = F.layer_norm(total, (256,), weights["encoders.norm.weight"], weights["encoders.norm.bias"])
        kept = mask.unsqueeze(-1)
        expected = F.normalize((normal * kept).sum(1) / kept.sum(1), dim=1)
    np.testing.assert_allclose(outputs["unit"], expected.numpy(), rtol=0, atol=1e-5)
