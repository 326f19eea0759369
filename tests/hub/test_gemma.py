"""Gemma 2 and Gemma 3 against transformers: layers of two kinds, norms with offsets, capped scores and logits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.hub.harness import (
    build_small,
    causal_rows,
    change_config,
    check_defaults,
    hold_to,
    import_random,
    token_feeds,
)
from transformers import Gemma2Config, Gemma2ForCausalLM, Gemma3ForCausalLM, Gemma3TextConfig

from stackc.components.families.attention import Attention
from stackc.core.diagnostics import SpecError
from stackc.hub.importing import ImportOptions, import_from

SIZES: dict[str, Any] = {
    "vocab_size": 61, "hidden_size": 24, "num_hidden_layers": 3, "num_attention_heads": 6, "num_key_value_heads": 2,
    "head_dim": 10, "intermediate_size": 40, "max_position_embeddings": 8, "query_pre_attn_scalar": 7,
    "sliding_window": 4,
}  # fmt: skip
SLIDING, FULL = "sliding_attention", "full_attention"


def ropes(**full: Any) -> dict[str, Any]:
    """Return rotary positions of both kinds of layers, whose bases are neither equal nor those of the class."""
    return {
        SLIDING: {"rope_type": "default", "rope_theta": 50.0},
        FULL: {"rope_type": "default", "rope_theta": 500.0, **full},
    }


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {
            "final_logit_softcapping": None, "attn_logit_softcapping": None, "tie_word_embeddings": False,
            "attention_bias": True, "hidden_activation": "gelu", "num_key_value_heads": 6,
            "rope_parameters": {"rope_type": "linear", "rope_theta": 500.0, "factor": 3.0},
        },
        {
            "layer_types": [FULL, FULL, SLIDING], "final_logit_softcapping": 2.0, "attn_logit_softcapping": 1.5,
            "rms_norm_eps": 1e-3, "sliding_window": 2, "query_pre_attn_scalar": 3,
        },
    ],
)  # fmt: skip
def test_gemma2(changes: dict[str, Any], tmp_path: Path) -> None:
    """The length of the inputs, 11, is beyond the windows, and beyond that of the training."""
    config = Gemma2Config(**{**SIZES, **changes})
    hold_to(Gemma2ForCausalLM, config, tmp_path, token_feeds(61), spec="gemma2", kept=causal_rows)


@pytest.mark.parametrize(
    "changes",
    [
        {"sliding_window_pattern": 2},
        {
            "final_logit_softcapping": 2.0, "tie_word_embeddings": False, "attention_bias": True,
            "hidden_activation": "gelu", "layer_types": [FULL, SLIDING, SLIDING], "rms_norm_eps": 1e-3,
            "rope_parameters": ropes(rope_type="linear", factor=3.0),
        },
        {
            "layer_types": [FULL, FULL, SLIDING], "sliding_window": 2, "query_pre_attn_scalar": 3,
            "rope_parameters": ropes(
                rope_type="yarn", factor=2.0, original_max_position_embeddings=8, beta_fast=3.0, beta_slow=0.5
            ),
        },
    ],
)  # fmt: skip
def test_gemma3(changes: dict[str, Any], tmp_path: Path) -> None:
    config = Gemma3TextConfig(**{**SIZES, **changes})
    hold_to(Gemma3ForCausalLM, config, tmp_path, token_feeds(61), spec="gemma3", kept=causal_rows)


def test_configs_that_say_a_pattern_instead_of_a_list(tmp_path: Path) -> None:
    """As the files on the hub do, in the older names of the rotary positions too."""
    pattern: dict[str, Any] = {"sliding_window_pattern": 3}
    config = Gemma3TextConfig(**SIZES, **pattern, rope_parameters=ropes(rope_type="linear", factor=3.0))
    pair = import_random(Gemma3ForCausalLM, config, tmp_path)
    older = {
        "sliding_window_pattern": 3, "rope_theta": 500.0, "rope_local_base_freq": 50.0,
        "rope_scaling": {"rope_type": "linear", "factor": 3.0},
    }  # fmt: skip
    change_config(tmp_path / "original", "layer_types", "rope_parameters", "_sliding_window_pattern", **older)
    again = import_from(tmp_path / "original", tmp_path / "again", ImportOptions(name="model"))
    assert again.params["kinds"] == pair.imported.params["kinds"] == ["sliding", "sliding", "full"]
    assert again.checked.graph.params == pair.imported.checked.graph.params


def test_gemma2_without_a_list_of_its_layers(tmp_path: Path) -> None:
    pair = import_random(Gemma2ForCausalLM, Gemma2Config(**SIZES), tmp_path)
    assert pair.imported.params["kinds"] == ["sliding", "full", "sliding"]
    change_config(tmp_path / "original", "layer_types")
    again = import_from(tmp_path / "original", tmp_path / "again")
    calls = again.checked.program.calls
    windows = [call.component.window for call in calls if isinstance(call.component, Attention)]
    assert windows == [4, 0, 4]


@pytest.mark.parametrize(
    ("changes", "code", "message"),
    [
        ({"layer_types": [SLIDING, "chunked_attention", FULL]}, "H905",
         "must be one of sliding_attention, full_attention, but is the text 'chunked_attention'"),
        ({"attn_logit_softcapping": 50.0}, "H906", "attn_logit_softcapping"),
        ({"use_bidirectional_attention": True}, "H906", "use_bidirectional_attention"),
        ({"layer_types": None, "sliding_window_pattern": "6"}, "H905", "must be a whole number from 0"),
    ],
)  # fmt: skip
def test_error_what_gemma3_does_not_express(changes: dict[str, Any], code: str, message: str, tmp_path: Path) -> None:
    import_random(Gemma3ForCausalLM, Gemma3TextConfig(**SIZES), tmp_path)
    change_config(tmp_path / "original", **changes)
    with pytest.raises(SpecError) as caught:
        import_from(tmp_path / "original", tmp_path / "again")
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.code == code
    assert message in diagnostic.message


def test_the_defaults_are_those_of_the_config_classes() -> None:
    check_defaults("gemma2", Gemma2Config)
    assert Gemma3TextConfig()._sliding_window_pattern == 6  # a key that the class reads without having it
    check_defaults("gemma3", Gemma3TextConfig, sliding_window_pattern=6)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "config"),
    [
        (Gemma2ForCausalLM, Gemma2Config(**SIZES | {"num_hidden_layers": 2})),
        (Gemma3ForCausalLM, Gemma3TextConfig(**SIZES | {"num_hidden_layers": 2, "sliding_window_pattern": 2})),
    ],
)
def test_it_builds(model: Any, config: Any, tmp_path: Path) -> None:
    build_small(model, config, tmp_path)
