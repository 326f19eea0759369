"""specs/llama.yaml against transformers.LlamaForCausalLM with the same random state dict."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from transformers import LlamaConfig, LlamaForCausalLM

from stackc.artifact.folder import run_artifact
from stackc.frontend import Overrides, check_spec
from stackc.pipeline import Options, build

pytestmark = pytest.mark.slow

SPEC = Path(__file__).parents[2] / "specs" / "llama.yaml"
SMALL = {"vocab": "97", "dim": "48", "layers": "2", "heads": "6", "kv_heads": "2", "hidden": "80"}


@pytest.fixture(scope="module")
def llama() -> LlamaForCausalLM:
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=97,
        hidden_size=48,
        num_hidden_layers=2,
        num_attention_heads=6,
        num_key_value_heads=2,
        intermediate_size=80,
        rms_norm_eps=1e-5,
        rope_parameters={"rope_type": "default", "rope_theta": 100000.0},
        tie_word_embeddings=True,
        initializer_range=0.2,
    )
    model: LlamaForCausalLM = LlamaForCausalLM(config)
    model.train(False)
    for parameter in model.parameters():  # weights of norms start as ones
        parameter.data.add_(torch.randn_like(parameter), alpha=0.05)
    return model


@pytest.mark.parametrize(("opset", "target"), [(18, "portable"), (23, "portable"), (23, "ort")])
def test_llama_is_that_of_transformers(opset: int, target: str, llama: LlamaForCausalLM, tmp_path: Path) -> None:
    state = {name: x.clone() for name, x in llama.state_dict().items()}
    save_file(state, tmp_path / "llama.safetensors")
    overrides = Overrides(params=SMALL, dims={"batch": 2})
    options = Options(overrides, tmp_path / "llama.safetensors", tmp_path, opset=opset, target=target, measure=False)
    built = build(SPEC, options)
    assert built.parity is not None
    assert built.checked.cost.parameters == sum(p.numel() for p in llama.parameters())

    ids, mask = torch.randint(0, 97, (2, 23)), torch.ones(2, 23, dtype=torch.int64)
    mask[1, 9:] = 0
    feeds = {"input_ids": ids.numpy(), "attention_mask": mask.numpy()}
    (logits,) = run_artifact(built.folder, feeds, "cpu").values()
    with torch.no_grad():
        expected = llama(input_ids=ids, attention_mask=mask).logits.numpy()
    np.testing.assert_allclose(logits, expected, rtol=0, atol=2e-5)


def test_smollm2_has_the_published_number_of_parameters() -> None:
    assert check_spec(SPEC).cost.parameters == 134_515_008
