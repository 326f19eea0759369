"""specs/t5.yaml against transformers.T5ForConditionalGeneration with the same random state dict."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from transformers import T5Config, T5ForConditionalGeneration

from stackc.artifact.folder import run_artifact
from stackc.frontend import Overrides, check_spec
from stackc.pipeline import Options, build

pytestmark = pytest.mark.slow

SPEC = Path(__file__).parents[2] / "specs" / "t5.yaml"
SMALL = Overrides(
    params={"vocab": "97", "dim": "32", "heads": "4", "head_dim": "6", "hidden": "48", "layers": "2"},
    dims={"batch": 2},
)


@pytest.fixture(scope="module")
def t5() -> T5ForConditionalGeneration:
    torch.manual_seed(0)
    config = T5Config(vocab_size=97, d_model=32, num_heads=4, d_kv=6, d_ff=48, num_layers=2, num_decoder_layers=2)
    model: T5ForConditionalGeneration = T5ForConditionalGeneration(config)
    for name, parameter in model.named_parameters():
        if "relative_attention_bias" in name:  # far enough from zero to be seen
            parameter.data.normal_()
    model.train(False)
    return model


@pytest.mark.parametrize("opset", [18, 23])
def test_t5_is_that_of_transformers(opset: int, t5: T5ForConditionalGeneration, tmp_path: Path) -> None:
    save_file({n: t.clone() for n, t in t5.state_dict().items()}, tmp_path / "t5.safetensors")
    options = Options(SMALL, tmp_path / "t5.safetensors", tmp_path, opset=opset, measure=False)
    built = build(SPEC, options)
    assert built.parity is not None
    assert built.checked.cost.parameters == sum(p.numel() for p in t5.parameters())

    ids, mask = torch.randint(0, 97, (2, 150)), torch.ones(2, 150, dtype=torch.int64)  # beyond the last bucket
    mask[1, 90:] = 0
    target = torch.randint(0, 97, (2, 140))
    target_mask = torch.ones(2, 140, dtype=torch.int64)
    target_mask[0, 130:] = 0
    inputs = {
        "input_ids": ids,
        "attention_mask": mask,
        "decoder_input_ids": target,
        "decoder_attention_mask": target_mask,
    }
    feeds = {name: tensor.numpy() for name, tensor in inputs.items()}
    logits, encoded = run_artifact(built.folder, feeds, "cpu").values()
    with torch.no_grad():
        expected = t5(**inputs)
    np.testing.assert_allclose(encoded, expected.encoder_last_hidden_state.numpy(), rtol=0, atol=1e-5)
    np.testing.assert_allclose(logits, expected.logits.numpy(), rtol=0, atol=1e-5)


def test_t5_small_has_the_published_number_of_parameters() -> None:
    assert check_spec(SPEC).cost.parameters == 60_506_624
