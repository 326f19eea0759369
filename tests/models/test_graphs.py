"""Networks on graphs against plain PyTorch: specs/gcn.yaml, specs/dmpnn.yaml, and attention over neighbours."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from stackc.artifact.folder import run_artifact
from stackc.core.diagnostics import SpecError
from stackc.frontend import Overrides
from stackc.pipeline import Built, Options, build

pytestmark = pytest.mark.slow

SPECS = Path(__file__).parents[2] / "specs"


def built(spec: Path, model: nn.Module, params: dict[str, str], folder: Path) -> Built:
    """Build a spec with the weights of a model, which have the names of the spec's own."""
    torch.save(model.state_dict(), folder / "weights.pt")
    return build(spec, Options(Overrides(params=params), folder / "weights.pt", folder, measure=False))


def agree(of: Built, feeds: dict[str, Tensor], expected: Tensor, output: str) -> None:
    actual = run_artifact(of.folder, {name: x.numpy() for name, x in feeds.items()}, "cpu")[output]
    np.testing.assert_allclose(actual, expected.detach().numpy(), rtol=1e-4, atol=1e-5)


class GraphConvolution(nn.Module):
    """D̂^-1/2 (A + I) D̂^-1/2 X W, with A as a dense matrix."""

    def __init__(self, features: int, out: int) -> None:
        super().__init__()
        self.linear = nn.Linear(features, out, bias=False)

    def forward(self, x: Tensor, edges: Tensor) -> Tensor:
        adjacency = torch.eye(len(x))
        for source, target in edges.T.tolist():
            adjacency[target, source] += 1
        root = adjacency.sum(dim=1) ** -0.5
        y: Tensor = root[:, None] * adjacency * root @ self.linear(x)
        return y


class Gcn(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2 = GraphConvolution(11, 6), GraphConvolution(6, 3)

    def forward(self, x: Tensor, edges: Tensor) -> Tensor:
        y: Tensor = self.conv2(self.conv1(x, edges).relu(), edges)
        return y


def test_gcn(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = Gcn()
    small = {"features": "11", "hidden": "6", "classes": "3"}
    gcn = built(SPECS / "gcn.yaml", model, small, tmp_path)

    one_way = torch.tensor([[0, 1, 2, 2, 5], [1, 2, 3, 5, 6]])  # node 4 has no edge
    edges = torch.cat([one_way, one_way.flip(0)], dim=1)
    x = torch.randn(7, 11)
    agree(gcn, {"x": x, "edges": edges}, model(x, edges), "logits")

    # the contract goes with the file: ids of nodes are below the number of nodes that is there
    with pytest.raises(SpecError) as caught:
        run_artifact(gcn.folder, {"x": x[:6].numpy(), "edges": edges.numpy()}, "cpu")
    (diagnostic,) = caught.value.diagnostics
    assert (diagnostic.code, diagnostic.message) == ("R418", "input 'edges' holds 6 at [0, 9], and 1 more is wrong")
    assert diagnostic.hint == "it takes whole numbers from 0 to 5, since nodes is 6"


class DirectedMessagePassing(nn.Module):
    """The sums of Yang et al. 2019, written as loops over bonds and molecules."""

    def __init__(self) -> None:
        super().__init__()
        self.initial = nn.Linear(5 + 3, 8, bias=False)
        self.update = nn.Linear(8, 8, bias=False)
        self.readout = nn.Linear(5 + 8, 8)
        self.up, self.predictions = nn.Linear(8 + 4, 8), nn.Linear(8, 2)

    def forward(
        self,
        atom: Tensor,
        bond: Tensor,
        source: Tensor,
        target: Tensor,
        reverse: Tensor,
        molecule: Tensor,
        descriptors: Tensor,
    ) -> Tensor:
        first = self.initial(torch.cat([atom[source], bond], dim=1))
        hidden = first.relu()
        for _ in range(2):
            messages = []
            for edge, start in enumerate(source.tolist()):
                into = [k for k, end in enumerate(target.tolist()) if end == start and k != int(reverse[edge])]
                messages.append(hidden[into].sum(dim=0))
            hidden = (first + self.update(torch.stack(messages))).relu()

        arriving = torch.stack([hidden[target == a].sum(dim=0) for a in range(len(atom))])
        atoms = self.readout(torch.cat([atom, arriving], dim=1)).relu()
        molecules = torch.stack([atoms[molecule == m].mean(dim=0) for m in range(len(descriptors))])
        y: Tensor = self.predictions(self.up(torch.cat([molecules, descriptors], dim=1)).relu())
        return y


def test_directed_message_passing(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = DirectedMessagePassing()
    state = {name.replace("update", "passing.0.update"): x for name, x in model.state_dict().items()}
    torch.save(state, tmp_path / "weights.pt")
    small = {"atom_features": "5", "bond_features": "3", "descriptors": "4", "hidden": "8", "tasks": "2"}
    options = Options(Overrides(params=small), tmp_path / "weights.pt", tmp_path, measure=False)
    dmpnn = build(SPECS / "dmpnn.yaml", options)

    pairs = torch.tensor([[0, 1], [1, 2], [2, 0], [3, 4]])  # a ring of three atoms, and a pair; atom 5 is alone
    source, target = torch.cat([pairs, pairs.flip(1)]).T
    reverse = torch.cat([torch.arange(4) + 4, torch.arange(4)])
    feeds = {
        "atom": torch.randn(6, 5), "bond": torch.randn(8, 3), "source": source, "target": target, "reverse": reverse,
        "molecule": torch.tensor([0, 0, 0, 1, 1, 2]), "descriptors": torch.randn(3, 4),
    }  # fmt: skip
    agree(dmpnn, feeds, model(**feeds), "predictions")


GAT = """\
stackc: 1
name: gat
dims: {nodes: {max: 30}, edges: {max: 60}}
inputs:
  x: {shape: [nodes, 6]}
  source: {dtype: int64, shape: [edges], below: nodes}
  target: {dtype: int64, shape: [edges], below: nodes}
graph: |
  x --> linear --> start[linear] --> start_edge[gather] --> sum[add] --> leaky_relu --> weights[segment_softmax]
  linear --> stop[linear] --> stop_edge[gather] --> sum
  linear --> messages[gather] --> weighted[mul] --> received[segment_sum]
  weights --> weighted
  source -->|index| start_edge & messages
  target -->|index| stop_edge & weights & received
  x -->|like| weights & received
nodes:
  linear: {out: 5, bias: false}
  start: {out: 1, bias: false}
  stop: {out: 1, bias: false}
  leaky_relu: {slope: 0.2}
  weights: {size: nodes}
  received: {size: nodes}
outputs: {y: received}
"""


class GraphAttention(nn.Module):
    """Veličković et al. 2018 with one head, as a softmax over a dense matrix of scores."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(6, 5, bias=False)
        self.start, self.stop = nn.Linear(5, 1, bias=False), nn.Linear(5, 1, bias=False)

    def forward(self, x: Tensor, source: Tensor, target: Tensor) -> Tensor:
        h = self.linear(x)
        scores = F.leaky_relu(self.stop(h) + self.start(h).T, 0.2)  # [target, source]
        is_edge = torch.zeros(len(x), len(x), dtype=torch.bool)
        is_edge[target, source] = True
        y: Tensor = scores.masked_fill(~is_edge, float("-inf")).softmax(dim=1).nan_to_num(0) @ h
        return y


def test_attention_over_neighbours(tmp_path: Path) -> None:
    torch.manual_seed(0)
    spec = tmp_path / "gat.yaml"
    spec.write_text(GAT, encoding="utf-8")
    model = GraphAttention()
    gat = built(spec, model, {}, tmp_path)

    source, target = torch.tensor([0, 1, 2, 2, 5, 1]), torch.tensor([1, 2, 3, 5, 1, 1])
    x = torch.randn(7, 6)
    agree(gat, {"x": x, "source": source, "target": target}, model(x, source, target), "y")
