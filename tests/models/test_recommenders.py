"""specs/dlrm.yaml, deepfm.yaml, ncf.yaml and sasrec.yaml against the same models in plain PyTorch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from stackc.artifact.folder import run_artifact
from stackc.frontend import Overrides
from stackc.pipeline import Options, build

pytestmark = pytest.mark.slow

SPECS = Path(__file__).parents[2] / "specs"


def check(spec: str, model: nn.Module, params: dict[str, int], feeds: dict[str, Tensor], folder: Path) -> None:
    """Build a spec with the weights of a model, and compare their outputs."""
    torch.save(model.state_dict(), folder / "weights.pt")
    written = {name: str(value) for name, value in params.items()}
    built = build(SPECS / spec, Options(Overrides(params=written), folder / "weights.pt", folder, measure=False))
    (actual,) = run_artifact(built.folder, {name: x.numpy() for name, x in feeds.items()}, "cpu").values()
    with torch.no_grad():
        np.testing.assert_allclose(actual, model.eval()(**feeds).numpy(), rtol=1e-4, atol=1e-5)


class Dlrm(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.bottom1, self.bottom2 = nn.Linear(5, 12), nn.Linear(12, 8)
        self.user_table = nn.EmbeddingBag(20, 8, mode="sum")
        self.item_table = nn.EmbeddingBag(30, 8, mode="sum")
        self.genre_table = nn.EmbeddingBag(7, 8, mode="sum")
        self.top1, self.top2 = nn.Linear(8 + 6, 12), nn.Linear(12, 1)

    def forward(self, numbers: Tensor, user: Tensor, viewed: Tensor, liked: Tensor) -> Tensor:
        dense = self.bottom2(self.bottom1(numbers).relu()).relu()
        vectors = torch.stack([dense, self.user_table(user), self.item_table(viewed), self.genre_table(liked)], dim=1)
        products = torch.bmm(vectors, vectors.transpose(1, 2))
        i, j = torch.tril_indices(4, 4, offset=-1)
        y: Tensor = self.top2(self.top1(torch.cat([dense, products[:, i, j]], dim=1)).relu()).sigmoid()
        return y


def test_dlrm(tmp_path: Path) -> None:
    torch.manual_seed(0)
    feeds = {
        "numbers": torch.randn(3, 5), "user": torch.randint(20, (3, 1)), "viewed": torch.randint(30, (3, 4)),
        "liked": torch.randint(7, (3, 4)),
    }  # fmt: skip
    params = {"numbers": 5, "users": 20, "catalogue": 30, "genres": 7, "dim": 8, "hidden": 12}
    check("dlrm.yaml", Dlrm(), params, feeds, tmp_path)


class DeepFm(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weights, self.vectors = nn.Embedding(40, 1), nn.Embedding(40, 6)
        self.deep1, self.deep2, self.deep_score = nn.Linear(30, 9), nn.Linear(9, 9), nn.Linear(9, 1)

    def forward(self, ids: Tensor) -> Tensor:
        vectors = self.vectors(ids)
        pairs = sum((vectors[:, i] * vectors[:, j]).sum(dim=1, keepdim=True) for i in range(5) for j in range(i))
        deep = self.deep_score(self.deep2(self.deep1(vectors.flatten(1)).relu()).relu())
        y: Tensor = (self.weights(ids).sum(dim=1) + pairs + deep).sigmoid()
        return y


def test_deepfm(tmp_path: Path) -> None:
    torch.manual_seed(0)
    params = {"vocab": 40, "fields": 5, "dim": 6, "hidden": 9}
    check("deepfm.yaml", DeepFm(), params, {"ids": torch.randint(40, (4, 5))}, tmp_path)


class NeuMf(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.user_factors, self.item_factors = nn.Embedding(20, 4), nn.Embedding(30, 4)
        self.user_features, self.item_features = nn.Embedding(20, 8), nn.Embedding(30, 8)
        self.up, self.middle, self.down = nn.Linear(16, 8), nn.Linear(8, 4), nn.Linear(4, 4)
        self.score = nn.Linear(8, 1, bias=False)

    def forward(self, user: Tensor, item: Tensor) -> Tensor:
        deep = torch.cat([self.user_features(user), self.item_features(item)], dim=1)
        for layer in (self.up, self.middle, self.down):
            deep = layer(deep).relu()
        product = self.user_factors(user) * self.item_factors(item)
        y: Tensor = self.score(torch.cat([product, deep], dim=1)).sigmoid()
        return y


def test_ncf(tmp_path: Path) -> None:
    torch.manual_seed(0)
    feeds = {"user": torch.randint(20, (5,)), "item": torch.randint(30, (5,))}
    check("ncf.yaml", NeuMf(), {"users": 20, "catalogue": 30, "dim": 4, "hidden": 8}, feeds, tmp_path)


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.q, self.k, self.v, self.out = (nn.Linear(12, 12) for _ in range(4))

    def forward(self, x: Tensor, visible: Tensor) -> Tensor:
        """x [batch, seq, 12] with two heads, visible [batch, queries, keys]."""
        q, k, v = (layer(x).unflatten(-1, (2, 6)).transpose(1, 2) for layer in (self.q, self.k, self.v))
        scores = q @ k.transpose(2, 3) / 6**0.5
        weights = scores.masked_fill(~visible[:, None], -1e9).softmax(dim=-1)
        y: Tensor = self.out((weights @ v).transpose(1, 2).flatten(2))
        return y


class Layer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(12, eps=1e-8), nn.LayerNorm(12, eps=1e-8)
        self.attn = Attention()
        self.mlp = nn.ModuleDict({"up": nn.Linear(12, 12), "down": nn.Linear(12, 12)})

    def forward(self, x: Tensor, visible: Tensor) -> Tensor:
        x = x + self.attn(self.norm1(x), visible)
        y: Tensor = x + self.mlp["down"](self.mlp["up"](self.norm2(x)).relu())
        return y


class SasRec(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.table, self.position = nn.Embedding(30, 12), nn.Embedding(50, 12)
        self.layers = nn.ModuleList(Layer() for _ in range(2))
        self.norm = nn.LayerNorm(12, eps=1e-8)

    def forward(self, items: Tensor, mask: Tensor) -> Tensor:
        seq = items.shape[1]
        visible = mask.bool()[:, None] & torch.ones(seq, seq, dtype=torch.bool).tril()
        x = self.table(items) * 12**0.5 + self.position.weight[:seq]
        for layer in self.layers:
            x = layer(x, visible)
        return F.linear(self.norm(x), self.table.weight)


def test_sasrec(tmp_path: Path) -> None:
    torch.manual_seed(0)
    items, mask = torch.randint(30, (3, 7)), torch.ones(3, 7, dtype=torch.int64)
    mask[1, 4:] = 0
    params = {"catalogue": 30, "dim": 12, "heads": 2}
    check("sasrec.yaml", SasRec(), params, {"items": items, "mask": mask}, tmp_path)
