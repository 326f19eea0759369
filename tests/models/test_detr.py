"""specs/detr.yaml against DETR written out in plain PyTorch, with torch's own attention."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from transformers.models.detr.modeling_detr import DetrSinePositionEmbedding

from stackc.artifact.folder import run_artifact
from stackc.frontend import Overrides
from stackc.pipeline import Options, build

pytestmark = pytest.mark.slow

SPEC = Path(__file__).parents[2] / "specs" / "detr.yaml"
SMALL = {"channels": "4", "dim": "32", "heads": "4", "hidden": "40", "layers": "2", "queries": "5", "classes": "3"}


class Stage(nn.Module):
    def __init__(self, channels: int, out: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, out, 3, stride, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(out)
        self.conv2 = nn.Conv2d(out, out, 3, 1, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(out)
        self.short = nn.Conv2d(channels, out, 1, stride, bias=False)
        self.short_norm = nn.BatchNorm2d(out)

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm2(self.conv2(self.norm1(self.conv1(x)).relu()))
        total: Tensor = y + self.short_norm(self.short(x))
        return total.relu()


class EncoderLayer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.self_attn = nn.MultiheadAttention(32, 4, batch_first=True)
        self.linear1, self.linear2 = nn.Linear(32, 40), nn.Linear(40, 32)
        self.norm1, self.norm2 = nn.LayerNorm(32), nn.LayerNorm(32)

    def forward(self, x: Tensor, pos: Tensor) -> Tensor:
        x = self.norm1(x + self.self_attn(x + pos, x + pos, x)[0])
        y: Tensor = self.norm2(x + self.linear2(self.linear1(x).relu()))
        return y


class DecoderLayer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.self_attn = nn.MultiheadAttention(32, 4, batch_first=True)
        self.multihead_attn = nn.MultiheadAttention(32, 4, batch_first=True)
        self.linear1, self.linear2 = nn.Linear(32, 40), nn.Linear(40, 32)
        self.norm1, self.norm2, self.norm3 = nn.LayerNorm(32), nn.LayerNorm(32), nn.LayerNorm(32)

    def forward(self, x: Tensor, query: Tensor, memory: Tensor, pos: Tensor) -> Tensor:
        x = self.norm1(x + self.self_attn(x + query, x + query, x)[0])
        x = self.norm2(x + self.multihead_attn(x + query, memory + pos, memory)[0])
        y: Tensor = self.norm3(x + self.linear2(self.linear1(x).relu()))
        return y


class Transformer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.encoder, self.decoder = nn.Module(), nn.Module()
        self.encoder.layers = nn.ModuleList([EncoderLayer(), EncoderLayer()])
        self.decoder.layers = nn.ModuleList([DecoderLayer(), DecoderLayer()])
        self.decoder.norm = nn.LayerNorm(32)


class Boxes(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(32, 32), nn.Linear(32, 32), nn.Linear(32, 4)])


class Detr(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem, self.norm = nn.Conv2d(3, 4, 7, 2, 3, bias=False), nn.BatchNorm2d(4)
        self.backbone = nn.Sequential(Stage(4, 4, 1), Stage(4, 8, 2), Stage(8, 16, 2), Stage(16, 32, 2))
        self.input_proj = nn.Conv2d(32, 32, 1)
        self.transformer = Transformer()
        self.query_embed = nn.Embedding(5, 32)
        self.class_embed = nn.Linear(32, 4)
        self.bbox_embed = Boxes()

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        x = nn.functional.max_pool2d(self.norm(self.stem(image)).relu(), 3, 2, 1)
        x = self.input_proj(self.backbone(x))
        pos = positions(*x.shape[2:]).expand(len(x), -1, -1)
        memory = x.flatten(2).transpose(1, 2)
        for layer in self.transformer.get_submodule("encoder.layers").children():
            memory = layer(memory, pos)
        query = self.query_embed.weight.expand(len(x), -1, -1)
        y = torch.zeros_like(query)
        for layer in self.transformer.get_submodule("decoder.layers").children():
            y = layer(y, query, memory, pos)
        y = self.transformer.get_submodule("decoder.norm")(y)
        box1, box2, box3 = self.bbox_embed.layers
        return self.class_embed(y), box3(box2(box1(y).relu()).relu()).sigmoid()


def positions(height: int, width: int) -> Tensor:
    """[1, height * width, 32]: the waves of transformers, as DetrModel has them."""
    waves: Tensor = DetrSinePositionEmbedding(16, normalize=True)((1, 32, height, width), "cpu", torch.float32)
    return waves.flatten(2).transpose(1, 2)


@pytest.mark.parametrize("opset", [18, 23])
def test_detr_is_that_of_plain_pytorch(opset: int, tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = Detr().eval()
    for name, tensor in model.state_dict().items():
        if name.endswith(("running_mean", "running_var")):
            tensor.uniform_(0.5, 1.5)
        elif name.endswith("bias"):  # of attention they start as zeros
            tensor.normal_(std=0.1)
    save_file(model.state_dict(), tmp_path / "detr.safetensors")
    overrides = Overrides(params=SMALL, dims={"batch": 2})
    options = Options(overrides, tmp_path / "detr.safetensors", tmp_path, opset=opset, measure=False)
    built = build(SPEC, options)
    assert built.parity is not None
    assert built.checked.cost.parameters == sum(p.numel() for p in model.parameters())

    for height, width in ((32, 32), (96, 160)):
        image = torch.randn(2, 3, height, width)
        outputs = run_artifact(built.folder, {"image": image.numpy()}, "cpu")
        assert list(outputs) == ["logits", "boxes"]
        with torch.no_grad():
            for output, expected in zip(outputs.values(), model(image), strict=True):
                np.testing.assert_allclose(output, expected.numpy(), rtol=0, atol=1e-5)
