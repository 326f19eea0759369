"""specs/seed.mmd: the article's relation diagram (its section 2.3), against the same model in plain PyTorch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn
from torch.nn import functional as F

from stackc.artifact.folder import run_artifact
from stackc.frontend import Overrides, check_spec
from stackc.pipeline import Options, build

pytestmark = pytest.mark.slow

SPEC = Path(__file__).parents[2] / "specs" / "seed.mmd"

ARTICLE = """\
graph LR
    A[Transformer模型] --> B{叠加组件}
    B --> C{子模型1}
    B --> D{子模型2}
    B --> E{子模型3}
    E --> F{归一化组件}
    C --> F
    D --> F
"""


def test_the_drawing_is_the_article_s_to_the_letter() -> None:
    assert SPEC.read_text(encoding="utf-8").endswith(f"---\n{ARTICLE}")


class Attention(nn.Module):
    """PyTorch's own attention under the names of stackc's projections."""

    def __init__(self, weights: dict[str, torch.Tensor], prefix: str) -> None:
        super().__init__()
        q, k, v, out = (
            (weights[f"{prefix}.{n}.weight"], weights[f"{prefix}.{n}.bias"]) for n in ("q", "k", "v", "out")
        )
        self.attention = nn.MultiheadAttention(128, 4, batch_first=True)
        state = {"in_proj_weight": torch.cat([q[0], k[0], v[0]]), "in_proj_bias": torch.cat([q[1], k[1], v[1]])}
        self.attention.load_state_dict(state | {"out_proj.weight": out[0], "out_proj.bias": out[1]})

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        attended: torch.Tensor = self.attention(x, x, x, need_weights=False)[0]
        return attended


def reference(weights: dict[str, torch.Tensor], norm: str, x: torch.Tensor) -> torch.Tensor:
    """The diagram by hand: a transformer layer, three different sub-models side by side, their sum, a norm."""

    def linear(name: str, x: torch.Tensor) -> torch.Tensor:
        return F.linear(x, weights[f"{name}.weight"], weights[f"{name}.bias"])

    def mlp(name: str, x: torch.Tensor) -> torch.Tensor:
        return linear(f"{name}.down", F.gelu(linear(f"{name}.up", x)))

    def layer_norm(name: str, x: torch.Tensor) -> torch.Tensor:
        return F.layer_norm(x, (128,), weights[f"{name}.weight"], weights[f"{name}.bias"])

    h = layer_norm("A.norm1", Attention(weights, "A.attn")(x) + x)
    a = layer_norm("A.norm2", mlp("A.mlp", h) + h)
    total = mlp("C", a) + Attention(weights, "D")(a) + linear("E", a)
    if norm == "layer_norm":
        return layer_norm("F", total)
    channels_first = total.transpose(1, 2)
    if norm == "instance_norm":
        return F.instance_norm(channels_first).transpose(1, 2)
    mean, var, weight, bias = (weights[f"F.{n}"] for n in ("running_mean", "running_var", "weight", "bias"))
    return F.batch_norm(channels_first, mean, var, weight, bias).transpose(1, 2)


@pytest.mark.parametrize("opset", [18, 23])
@pytest.mark.parametrize("norm", ["layer_norm", "batch_norm", "instance_norm"])
def test_the_built_model_is_the_diagram(norm: str, opset: int, tmp_path: Path) -> None:
    from stackc.torch_backend.lower import lower

    overrides = Overrides(params={"norm": norm})
    weights = lower(check_spec(SPEC, overrides).typed, seed=3).state_dict()
    random = torch.Generator().manual_seed(0)
    for name in ("running_mean", "running_var", "weight", "bias"):  # as training leaves them, not as they start
        if f"F.{name}" in weights:
            weights[f"F.{name}"] = torch.rand(128, generator=random) + 0.5
    save_file(weights, tmp_path / "seed.safetensors")
    options = Options(overrides, tmp_path / "seed.safetensors", tmp_path, opset=opset, measure=False)
    built = build(SPEC, options)

    for shape in ((1, 2, 128), (3, 17, 128)):
        x = torch.randn(shape, generator=random)
        (output,) = run_artifact(built.folder, {"x": x.numpy()}, "cpu").values()
        with torch.no_grad():
            expected = reference(load_file(tmp_path / "seed.safetensors"), norm, x)
        np.testing.assert_allclose(output, expected.numpy(), rtol=0, atol=1e-5)
