"""Small sizes for every spec of the zoo, so that all of them can be built: by the names of their params."""

from __future__ import annotations

from stackc.hub.zoo import zoo_document

COMMON: dict[str, object] = {
    "vocab": 64, "dim": 32, "embedding": 16, "layers": 2, "heads": 4, "kv_heads": 2, "head_dim": 8, "hidden": 48,
    "positions": 40, "channels": 8, "queries": 5, "classes": 6, "width0": 4, "hidden_size": 32, "encoders": 2,
    "users": 70, "catalogue": 60, "genres": 8, "stem": 8, "width1": 16, "width2": 24, "width3": 32, "width4": 40,
    "width5": 48, "image": 32, "depth1": 2, "depth2": 2, "depth3": 2, "depth4": 2, "encoder_layers": 2,
    "encoder_heads": 4, "encoder_hidden": 48, "decoder_layers": 2, "decoder_heads": 4, "decoder_hidden": 48,
    "local_attention": 6, "pooler_dim": 32,
}  # fmt: skip
"""Values of params by name, wherever a spec has them."""

_MOBILENET: dict[str, object] = {
    "width24": 8,
    "width32": 16,
    "width64": 24,
    "width96": 32,
    "width160": 40,
    "width320": 48,
    "last": 64,
}
_DETR: dict[str, object] = {
    "channels": 3, "encoder_layers": 1, "encoder_heads": 4, "encoder_hidden": 48, "decoder_layers": 1,
    "decoder_heads": 4, "decoder_hidden": 40,
}  # fmt: skip
_SEGFORMER: dict[str, object] = {"dims": [8, 12, 16, 20], "depths": [1, 2, 1, 1], "heads": [1, 2, 4, 5]}
_SWIN: dict[str, object] = {"dim": 8, "depths": [2, 1], "heads": [2, 4], "window": 3}
_DEBERTA: dict[str, object] = {"buckets": 8, "conv_kernel": 3, "conv_groups": 2}
SPECIAL: dict[str, dict[str, object]] = {
    "deberta_v2": _DEBERTA,
    "deberta_v2_masked_lm": _DEBERTA,
    "deberta_v2_question_answering": _DEBERTA,
    "deberta_v2_sequence_classification": _DEBERTA,
    "deberta_v2_token_classification": _DEBERTA,
    "fastspeech2": {"mels": 10, "encoder_layers": 1, "decoder_layers": 1, "predictor_width": 16},
    "gru_seq2seq": {"source_vocab": 60, "target_vocab": 50},
    "clip": {
        "text_dim": 32, "text_layers": 2, "text_heads": 4, "text_hidden": 48, "vision_dim": 24, "vision_layers": 2,
        "vision_heads": 3, "vision_hidden": 40, "patch": 16, "projection": 16, "eos": 63,
    },
    "clip_text_with_projection": {"projection": 16, "eos": 63},
    "clip_vision_with_projection": {"patch": 16, "projection": 16},
    "detr_object_detection": _DETR,
    "detr_object_detection_timm": _DETR,
    "hifigan": {
        "mels": 10, "width": 16, "upsample_rates": [2, 4], "upsample_kernels": [4, 8], "kernels": [3, 5],
        "dilations": [[1, 3], [2, 1]],
    },
    "mobilenet_v2": _MOBILENET,
    "mobilenet_v2_image_classification": _MOBILENET,
    "mamba": {"state": 4, "rank": 4},
    "mixtral": {"experts": 3},
    "phi": {"rotary_share": 0.5},
    "segformer_image_classification": _SEGFORMER,
    "segformer_semantic_segmentation": _SEGFORMER | {"decoder": 12},
    "swin": _SWIN,
    "swin_image_classification": _SWIN,
    "u2net": {"inner": [2] * 6, "outer": [3] * 6, "inner_up": [2] * 5, "outer_up": [3] * 5},
    "wav2vec2_ctc": {"groups": 4, "kernel": 8},
    "whisper": {"mels": 10, "source_positions": 20, "target_positions": 16},
    "yolov8": {"width5": 48, "max_boxes": 20},
}  # fmt: skip
"""What single specs need besides, or instead."""


def small_params(name: str) -> dict[str, str]:
    """Return params that make a spec of the zoo small."""
    declared = zoo_document(name).params
    return {param: str(value) for param, value in (COMMON | SPECIAL.get(name, {})).items() if param in declared}
