"""A whole class of Hugging Face as one node, behind a module that makes its config: held to that class itself."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from transformers import BertConfig, BertModel

from stackc.artifact.folder import run_artifact
from stackc.core.diagnostics import SpecError
from stackc.frontend import Overrides, check_spec
from stackc.pipeline import Options, build

pytestmark = pytest.mark.slow

SPEC = f"""\
stackc: 1
name: whole
dims: {{batch: {{max: 3}}, seq: {{max: 20}}}}
inputs:
  ids: {{dtype: int64, shape: [batch, seq], below: 50}}
  mask: {{dtype: int64, shape: [batch, seq], values: [0, 1]}}
graph: |
  ids --> bert --> head[linear]
  mask -->|mask| bert
nodes:
  bert: {{op: torch, of: {__name__}.Encoder, dim: 12, layers: 2, heads: 2}}
  head: {{out: 3}}
outputs: {{hidden: bert, y: head}}
"""


def _model(dim: int, layers: int, heads: int) -> BertModel:
    config = BertConfig(
        vocab_size=50,
        hidden_size=dim,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        intermediate_size=2 * dim,
        max_position_embeddings=20,
    )
    return BertModel(config, add_pooling_layer=False)


class Encoder(nn.Module):
    """What the language reference shows."""

    def __init__(self, dim: int, layers: int, heads: int) -> None:
        super().__init__()
        self.model = _model(dim, layers, heads)

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        hidden: Tensor = self.model(input_ids=ids, attention_mask=mask).last_hidden_state
        return hidden


@pytest.mark.parametrize("opset", [18, 23])
def test_a_whole_class_is_one_node(opset: int, tmp_path: Path) -> None:
    torch.manual_seed(0)
    original = _model(12, 2, 2).eval()
    with torch.no_grad():
        for parameter in original.parameters():
            parameter.copy_(0.3 * torch.randn_like(parameter))
    head = nn.Linear(12, 3)
    stored = {f"bert.model.{name}": x for name, x in original.state_dict().items()}
    stored |= {f"head.{name}": x for name, x in head.state_dict().items()}
    save_file(stored, tmp_path / "whole.safetensors")
    path = tmp_path / "whole.yaml"
    path.write_text(SPEC, encoding="utf-8")

    trust = Overrides(trust=(__name__,))
    options = Options(trust, tmp_path / "whole.safetensors", tmp_path, opset=opset, measure=False)
    built = build(path, options)
    assert built.parity is not None
    assert not built.parity.failures

    ids, mask = torch.randint(50, (2, 9)), torch.tensor([[1] * 9, [1] * 5 + [0] * 4])
    outputs = run_artifact(built.folder, {"ids": ids.numpy(), "mask": mask.numpy()})
    with torch.no_grad():
        hidden = original(input_ids=ids, attention_mask=mask).last_hidden_state
        np.testing.assert_allclose(outputs["hidden"], hidden, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(outputs["y"], head(hidden), rtol=1e-4, atol=1e-5)


def test_error_the_class_itself_takes_a_config(tmp_path: Path) -> None:
    path = tmp_path / "whole.yaml"
    path.write_text(SPEC.replace(f"{__name__}.Encoder", "transformers.BertModel"), encoding="utf-8")
    with pytest.raises(SpecError) as caught:
        check_spec(path, Overrides(trust=("transformers",)))
    first = caught.value.diagnostics[0]
    assert first.code == "N317"
    assert (
        first.message
        == "the constructor of transformers.BertModel takes 'config', a BertConfig, which no spec can write"
    )
