"""The article's two classes (its section 5.2), written out in plain PyTorch as they stand there."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from stackc.artifact.folder import run_artifact
from stackc.pipeline import Options, build

pytestmark = pytest.mark.slow

SPECS = Path(__file__).parents[2] / "specs"


class StackedModel(nn.Module):
    def __init__(self, num_layers: int, hidden_size: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(hidden_size, hidden_size) for _ in range(num_layers)])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for layer in self.layers:
            x = layer(x)
        return x


class NormalizedModel(nn.Module):
    def __init__(self, hidden_size: int) -> None:
        super().__init__()
        self.linear = nn.Linear(hidden_size, hidden_size)
        self.layer_norm = nn.LayerNorm(hidden_size)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.linear(x)
        y: torch.Tensor = self.layer_norm(x)
        return y


@pytest.mark.parametrize(
    ("spec", "model"),
    [("stacked", StackedModel(num_layers=3, hidden_size=128)), ("normalized", NormalizedModel(hidden_size=128))],
)
def test_the_article_classes(spec: str, model: nn.Module, tmp_path: Path) -> None:
    # The specs name their nodes as the classes name their attributes, so the state dict fits as it is.
    save_file(model.state_dict(), tmp_path / "model.safetensors")
    options = Options(weights=tmp_path / "model.safetensors", out=tmp_path, measure=False)
    built = build(SPECS / f"{spec}.yaml", options)

    x = torch.randn(1, 128, generator=torch.Generator().manual_seed(0))
    (output,) = run_artifact(built.folder, {"x": x.numpy()}, "cpu").values()

    assert output.shape == (1, 128)
    with torch.no_grad():
        np.testing.assert_allclose(output, model(x).numpy(), rtol=0, atol=2e-6)
