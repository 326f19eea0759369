"""specs/two_tower.yaml against two towers written out in plain PyTorch, and how their scores rank."""

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

pytestmark = pytest.mark.slow

SPEC = Path(__file__).parents[2] / "specs" / "two_tower.yaml"
SMALL = {"users": "50", "catalogue": "40", "genres": "5", "dim": "16", "hidden": "24"}


class Tower(nn.Module):
    def __init__(self, features: int) -> None:
        super().__init__()
        self.up = nn.Linear(features, 24)
        self.down = nn.Linear(24, 16)

    def forward(self, x: Tensor) -> Tensor:
        return F.normalize(self.down(self.up(x).relu()), dim=-1)


class TwoTower(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.user_table = nn.Embedding(50, 16)
        self.item_table = nn.Embedding(40, 16)
        self.genre_table = nn.Embedding(5, 4)
        self.user_tower = Tower(32)
        self.item_tower = Tower(20)

    def forward(
        self, user: Tensor, watched: Tensor, mask: Tensor, item: Tensor, genre: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        bag = torch.stack(
            [
                self.item_table(ids[kept]).mean(dim=0) if kept.any() else torch.zeros(16)
                for ids, kept in zip(watched, mask.bool(), strict=True)
            ]
        )
        u = self.user_tower(torch.cat([self.user_table(user), bag], dim=1))
        i = self.item_tower(torch.cat([self.item_table(item), self.genre_table(genre)], dim=1))
        return 20 * u @ i.T, u, i


def test_two_towers_are_those_of_plain_pytorch(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = TwoTower().eval()
    torch.save(model.state_dict(), tmp_path / "towers.pt")
    options = Options(Overrides(params=SMALL), tmp_path / "towers.pt", tmp_path, measure=False)
    built = build(SPEC, options)
    assert built.checked.cost.parameters == sum(p.numel() for p in model.parameters()), "the table of items once"

    mask = torch.tensor([[1, 1, 1, 0, 0, 0, 0], [0] * 7, [1] * 7])
    feeds = {
        "user": torch.randint(50, (3,)),
        "watched": torch.randint(40, (3, 7)),
        "mask": mask,
        "item": torch.randint(40, (11,)),
        "genre": torch.randint(5, (11,)),
    }
    outputs = run_artifact(built.folder, {name: tensor.numpy() for name, tensor in feeds.items()}, "cpu")
    with torch.no_grad():
        expected = model(*feeds.values())
    for output, tensor in zip(outputs.values(), expected, strict=True):
        np.testing.assert_allclose(output, tensor.numpy(), rtol=0, atol=2e-5)


def test_both_towers_look_up_one_table() -> None:
    program = check_spec(SPEC, Overrides(params=SMALL)).program
    tables = {call.path: call.parameters["weight"] for call in program.calls if "weight" in call.parameters}
    assert tables["watched_items"] == tables["item_table"] == "item_table.weight"
    assert [str(program.types[value]) for value in program.outputs.values()] == [
        "float32[batch, items]",
        "float32[batch, 16]",
        "float32[items, 16]",
    ]
