"""specs/bert_base.yaml against transformers.BertModel with the same random state dict."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from transformers import BertConfig, BertModel

from stackc.artifact.folder import run_artifact
from stackc.pipeline import Options, build

pytestmark = pytest.mark.slow

SPEC = Path(__file__).parents[2] / "specs" / "bert_base.yaml"


def test_bert_base_is_transformers_bert(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = BertModel(BertConfig()).eval()
    save_file(model.state_dict(), tmp_path / "bert.safetensors")
    options = Options(weights=tmp_path / "bert.safetensors", out=tmp_path, verify=False, measure=False)
    built = build(SPEC, options)
    assert built.checked.cost.parameters == sum(p.numel() for p in model.parameters())

    mask = torch.ones(3, 19, dtype=torch.int64)
    mask[0, 7:] = 0
    mask[1, 1:] = 0
    ids = torch.randint(0, 30522, (3, 19))
    segments = torch.randint(0, 2, (3, 19))
    feeds = {"input_ids": ids.numpy(), "attention_mask": mask.numpy(), "token_type_ids": segments.numpy()}
    outputs = run_artifact(built.folder, feeds, "cpu")
    with torch.no_grad():
        expected = model(input_ids=ids, attention_mask=mask, token_type_ids=segments)

    assert list(outputs) == ["last_hidden_state", "pooler_output"]
    np.testing.assert_allclose(outputs["pooler_output"], expected.pooler_output.numpy(), rtol=0, atol=1e-5)
    np.testing.assert_allclose(outputs["last_hidden_state"], expected.last_hidden_state.numpy(), rtol=0, atol=1e-5)
    assert (built.folder / "model.onnx.data").is_file(), "440 MB of weights stand beside the model"
