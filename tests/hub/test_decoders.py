"""Decoders of text against transformers, all but Gemma, which has a file of its own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.numpy import load_file
from tests.hub.harness import (
    Pair,
    build_small,
    causal_rows,
    check_defaults,
    hold_to,
    import_random,
    rows_with_keys_in,
    token_feeds,
)
from transformers import (
    GPT2Config,
    GPT2LMHeadModel,
    GPTNeoConfig,
    GPTNeoForCausalLM,
    GPTNeoXConfig,
    GPTNeoXForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    MixtralConfig,
    MixtralForCausalLM,
    Olmo2Config,
    Olmo2ForCausalLM,
    PhiConfig,
    PhiForCausalLM,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
)

from stackc.core.diagnostics import SpecError
from stackc.hub.importing import ImportOptions, import_from

GPT2: dict[str, Any] = {
    "vocab_size": 61, "n_embd": 24, "n_layer": 2, "n_head": 4, "n_positions": 19, "bos_token_id": 0, "eos_token_id": 0,
}  # fmt: skip
LLAMA: dict[str, Any] = {
    "vocab_size": 61, "hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 6, "num_key_value_heads": 2,
    "intermediate_size": 40, "max_position_embeddings": 8,
}  # fmt: skip
NEOX = {name: value for name, value in LLAMA.items() if name != "num_key_value_heads"} | {"hidden_size": 48}
NEO: dict[str, Any] = {
    "vocab_size": 61, "hidden_size": 24, "num_layers": 3, "num_heads": 4, "max_position_embeddings": 19,
    "window_size": 4, "attention_types": [[["global", "local", "local"], 1]], "bos_token_id": 0, "eos_token_id": 0,
}  # fmt: skip
YARN: dict[str, Any] = {"rope_type": "yarn", "rope_theta": 300.0, "factor": 2.0, "original_max_position_embeddings": 8}
SCALINGS: list[dict[str, Any]] = [
    {"rope_type": "linear", "rope_theta": 500.0, "factor": 3.0},
    {"rope_type": "dynamic", "rope_theta": 500.0, "factor": 3.0},
    {
        "rope_type": "llama3", "rope_theta": 500.0, "factor": 4.0, "original_max_position_embeddings": 6,
        "low_freq_factor": 0.5, "high_freq_factor": 1.5,
    },
    YARN,
    {**YARN, "beta_fast": 3.0, "beta_slow": 0.5, "mscale": 0.7, "mscale_all_dim": 0.3, "truncate": False},
    {**YARN, "attention_factor": 1.2},
]  # fmt: skip


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"n_embd": 30, "n_head": 3, "n_inner": 28, "layer_norm_epsilon": 1e-3, "activation_function": "relu"},
        {"tie_word_embeddings": False, "activation_function": "gelu"},
    ],
)
def test_gpt2(changes: dict[str, Any], tmp_path: Path) -> None:
    config = GPT2Config(**{**GPT2, **changes})
    hold_to(GPT2LMHeadModel, config, tmp_path, token_feeds(61), spec="gpt2", kept=causal_rows)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"num_key_value_heads": None, "num_attention_heads": 3, "hidden_size": 30, "tie_word_embeddings": True},
        {"head_dim": 10, "attention_bias": True, "rms_norm_eps": 1e-3},
        {"mlp_bias": True, "hidden_act": "gelu", "rope_parameters": {"rope_type": "default", "rope_theta": 500.0}},
    ],
)
def test_llama(changes: dict[str, Any], tmp_path: Path) -> None:
    """The length of the inputs, 11, is beyond the window of 8."""
    config = LlamaConfig(**{**LLAMA, **changes})
    hold_to(LlamaForCausalLM, config, tmp_path, token_feeds(61), spec="llama", kept=causal_rows)


@pytest.mark.parametrize("scaling", SCALINGS, ids=lambda scaling: scaling["rope_type"])
def test_llama_scales_its_rotary_positions(scaling: dict[str, Any], tmp_path: Path) -> None:
    """In both spellings of the config, beyond the length of the training."""
    config = LlamaConfig(**{**LLAMA, "head_dim": 8}, rope_parameters=scaling)
    pair = hold_to(LlamaForCausalLM, config, tmp_path, token_feeds(61), spec="llama", kept=causal_rows)

    file = tmp_path / "original" / "config.json"
    keys = json.loads(file.read_text(encoding="utf-8"))
    older = {key: value for key, value in keys.pop("rope_parameters").items() if key != "rope_theta"}
    keys |= {"rope_theta": scaling["rope_theta"], "rope_scaling": {"type": older.pop("rope_type"), **older}}
    file.write_text(json.dumps(keys), encoding="utf-8")
    again = import_from(tmp_path / "original", tmp_path / "again", ImportOptions(name="model"))
    assert again.checked.graph.params == pair.imported.checked.graph.params


@pytest.mark.parametrize(
    "changes",
    [
        {"sliding_window": 3},
        {"sliding_window": None, "num_attention_heads": 3, "num_key_value_heads": 1, "hidden_size": 30},
        {"sliding_window": 20, "head_dim": 10, "hidden_act": "gelu", "tie_word_embeddings": True},
        {"sliding_window": 5, "rms_norm_eps": 1e-3, "rope_parameters": YARN},
    ],
)
def test_mistral(changes: dict[str, Any], tmp_path: Path) -> None:
    config = MistralConfig(**{**LLAMA, **changes})
    hold_to(MistralForCausalLM, config, tmp_path, token_feeds(61), spec="mistral", kept=causal_rows)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"num_key_value_heads": None, "num_attention_heads": 3, "hidden_size": 30, "tie_word_embeddings": True},
        {"rms_norm_eps": 1e-3, "hidden_act": "relu", "rope_parameters": YARN},
    ],
)
def test_qwen2(changes: dict[str, Any], tmp_path: Path) -> None:
    config = Qwen2Config(**{**LLAMA, **changes})
    hold_to(Qwen2ForCausalLM, config, tmp_path, token_feeds(61), spec="qwen2", kept=causal_rows)


@pytest.mark.parametrize(
    "changes",
    [
        {"head_dim": 8},
        {"head_dim": 10, "num_attention_heads": 3, "num_key_value_heads": None, "tie_word_embeddings": True},
        {"head_dim": 6, "attention_bias": True, "rms_norm_eps": 1e-3, "hidden_act": "gelu", "rope_parameters": YARN},
    ],
)
def test_qwen3(changes: dict[str, Any], tmp_path: Path) -> None:
    config = Qwen3Config(**{**LLAMA, **changes})
    hold_to(Qwen3ForCausalLM, config, tmp_path, token_feeds(61), spec="qwen3", kept=causal_rows)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"num_key_value_heads": None, "num_attention_heads": 3, "hidden_size": 30, "tie_word_embeddings": True},
        {"attention_bias": True, "rms_norm_eps": 1e-3, "hidden_act": "gelu", "rope_parameters": YARN},
    ],
)
def test_olmo2(changes: dict[str, Any], tmp_path: Path) -> None:
    config = Olmo2Config(**{**LLAMA, **changes})
    hold_to(Olmo2ForCausalLM, config, tmp_path, token_feeds(61), spec="olmo2", kept=causal_rows)


@pytest.mark.parametrize(
    "changes",
    [
        {"rope_parameters": {"rope_type": "default", "rope_theta": 500.0, "partial_rotary_factor": 0.5}},
        {
            "num_attention_heads": 3, "hidden_size": 48, "num_key_value_heads": 1, "hidden_act": "relu",
            "layer_norm_eps": 1e-3, "rope_parameters": {**YARN, "partial_rotary_factor": 0.25},
        },
        {"num_attention_heads": 2, "num_key_value_heads": None, "hidden_act": "gelu", "tie_word_embeddings": True},
    ],
)  # fmt: skip
def test_phi(changes: dict[str, Any], tmp_path: Path) -> None:
    config = PhiConfig(**{**LLAMA, **changes})
    hold_to(PhiForCausalLM, config, tmp_path, token_feeds(61), spec="phi", kept=causal_rows)


@pytest.mark.parametrize(
    "changes",
    [
        {"rope_parameters": {"rope_type": "default", "rope_theta": 500.0, "partial_rotary_factor": 0.5}},
        {
            "num_attention_heads": 3, "hidden_size": 48, "hidden_act": "relu", "attention_bias": False,
            "layer_norm_eps": 1e-3, "rope_parameters": {**YARN, "partial_rotary_factor": 0.25},
        },
        {"num_attention_heads": 3, "hidden_act": "gelu_new", "tie_word_embeddings": True},
    ],
)  # fmt: skip
def test_gpt_neox(changes: dict[str, Any], tmp_path: Path) -> None:
    config = GPTNeoXConfig(**{**NEOX, **changes})
    hold_to(GPTNeoXForCausalLM, config, tmp_path, token_feeds(61), spec="gpt_neox", kept=causal_rows)


MIXTRALS: list[dict[str, Any]] = [
    {"num_local_experts": 5, "num_attention_heads": 3, "num_key_value_heads": 1, "hidden_size": 30},
    {
        "num_local_experts": 7, "num_experts_per_tok": 3, "sliding_window": 3, "head_dim": 10, "hidden_act": "gelu",
        "tie_word_embeddings": True, "rms_norm_eps": 1e-3, "rope_parameters": YARN,
    },
]  # fmt: skip


@pytest.mark.parametrize("changes", MIXTRALS)
def test_mixtral(changes: dict[str, Any], tmp_path: Path) -> None:
    """Its file has one tensor for each expert, as those on the hub."""
    config = MixtralConfig(**{**LLAMA, **changes})
    hold_to(MixtralForCausalLM, config, tmp_path, token_feeds(61), spec="mixtral", kept=causal_rows)


def test_mixtral_with_experts_that_are_stacked(tmp_path: Path) -> None:
    """As the modules of transformers hold them: the same weights, out of two tensors for all experts of a layer."""
    pair = import_random(MixtralForCausalLM, MixtralConfig(**{**LLAMA, **MIXTRALS[0]}), tmp_path)
    pair.original.float().save_pretrained(tmp_path / "stacked", save_original_format=False)  # type: ignore[operator]
    names = load_file(tmp_path / "stacked" / "model.safetensors")
    assert sum("experts" in name for name in names) == 4

    again = import_from(tmp_path / "stacked", tmp_path / "again", ImportOptions(name="model"))
    ours, theirs = pair.module.state_dict(), Pair(pair.original, again).module.state_dict()
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {
            "attention_types": [[["local"], 3]], "intermediate_size": 40, "num_heads": 3, "layer_norm_epsilon": 1e-3,
            "activation_function": "relu", "tie_word_embeddings": False, "window_size": 3,
        },
    ],
)  # fmt: skip
def test_gpt_neo(changes: dict[str, Any], tmp_path: Path) -> None:
    """Queries whose whole window is padded attend to something else in transformers; no other query attends to them."""
    config = GPTNeoConfig(**{**NEO, **changes})
    kept = rows_with_keys_in(config.window_size)
    hold_to(GPTNeoForCausalLM, config, tmp_path, token_feeds(61), spec="gpt_neo", kept=kept)


def test_gpt_neo_says_its_layers_in_two_ways(tmp_path: Path) -> None:
    """As a list of all layers, which counts, or as a pattern and how often it is there."""
    pair = import_random(GPTNeoForCausalLM, GPTNeoConfig(**NEO), tmp_path)
    assert pair.imported.params["kinds"] == ["global", "local", "local"]
    file = tmp_path / "original" / "config.json"
    keys = json.loads(file.read_text(encoding="utf-8"))

    def imported(**changes: Any) -> Any:
        file.write_text(json.dumps(keys | changes), encoding="utf-8")
        return import_from(tmp_path / "original", tmp_path / "again", ImportOptions(name="model", force=True)).params

    layers = ["local", "global", "global"]
    assert imported(attention_layers=layers)["kinds"] == layers
    assert GPTNeoConfig(**keys | {"attention_layers": layers}).attention_layers == layers
    del keys["attention_layers"]
    assert imported()["kinds"] == ["global", "local", "local"]
    assert imported(attention_types=None)["kinds"] == ["global", "local"]
    with pytest.raises(SpecError, match="attention_types"):
        imported(attention_types=[[["global"], 2], [["local"], 1]])


def test_the_defaults_are_those_of_the_config_classes() -> None:
    check_defaults("gpt2", GPT2Config)
    check_defaults("llama", LlamaConfig)
    check_defaults("mistral", MistralConfig)
    check_defaults("qwen2", Qwen2Config)
    check_defaults("qwen3", Qwen3Config)
    check_defaults("olmo2", Olmo2Config)
    check_defaults("phi", PhiConfig)
    check_defaults("gpt_neox", GPTNeoXConfig)
    check_defaults("gpt_neo", GPTNeoConfig)
    check_defaults("mixtral", MixtralConfig)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "config"),
    [
        (GPT2LMHeadModel, GPT2Config(**GPT2)),
        (LlamaForCausalLM, LlamaConfig(**LLAMA, rope_parameters=YARN)),
        (MistralForCausalLM, MistralConfig(**LLAMA, sliding_window=3)),
        (Qwen2ForCausalLM, Qwen2Config(**LLAMA)),
        (Qwen3ForCausalLM, Qwen3Config(**LLAMA, head_dim=6)),
        (Olmo2ForCausalLM, Olmo2Config(**LLAMA)),
        (PhiForCausalLM, PhiConfig(**LLAMA)),
        (GPTNeoXForCausalLM, GPTNeoXConfig(**NEOX)),
        (GPTNeoForCausalLM, GPTNeoConfig(**NEO)),
        (MixtralForCausalLM, MixtralConfig(**LLAMA, num_local_experts=3)),
    ],
)
def test_it_builds(model: Any, config: Any, tmp_path: Path) -> None:
    build_small(model, config, tmp_path)
