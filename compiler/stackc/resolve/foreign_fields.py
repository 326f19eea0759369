"""Fields by the names that PyTorch, Keras, ONNX and Hugging Face have for them, for the help of N309."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from stackc.core.diagnostics import did_you_mean

# fmt: off
OWN_NAMES: Mapping[str, tuple[str, ...]] = {
    "out": ("out_features", "out_channels", "output_size", "output_dim", "units", "filters", "num_filters"),
    "kernel": ("kernel_size", "kernel_shape", "pool_size", "ksize", "filter_size"),
    "stride": ("strides",),
    "padding": ("pads", "pad"),
    "dilation": ("dilations", "dilation_rate"),
    "groups": ("num_groups", "group"),
    "heads": ("num_heads", "nhead", "n_head", "n_heads", "num_attention_heads"),
    "kv_heads": ("num_kv_heads", "n_kv_heads", "num_key_value_heads"),
    "head_dim": ("key_dim", "head_size", "dim_head"),
    "hidden": ("hidden_size", "hidden_dim", "dim_feedforward", "intermediate_size", "ffn_dim", "d_ff", "units"),
    "layers": ("num_layers", "n_layers", "n_layer", "num_hidden_layers"),
    "repeat": ("num_layers", "n_layers", "n_layer", "num_hidden_layers", "depth", "times"),
    "vocab": ("num_embeddings", "input_dim", "vocab_size", "n_vocab"),
    "dim": ("embedding_dim", "output_dim", "embed_dim", "d_model", "hidden_size", "n_embd"),
    "max": ("max_position_embeddings", "max_length", "max_len", "n_positions"),
    "eps": ("epsilon", "layer_norm_eps", "layer_norm_epsilon", "rms_norm_eps"),
    "p": ("rate", "prob", "drop_prob", "dropout", "dropout_rate"),
    "dropout": ("dropout_p", "p", "rate", "drop", "attention_dropout", "dropout_rate"),
    "slope": ("negative_slope", "alpha"),
    "axis": ("dim", "axes", "dims"),
    "order": ("dims", "perm", "permutation"),
    "shape": ("sizes", "target_shape"),
    "bias": ("use_bias", "add_bias", "qkv_bias"),
    "affine": ("elementwise_affine", "scale", "center"),
    "activation": ("act", "act_fn", "hidden_act", "activation_function", "nonlinearity"),
    "causal": ("is_causal", "use_causal_mask"),
    "bidirectional": ("bidirection",),
    "scale": ("scale_factor",),
}
"""Names of others for each field. They hold only for components that have the field."""

INFERRED = frozenset({
    "in_features", "in_channels", "input_size", "input_dim", "in_dim", "in_size", "input_shape", "embed_dim", "d_model",
    "hidden_size", "num_features", "num_channels", "normalized_shape", "kdim", "vdim", "n_embd", "in_ch",
})
"""Sizes that a component takes from its input."""

SETTLED: Mapping[str, str] = {
    "batch_first": "the batch is always the first axis",
    "data_format": "channels always follow the batch",
    "channels_last": "channels always follow the batch",
    "inplace": "no component changes its input",
    "device": "a spec runs on any device",
    "dtype": "parameters are float32; `cast` converts values",
    "name": "a node's id is its name",
    "track_running_stats": "batch_norm always has running statistics",
}
"""Fields that have no counterpart, and why none is needed."""
# fmt: on


def unknown_fields_hint(unknown: Iterable[str], known: Collection[str], op: str) -> str:
    """Return what to write in place of fields that a component does not have."""
    unknown = [*unknown]
    renamed = {name: own for name in unknown if (own := _own_name(name, known))}
    inferred = [name for name in unknown if name not in renamed and name in INFERRED]
    settled = [name for name in unknown if name in SETTLED and name not in renamed]

    hints = [f"write {_joined(f'`{own}` for `{name}`' for name, own in renamed.items())}"] if renamed else []
    if inferred:
        pronoun, verb = ("it", "is") if len(inferred) == 1 else ("they", "are")
        hints.append(f"leave out {_joined(f'`{name}`' for name in inferred)}: {pronoun} {verb} found from what enters")
    hints += [f"leave out `{name}`: {SETTLED[name]}" for name in settled]
    if hints:
        return "; ".join(hints)

    if not known:
        return "it has no fields"
    return did_you_mean(unknown[0], known) or f"`stackc ops {op}` lists its {len(known)} fields"


def _own_name(name: str, known: Collection[str]) -> str | None:
    """Return the field of a component that others call by a name; None if it has none, or its own spelling is close."""
    return next((own for own, names in OWN_NAMES.items() if own in known and name in names), None)


def _joined(parts: Iterable[str]) -> str:
    *first, last = parts
    return f"{', '.join(first)} and {last}" if first else last
