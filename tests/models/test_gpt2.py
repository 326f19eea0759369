"""specs/gpt2.yaml against transformers.GPT2LMHeadModel with the same random state dict, its matrices transposed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import GPT2Config, GPT2LMHeadModel

from stackc.artifact.folder import run_artifact
from stackc.core.diagnostics import SpecError
from stackc.frontend import Overrides, check_spec
from stackc.pipeline import Options, build

pytestmark = pytest.mark.slow

SPEC = Path(__file__).parents[2] / "specs" / "gpt2.yaml"
SMALL = Overrides(params={"vocab": "97", "dim": "32", "layers": "2", "heads": "4"}, dims={"batch": 2})


@pytest.fixture(scope="module")
def gpt2() -> GPT2LMHeadModel:
    torch.manual_seed(0)
    config = GPT2Config(vocab_size=97, n_embd=32, n_layer=2, n_head=4, bos_token_id=0, eos_token_id=0)
    model: GPT2LMHeadModel = GPT2LMHeadModel(config)
    model.train(False)
    for parameter in model.parameters():  # biases start as zeros
        parameter.data.add_(torch.randn_like(parameter), alpha=0.05)
    return model


def saved(model: GPT2LMHeadModel, folder: Path) -> Path:
    state = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    save_file(state, folder / "gpt2.safetensors")
    return folder / "gpt2.safetensors"


@pytest.mark.parametrize("opset", [18, 23])
def test_gpt2_is_that_of_transformers(opset: int, gpt2: GPT2LMHeadModel, tmp_path: Path) -> None:
    options = Options(SMALL, saved(gpt2, tmp_path), tmp_path, opset=opset, measure=False)
    built = build(SPEC, options)
    assert built.parity is not None
    assert built.checked.cost.parameters == sum(p.numel() for p in gpt2.parameters())

    ids, mask = torch.randint(0, 97, (2, 23)), torch.ones(2, 23, dtype=torch.int64)
    mask[1, 9:] = 0
    feeds = {"input_ids": ids.numpy(), "attention_mask": mask.numpy()}
    (logits,) = run_artifact(built.folder, feeds, "cpu").values()
    with torch.no_grad():
        expected = gpt2(input_ids=ids, attention_mask=mask).logits.numpy()
    np.testing.assert_allclose(logits, expected, rtol=0, atol=1e-5)


def test_gpt2_small_has_the_published_number_of_parameters() -> None:
    assert check_spec(SPEC).cost.parameters == 124_439_808


def test_error_a_matrix_that_stands_transposed(gpt2: GPT2LMHeadModel, tmp_path: Path) -> None:
    upright = tmp_path / "upright.yaml"
    upright.write_text(SPEC.read_text(encoding="utf-8").replace("c_fc.weight.T", "c_fc.weight"), encoding="utf-8")
    with pytest.raises(SpecError) as caught:
        build(upright, Options(SMALL, saved(gpt2, tmp_path), tmp_path))
    first = caught.value.diagnostics[0]
    assert (first.code, first.message) == (
        "W803",
        "'h.0.mlp.up.weight' has shape [128, 32] in the spec but [32, 128] in gpt2.safetensors,"
        " and so for 1 more of this entry",
    )
    assert first.hint == "`h.0.mlp.c_fc.weight.T` takes it transposed"


def test_error_a_part_that_the_file_lacks(gpt2: GPT2LMHeadModel, tmp_path: Path) -> None:
    weights = saved(gpt2, tmp_path)
    state = load_file(weights)
    state["transformer.h.1.attn.c_attn.weight"] = state["transformer.h.1.attn.c_attn.weight"][:, :95].contiguous()
    save_file(state, weights)
    with pytest.raises(SpecError) as caught:
        build(SPEC, Options(SMALL, weights, tmp_path))
    assert [d.message for d in caught.value.diagnostics] == [
        f"'h.1.attn.{name}.weight' cannot be read from gpt2.safetensors:"
        f" `h.1.attn.c_attn.weight.T[{part}/3]`: an axis of 95 has no 3 equal parts"
        for part, name in enumerate("qkv")
    ]
