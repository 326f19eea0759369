"""A GGUF becomes a spec: its metadata is the config, its tokenizer is written out."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
import torch
from tests.hub.harness import (
    Pair,
    assert_close,
    causal_rows,
    draw_parameters,
    original_in_double,
    run_original,
    run_ours,
    token_feeds,
)
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM
from transformers.utils import sentencepiece_model_pb2_new as sentencepiece_model_pb2

from stackc.core.diagnostics import Diagnostic, SpecError
from stackc.hub.importing import import_from

TEXTS = [
    *["the", "quick", "brown", "fox", "jumps", "over", "12", "lazy", "dogs,", "and", "345", "more"],
    "What's this? Ünïcödé 日本語 🙂\n\n  x",
]


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    """Byte-level BPE as SmolLM2 has it: digits one by one, and special tokens."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=300, special_tokens=["<|end|>"], initial_alphabet=pre_tokenizers.ByteLevel.alphabet()
    )
    tokenizer.train_from_iterator(TEXTS * 4, trainer)
    return tokenizer


def config_of(vocab: int, **changes: Any) -> LlamaConfig:
    sizes: dict[str, Any] = {
        "vocab_size": vocab, "hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 6, "hidden_act": "silu",
        "num_key_value_heads": 2, "intermediate_size": 40, "max_position_embeddings": 8, "rms_norm_eps": 1e-5,
        "rope_parameters": {"rope_type": "default", "rope_theta": 500.0}, "tie_word_embeddings": True,
    }  # fmt: skip
    return LlamaConfig(**{**sizes, **changes})


def permuted(weight: np.ndarray, heads: int) -> np.ndarray:
    """What llama.cpp's convert_hf_to_gguf.py does to the rows of q and k."""
    return weight.reshape(heads, 2, -1, weight.shape[1]).swapaxes(1, 2).reshape(weight.shape)


NAMES = {
    "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v", "mlp.up_proj": "ffn_up",
    "self_attn.o_proj": "attn_output", "mlp.gate_proj": "ffn_gate", "mlp.down_proj": "ffn_down",
    "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm",
}  # fmt: skip


def write_gguf(
    path: Path, model: LlamaForCausalLM, tokenizer: Tokenizer, change: Callable[[gguf.GGUFWriter], None] | None = None
) -> None:
    """Write a model as llama.cpp does."""
    config: Any = model.config
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_dimension_count(config.head_dim)
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    writer.add_vocab_size(config.vocab_size)
    writer.add_file_type(0)

    described = json.loads(tokenizer.to_str())
    tokens: Any = [tokenizer.id_to_token(number) for number in range(tokenizer.get_vocab_size())]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list(tokens)
    writer.add_token_types([3 if token == "<|end|>" else 1 for token in tokens])
    writer.add_token_merges([" ".join(merge) for merge in described["model"]["merges"]])
    writer.add_eos_token_id(0)
    writer.add_chat_template("{{ messages }}")
    if change:
        change(writer)

    state = {name: tensor.numpy() for name, tensor in model.state_dict().items()}
    if config.tie_word_embeddings:
        del state["lm_head.weight"]
    outer = {"model.embed_tokens.weight": "token_embd.weight", "model.norm.weight": "output_norm.weight"}
    for name, array in state.items():
        _, _, layer, rest = [*name.split(".", 3), "", "", ""][:4]
        if name in outer or name == "lm_head.weight":
            writer.add_tensor(outer.get(name, "output.weight"), array)
            continue
        heads = {"self_attn.q_proj": config.num_attention_heads, "self_attn.k_proj": config.num_key_value_heads}
        part = rest.removesuffix(".weight")
        stored = permuted(array, heads[part]) if part in heads else array
        writer.add_tensor(f"blk.{layer}.{NAMES[part]}.weight", np.ascontiguousarray(stored))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def drawn(config: LlamaConfig) -> LlamaForCausalLM:
    torch.manual_seed(0)
    config._attn_implementation = "eager"
    model: LlamaForCausalLM = LlamaForCausalLM(config)
    draw_parameters(model)
    model.eval()
    return model


@pytest.mark.parametrize("changes", [{}, {"tie_word_embeddings": False, "num_key_value_heads": 6}, {"head_dim": 6}])
def test_it_computes_what_the_original_does(changes: dict[str, Any], tokenizer: Tokenizer, tmp_path: Path) -> None:
    vocab = tokenizer.get_vocab_size()
    config = config_of(vocab, **changes)
    model = drawn(config)
    write_gguf(tmp_path / "tiny.gguf", model, tokenizer)
    imported = import_from(tmp_path / "tiny.gguf", tmp_path / "my")
    assert imported.zoo_spec == "llama_gguf"
    assert imported.params["tied"] is config.tie_word_embeddings
    assert imported.params["eps"] == 1e-5  # which the file has as a float32
    assert "\n  file: ../tiny.gguf\n" in imported.spec.read_text(encoding="utf-8")

    pair = Pair(original_in_double(LlamaForCausalLM, config, model.state_dict()), imported)
    module = pair.module
    for feed in token_feeds(vocab):
        ours = run_ours(module, [*imported.checked.program.inputs], ["logits"], feed)["logits"]
        theirs = run_original(pair.original, feed, ["logits"], {})["logits"]
        rows = causal_rows(feed, theirs)
        assert_close(ours[rows], theirs[rows], "logits")


@pytest.fixture(scope="module")
def tiny(tokenizer: Tokenizer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("gguf") / "tiny.gguf"
    write_gguf(path, drawn(config_of(tokenizer.get_vocab_size())), tokenizer)
    return path


def test_the_tokenizer_is_written_out(tiny: Path, tokenizer: Tokenizer, tmp_path: Path) -> None:
    imported = import_from(tiny, tmp_path)
    assert sorted(path.name for path in imported.files) == ["tiny.yaml", "tokenizer.json", "tokenizer_config.json"]
    written = Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    for text in [" ".join(TEXTS), "<|end|>a <|end|>", "2024 tokens,  two  spaces", "", "\t\n"]:
        assert written.encode(text).ids == tokenizer.encode(text).ids
        assert written.decode(written.encode(text).ids) == tokenizer.decode(tokenizer.encode(text).ids)
    config = json.loads((tmp_path / "tokenizer_config.json").read_text(encoding="utf-8"))
    assert (config["eos_token"], config["chat_template"]) == ("<|end|>", "{{ messages }}")


def test_a_sentencepiece_model_is_written_out(tokenizer: Tokenizer, tmp_path: Path) -> None:
    """As protocol buffers that the schema of SentencePiece reads."""
    tokens, scores = ["<unk>", "<s>", "</s>", "<0x0A>", "▁the", "é"], [0.0, 0.0, 0.0, 0.0, -1.5, -2.25]
    types = [2, 3, 3, 6, 1, 1]

    def change(writer: gguf.GGUFWriter) -> None:
        for key in [key for key in writer.kv_data[0] if key.startswith("tokenizer.")]:
            del writer.kv_data[0][key]
        writer.add_tokenizer_model("llama")
        writer.add_token_list(tokens)
        writer.add_token_scores(scores)
        writer.add_token_types(types)
        writer.add_unk_token_id(0)
        writer.add_bos_token_id(1)
        writer.add_eos_token_id(2)
        writer.add_add_space_prefix(False)

    write_gguf(tmp_path / "tiny.gguf", drawn(config_of(len(tokens))), tokenizer, change)
    import_from(tmp_path / "tiny.gguf", tmp_path / "my")
    proto: Any = sentencepiece_model_pb2.ModelProto()  # type: ignore[attr-defined]  # it is made when it is imported
    proto.ParseFromString((tmp_path / "my" / "tokenizer.model").read_bytes())
    assert [(piece.piece, piece.score, piece.type) for piece in proto.pieces] == [
        *zip(tokens, scores, types, strict=True)
    ]
    trainer, normalizer = proto.trainer_spec, proto.normalizer_spec
    assert (trainer.model_type, trainer.vocab_size, trainer.byte_fallback) == (2, 6, True)
    assert (trainer.unk_id, trainer.bos_id, trainer.eos_id, trainer.pad_id) == (0, 1, 2, -1)
    assert (normalizer.add_dummy_prefix, normalizer.remove_extra_whitespaces) == (False, False)


# -- what is refused


def refused(path: Path, out: Path) -> tuple[Diagnostic, ...]:
    with pytest.raises(SpecError) as caught:
        import_from(path, out)
    assert not out.exists()
    return caught.value.diagnostics


@pytest.mark.parametrize(
    ("change", "code", "message"),
    [
        (lambda writer: writer.add_rope_scaling_type(gguf.RopeScalingType.YARN), "H906", "rope.scaling.type: yarn"),
        (lambda writer: writer.add_float32("llama.logit_scale", 2.0), "H904", "llama.logit_scale (2.0)"),
        (lambda writer: writer.add_tokenizer_pre("unheard-of"), "H905", "cuts words as 'unheard-of'"),
        (lambda writer: writer.add_tokenizer_model("bert"), "H905", "is of the kind 'bert'"),
        (lambda writer: writer.add_block_count(3), "W801", "'layers.2."),
    ],
)  # fmt: skip
def test_error_what_no_spec_expresses(
    change: Callable[[Any], None], code: str, message: str, tokenizer: Tokenizer, tmp_path: Path
) -> None:
    def overwrite(writer: gguf.GGUFWriter) -> None:
        kept = dict(writer.kv_data[0])
        writer.kv_data[0].clear()
        change(writer)
        writer.kv_data[0] = {**kept, **writer.kv_data[0]}

    write_gguf(tmp_path / "tiny.gguf", drawn(config_of(tokenizer.get_vocab_size())), tokenizer, overwrite)
    diagnostics = refused(tmp_path / "tiny.gguf", tmp_path / "my")
    assert diagnostics[0].code == code
    assert message in diagnostics[0].message


def test_error_another_architecture(tmp_path: Path) -> None:
    writer = gguf.GGUFWriter(tmp_path / "net.gguf", "starcoder")
    writer.add_tensor("token_embd.weight", np.zeros((2, 2), np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    (diagnostic,) = refused(tmp_path / "net.gguf", tmp_path / "my")
    assert (diagnostic.code, diagnostic.message) == (
        "H903", "no spec of the zoo implements the model type gguf-starcoder",
    )  # fmt: skip


@pytest.mark.parametrize("length", [3, 200, -64])
def test_error_a_file_that_is_cut_short(length: int, tiny: Path, tmp_path: Path) -> None:
    (tmp_path / "cut.gguf").write_bytes(tiny.read_bytes()[:length])
    (diagnostic,) = refused(tmp_path / "cut.gguf", tmp_path / "my")
    assert diagnostic.code == "W804"
