"""Keys that the config of any model may have, whatever its family."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

# fmt: off
COMMON_KEYS = frozenset({
    # what the model is, and who wrote the file
    "model_type", "architectures", "_name_or_path", "name_or_path", "transformers_version", "_commit_hash",
    "finetuning_task", "problem_type", "language", "license",
    # names of labels: the file comes along
    "id2label", "label2id", "num_labels", "_num_labels",
    # how a module runs, not what it computes
    "torch_dtype", "dtype", "use_bfloat16", "use_cache", "output_past", "gradient_checkpointing",
    "chunk_size_feed_forward", "torchscript", "attn_implementation", "_attn_implementation",
    "_attn_implementation_autoset", "use_flash_attention_2", "output_hidden_states", "output_attentions",
    "output_scores", "output_logits", "return_dict", "return_dict_in_generate",
    # the tokenizer, and ids of tokens
    "tokenizer_class", "prefix", "pad_token_id", "bos_token_id", "eos_token_id", "sep_token_id", "cls_token_id",
    "mask_token_id", "unk_token_id", "decoder_start_token_id",
    # generation
    "task_specific_params", "max_length", "max_new_tokens", "min_length", "min_new_tokens", "do_sample",
    "early_stopping", "num_beams", "num_beam_groups", "diversity_penalty", "temperature", "top_k", "top_p", "top_h",
    "min_p", "typical_p", "epsilon_cutoff", "eta_cutoff", "repetition_penalty", "length_penalty",
    "encoder_repetition_penalty", "no_repeat_ngram_size", "encoder_no_repeat_ngram_size", "bad_words_ids",
    "num_return_sequences", "forced_bos_token_id", "forced_eos_token_id", "remove_invalid_values",
    "exponential_decay_length_penalty", "suppress_tokens", "begin_suppress_tokens", "max_time", "stop_strings",
    "renormalize_logits", "constraints", "force_words_ids", "sequence_bias", "token_healing", "guidance_scale",
    "penalty_alpha", "dola_layers", "low_memory", "cache_implementation", "cache_config", "watermarking_config",
    "assistant_confidence_threshold", "num_assistant_tokens", "num_assistant_tokens_schedule",
    "prompt_lookup_num_tokens", "max_matching_ngram_size", "target_lookbehind", "assistant_lookbehind",
    "assistant_early_exit", "is_assistant", "disable_compile", "compile_config", "prefill_chunk_size",
})
# fmt: on
"""Keys without influence on what a model computes; a spec may map or require one of them all the same."""

COMMON_REQUIREMENTS: Mapping[str, tuple[object, ...]] = MappingProxyType(
    {
        "is_decoder": (False,),
        "is_encoder_decoder": (False,),
        "add_cross_attention": (False,),
        "cross_attention_hidden_size": (None,),
        "tie_encoder_decoder": (False,),
        "pruned_heads": ({}, None),
        "quantization_config": (None,),
    }
)
"""Keys of any config, and the values that they must have unless the spec says something about them."""
