"""`stackc import` of the real SmolLM2-135M-Instruct out of a GGUF, against transformers with the same tensors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
import torch
from tests.hub.harness import Pair, assert_close, causal_rows, original_in_double, run_original, run_ours
from tokenizers import Tokenizer
from transformers import LlamaConfig, LlamaForCausalLM

from stackc.hub.importing import import_from
from stackc.proof.promotion import promoted

pytestmark = pytest.mark.slow

# as the published config.json has it
CONFIG = LlamaConfig(
    vocab_size=49152, hidden_size=576, num_hidden_layers=30, num_attention_heads=9, num_key_value_heads=3,
    intermediate_size=1536, max_position_embeddings=8192, rms_norm_eps=1e-5, tie_word_embeddings=True,
    rope_parameters={"rope_type": "default", "rope_theta": 100000.0},
)  # fmt: skip
HEAD_DIM = 64
NAMES = {
    "token_embd": "model.embed_tokens", "output_norm": "model.norm", "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj", "attn_output": "self_attn.o_proj",
    "attn_norm": "input_layernorm", "ffn_norm": "post_attention_layernorm", "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj", "ffn_down": "mlp.down_proj",
}  # fmt: skip
PROMPT = "<|im_start|>user\nWhat is a compiler?<|im_end|>\n<|im_start|>assistant\n"
NEW_TOKENS = 64


def dequantized(path: Path) -> dict[str, torch.Tensor]:
    """Return the tensors of a GGUF under the names of transformers, as the package gguf dequantizes them.

    llama.cpp stores the rows of queries and keys so that neighbours rotate together; this undoes it.
    """
    state: dict[str, torch.Tensor] = {}
    for tensor in gguf.GGUFReader(path).tensors:
        array: Any = gguf.quants.dequantize(tensor.data, tensor.tensor_type).astype(np.float32)
        *block, name, leaf = tensor.name.split(".")
        if name in ("attn_q", "attn_k"):
            heads = len(array) // HEAD_DIM
            array = array.reshape(heads, HEAD_DIM // 2, 2, -1).swapaxes(1, 2).reshape(array.shape)
        layer = [f"model.layers.{block[1]}"] if block else []
        state[".".join([*layer, NAMES[name], leaf])] = torch.from_numpy(np.ascontiguousarray(array))
    return state | {"lm_head.weight": state["model.embed_tokens.weight"]}


def test_it_computes_and_continues_as_the_original(smollm2: Path, tmp_path: Path) -> None:
    """Equal logits with and without padding, and 64 greedy tokens.

    All prefixes run in one pass: no logits depend on what comes later, so where each next token of the original has the
    largest logit behind its prefix, the model writes the same text.
    """
    imported = import_from(smollm2, tmp_path / "my")
    assert imported.checked.cost.parameters == 134_515_008
    original = original_in_double(LlamaForCausalLM, CONFIG, dequantized(smollm2))
    module = Pair(original, imported).module

    prompt = Tokenizer.from_file(str(tmp_path / "my" / "tokenizer.json")).encode(PROMPT).ids
    with torch.no_grad(), promoted():
        text: torch.Tensor = original.generate(  # type: ignore[operator]
            torch.tensor([prompt]), attention_mask=torch.ones(1, len(prompt), dtype=torch.int64), do_sample=False,
            max_new_tokens=NEW_TOKENS, eos_token_id=None, pad_token_id=0,
        )  # fmt: skip
    ids = text.numpy()
    assert ids.shape == (1, len(prompt) + NEW_TOKENS)
    assert len({*ids[0, len(prompt) :].tolist()}) > NEW_TOKENS // 3  # a text, not one token again and again

    feeds = {"input_ids": np.concatenate([ids, ids[:, ::-1]]), "attention_mask": np.ones((2, ids.shape[1]), np.int64)}
    feeds["attention_mask"][1, :9] = 0
    ours = run_ours(module, [*imported.checked.program.inputs], ["logits"], feeds)["logits"]
    theirs = run_original(original, feeds, ["logits"], {})["logits"]
    rows = causal_rows(feeds, theirs)
    assert_close(ours[rows], theirs[rows], "logits")
    np.testing.assert_array_equal(ours[0, len(prompt) - 1 : -1].argmax(-1), ids[0, len(prompt) :])
