"""mamba against transformers: its state space is one Scan a layer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from tests.hub.harness import build_small, check_defaults, hold_to
from transformers import MambaConfig, MambaForCausalLM

SMALL = {
    "vocab_size": 53, "hidden_size": 12, "state_size": 5, "num_hidden_layers": 2, "conv_kernel": 3, "time_step_rank": 3,
    "use_cache": False,
}  # fmt: skip


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"expand": 3, "hidden_size": 10, "use_bias": True, "use_conv_bias": False, "layer_norm_epsilon": 1e-3},
        {"hidden_act": "gelu", "tie_word_embeddings": False, "num_hidden_layers": 1},
    ],
)
def test_mamba(changes: dict[str, Any], tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    feeds = [{"input_ids": random.integers(0, 53, (2, length))} for length in (1, 2, 13)]
    hold_to(MambaForCausalLM, MambaConfig(**{**SMALL, **changes}), tmp_path, feeds, spec="mamba")


def test_the_defaults_are_those_of_the_config_class() -> None:
    check_defaults("mamba", MambaConfig)


@pytest.mark.slow
@pytest.mark.parametrize("opset", [18, 23])
def test_it_builds(opset: int, tmp_path: Path) -> None:
    built = build_small(MambaForCausalLM, MambaConfig.from_dict(SMALL), tmp_path, opset=opset)
    nodes = [node.op_type for node in onnx.load(built.folder / "model.onnx").graph.node]
    assert [nodes.count(op) for op in ("Scan", "Loop")] == [2, 0]
