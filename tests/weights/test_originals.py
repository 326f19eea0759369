"""Checkpoints in the layouts of others, each compared in float64 with the module that it comes from."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

import gguf
import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from transformers import GPTNeoXConfig, LlamaConfig, Phi3Config
from transformers.models.gpt_neox.modeling_gpt_neox import GPTNeoXAttention
from transformers.models.llama.modeling_llama import LlamaAttention
from transformers.models.llama4.configuration_llama4 import Llama4TextConfig
from transformers.models.llama4.modeling_llama4 import Llama4TextExperts
from transformers.models.phi3.modeling_phi3 import Phi3Attention
from transformers.pytorch_utils import Conv1D

import stackc

DIM, HEADS, KV_HEADS, SIZE = 32, 4, 2, 8
HEAD = f"stackc: 1\nparams: {{dim: {DIM}, heads: {HEADS}, kv: {KV_HEADS}, size: {SIZE}}}\n"
SPEC = HEAD + "inputs: {x: {shape: [batch, seq, dim]}}\n"


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


M = TypeVar("M", bound=nn.Module)


def drawn(module: M) -> M:
    """Draw every parameter, biases and norms too, and return the module in float64."""
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.normal_(std=0.3)
    return module.double().eval()


def built(folder: Path, spec: str, state: Mapping[str, Tensor], name: str = "w.safetensors") -> nn.Module:
    """Return stackc's module with the weights of a file, in float64; the file has them in float32."""
    save_file({key: tensor.float().contiguous() for key, tensor in state.items()}, folder / name)
    return lowered(folder, spec, folder / name)


def lowered(folder: Path, spec: str, weights: Path) -> nn.Module:
    (folder / "spec.yaml").write_text(spec, encoding="utf-8")
    return stackc.module(folder / "spec.yaml", weights=weights).double().eval()


def rounded(module: M) -> M:
    """Round the parameters of an original to those that its file has."""
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(parameter.float())
    return module


def assert_close(ours: Tensor, theirs: Tensor) -> None:
    assert ours.dtype == theirs.dtype == torch.float64
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-12 * float(theirs.detach().abs().max()))


X = torch.randn(2, 5, DIM, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
NO_ROTATION = torch.ones(1, 5, SIZE, dtype=torch.float64), torch.zeros(1, 5, SIZE, dtype=torch.float64)


# -- q, k and v in one


class GPT2Attention(nn.Module):
    """Attention with GPT-2's Conv1D, which stores its matrix transposed."""

    def __init__(self) -> None:
        super().__init__()
        self.c_attn, self.c_proj = Conv1D(3 * DIM, DIM), Conv1D(DIM, DIM)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (part.unflatten(-1, (HEADS, SIZE)).transpose(1, 2) for part in self.c_attn(x).split(DIM, -1))
        y = nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        result: Tensor = self.c_proj(y.transpose(1, 2).flatten(2))
        return result


ATTENTION = SPEC + "graph: x --> attn[attention]\nnodes: {attn: {heads: heads, causal: true%s}}\nweights:\n  map:\n"
CONV1D = [
    {
        f"attn.{part}.weight": f"c_attn.weight[:, {start}:{stop}].T",
        f"attn.{part}.bias": f"c_attn.bias[{start}:{stop}]",
    }
    for part, start, stop in (("q", "0", "dim"), ("k", "dim", "2*dim"), ("v", "-dim", ""))
]
CONV1D_OF_TODAY = [
    {f"attn.{part}.weight": f"c_attn.weight.T[{i}/3]", f"attn.{part}.bias": f"c_attn.bias[{i}/3]"}
    for i, part in enumerate("qkv")
]


def entries(*maps: Mapping[str, str]) -> str:
    return "".join(f"    {key}: {text}\n" for entry in maps for key, text in entry.items())


@pytest.mark.parametrize("qkv", [CONV1D, CONV1D_OF_TODAY])
def test_gpt2_stores_one_transposed_matrix(qkv: list[dict[str, str]], tmp_path: Path) -> None:
    original = rounded(drawn(GPT2Attention()))
    out = {"attn.out.weight": "c_proj.weight.T", "attn.out.bias": "c_proj.bias"}
    ours = built(tmp_path, ATTENTION % "" + entries(*qkv, out), original.state_dict())
    assert_close(ours(X), original(X))


NEOX = {
    "attn.q.weight": "query_key_value.weight.reshape(heads, 3, -1, dim)[:, 0].reshape(dim, dim)",
    "attn.k.weight": "query_key_value.weight.reshape(heads, 3, size, dim)[:, 1].reshape(-1, dim)",
    "attn.v.weight": "query_key_value.weight.reshape(heads, 3, -1, dim)[:, 2, ...].reshape(dim, -1)",
    "attn.{}.bias": "query_key_value.bias.reshape(heads, 3, size)[:, {}].reshape(-1)",
    "attn.out.*": "dense.*",
}


def neox_entries(order: str) -> str:
    bias = {NEOXKEY.replace("{}", part): NEOX[NEOXKEY].replace("{}", str(i)) for i, part in enumerate(order)}
    return entries({key: text for key, text in NEOX.items() if key != NEOXKEY}, bias)


NEOXKEY = "attn.{}.bias"


def test_gpt_neox_interleaves_q_k_and_v_by_head(tmp_path: Path) -> None:
    rope = {"rope_type": "default", "rope_theta": 10000.0, "partial_rotary_factor": 1.0}
    config = GPTNeoXConfig(hidden_size=DIM, num_attention_heads=HEADS, rope_parameters=rope)
    config._attn_implementation = "sdpa"
    original = rounded(drawn(GPTNeoXAttention(config, layer_idx=0)))
    ours = built(tmp_path, ATTENTION % "" + neox_entries("qkv"), original.state_dict())
    theirs = original(X, None, position_embeddings=NO_ROTATION)[0]
    assert_close(ours(X), theirs)

    # contiguous thirds have the right shapes and the wrong meaning
    thirds = [{f"attn.{part}.*": f"query_key_value.*[{i}/3]"} for i, part in enumerate("qkv")]
    wrong = built(tmp_path, ATTENTION % "" + entries(*thirds, {"attn.out.*": "dense.*"}), original.state_dict())
    assert float((wrong(X) - theirs).detach().abs().max()) > 0.1


def test_grouped_heads_are_cut_unevenly(tmp_path: Path) -> None:
    config = Phi3Config(hidden_size=DIM, num_attention_heads=HEADS, num_key_value_heads=KV_HEADS, pad_token_id=0)
    config._attn_implementation = "sdpa"
    original = rounded(drawn(Phi3Attention(config, layer_idx=0)))
    rows = {
        "attn.q.weight": "qkv_proj.weight[:heads*size]",
        "attn.k.weight": "qkv_proj.weight[heads*size:(heads + kv)*size]",
        "attn.v.weight": "qkv_proj.weight[(heads + kv)*size:, :]",
        "attn.out.weight": "o_proj.weight",
    }
    spec = ATTENTION % ", kv_heads: kv, bias: false" + entries(rows)
    ours = built(tmp_path, spec, original.state_dict())
    assert_close(ours(X), original(X, position_embeddings=NO_ROTATION, attention_mask=None)[0])


def test_a_bias_that_the_file_lacks_is_zero(tmp_path: Path) -> None:
    original = rounded(drawn(nn.Linear(DIM, 3, bias=False)))
    spec = (
        SPEC + "graph: x --> y[linear]\nnodes: {y: {out: 3}}\nweights:\n  map:\n    y.weight: weight\n    y.bias: %s\n"
    )
    for zeros in ("zeros()", "zeros(3)"):
        assert_close(built(tmp_path, spec % zeros, original.state_dict())(X), original(X))
    assert_close(built(tmp_path, spec % "ones() * 0.5", original.state_dict())(X), original(X) + 0.5)


# -- experts, norms


def test_experts_are_one_of_a_stacked_axis(tmp_path: Path) -> None:
    """The mean of three experts, stored as Llama 4 does: [expert, in, gate and up]."""
    config = Llama4TextConfig(hidden_size=DIM, intermediate_size=12, num_local_experts=3)
    original = rounded(drawn(Llama4TextExperts(config)))
    spec = (
        SPEC + "graph: x --> moe[stack]\n"
        "nodes:\n"
        "  moe: {of: mlp, repeat: 3, mode: mean, with: {hidden: 12, gated: true, activation: silu, bias: false}}\n"
        "weights:\n  map:\n"
        "    moe.{expert}.gate.weight: gate_up_proj[expert, :, :12].T\n"
        "    moe.{expert}.up.weight: gate_up_proj[expert].T[12:]\n"
        "    moe.{expert}.down.weight: down_proj[expert].T\n"
    )
    ours = built(tmp_path, spec, original.state_dict())
    theirs = original(X.expand(3, *X.shape).reshape(-1, DIM)).reshape(3, *X.shape).mean(0)
    assert_close(ours(X), theirs)


class GemmaNorm(nn.Module):
    """The norm of transformers.GemmaRMSNorm, without its casts to float32."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(DIM))

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + 1e-6) * (1 + self.weight)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_gemma_adds_one_after_widening(dtype: torch.dtype, tmp_path: Path) -> None:
    """In bfloat16, 1 + 0.001 is 1: the sum has to be made in float32."""
    original = drawn(GemmaNorm())
    with torch.no_grad():
        original.weight.copy_((original.weight * 0.01).to(dtype))
    save_file({"norm.weight": original.weight.detach().to(dtype)}, tmp_path / "w.safetensors")
    spec = SPEC + "graph: x --> y[rms_norm]\nnodes: {y: {eps: 1e-6}}\nweights:\n  map:\n    y.weight: norm.weight + 1\n"
    ours = lowered(tmp_path, spec, tmp_path / "w.safetensors")
    rounding = torch.finfo(torch.float32).eps
    torch.testing.assert_close(ours(X), original(X), rtol=rounding, atol=0)


def test_positions_are_made_by_arithmetic_on_names(tmp_path: Path) -> None:
    """A residual network that counts its blocks through, as `resblocks.{3*i + j}`, into stacks of three."""
    layers = [rounded(drawn(nn.Linear(DIM, DIM))) for _ in range(6)]
    spec = (
        SPEC + "graph: x --> groups[stack]\nnodes: {groups: {of: group, repeat: 2}}\n"
        "blocks: {group: {inputs: [x], graph: 'x --> layers[stack]', nodes: {layers: {of: linear, repeat: 3,"
        " with: {out: 32}}}}}\n"
        "weights:\n  map:\n    groups.{i}.layers.{j}.*: resblocks.{3*i + j}.*\n"
    )
    state = {
        f"resblocks.{n}.{key}": value for n, layer in enumerate(layers) for key, value in layer.state_dict().items()
    }
    theirs = X
    for layer in layers:
        theirs = layer(theirs)
    assert_close(built(tmp_path, spec, state)(X), theirs)


# -- GGUF


def permuted(weight: np.ndarray, heads: int) -> np.ndarray:
    """What llama.cpp's convert_hf_to_gguf.py does to the rows of q and k (LlamaModel.permute)."""
    return (
        weight.reshape(heads, 2, weight.shape[0] // heads // 2, *weight.shape[1:]).swapaxes(1, 2).reshape(weight.shape)
    )


def rotation() -> tuple[Tensor, Tensor]:
    """The cosines and sines of positions 0 to 4 in float64; transformers makes them in float32."""
    angles = torch.arange(5.0, dtype=torch.float64)[:, None] / 10000.0 ** (torch.arange(0, SIZE, 2) / SIZE).double()
    return angles.repeat(1, 2).cos()[None], angles.repeat(1, 2).sin()[None]


@pytest.mark.parametrize("stored", ["F32", "BF16", "Q8_0"])
def test_a_gguf_permutes_q_and_k(stored: str, tmp_path: Path) -> None:
    config = LlamaConfig(hidden_size=DIM, num_attention_heads=HEADS, num_key_value_heads=KV_HEADS)
    config._attn_implementation = "sdpa"
    original = drawn(LlamaAttention(config, layer_idx=0))
    kind = gguf.GGMLQuantizationType[stored]
    writer = gguf.GGUFWriter(tmp_path / "w.gguf", "llama")
    for ours, theirs, heads in (("attn_q", "q_proj", HEADS), ("attn_k", "k_proj", KV_HEADS), ("attn_v", "v_proj", 0),
                                ("attn_output", "o_proj", 0)):  # fmt: skip
        parameter = original.get_parameter(f"{theirs}.weight")
        matrix = parameter.detach().float().numpy()
        matrix = permuted(matrix, heads) if heads else matrix
        data = gguf.quants.quantize(np.ascontiguousarray(matrix), kind)
        writer.add_tensor(f"blk.0.{ours}.weight", data, raw_dtype=kind)

        # the original has what the file has after rounding; rows go back where they were
        plain = gguf.quants.dequantize(data, kind)
        back = plain if not heads else plain.reshape(heads, SIZE // 2, 2, DIM).swapaxes(1, 2).reshape(plain.shape)
        with torch.no_grad():
            parameter.copy_(torch.from_numpy(np.ascontiguousarray(back)))
    for step in ("header_to_file", "kv_data_to_file", "tensors_to_file"):
        getattr(writer, f"write_{step}")()
    writer.close()

    spec = ATTENTION % ", kv_heads: kv, bias: false, rotary: halves" + entries({
        "attn.q.weight": "blk.0.attn_q.weight.reshape(heads, size//2, 2, dim).swapaxes(1, 2).reshape(-1, dim)",
        "attn.k.weight": "blk.0.attn_k.weight.reshape(kv, -1, 2, dim).permute(0, 2, 1, 3).reshape(kv*size, dim)",
        "attn.v.weight": "blk.0.attn_v.weight",
        "attn.out.weight": "blk.0.attn_output.weight",
    })  # fmt: skip
    ours_module = lowered(tmp_path, spec, tmp_path / "w.gguf")
    theirs_out = original(X, position_embeddings=rotation(), attention_mask=None)[0]
    assert_close(ours_module(X), theirs_out)
