"""The tokenizer of a GGUF, written out of its metadata as the files that transformers and tokenizers read.

llama.cpp keeps two kinds: `gpt2`, byte-level BPE, which becomes a tokenizer.json, and `llama`, a SentencePiece model,
which becomes a tokenizer.model.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from stackc.core.diagnostics import Diagnostic, SpecError

CONTROL, USER_DEFINED = 3, 4
"""The types of tokens that are not made of others."""

_LLAMA3_WORDS = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
    r"|\s+(?!\S)|\s+"
)
_BYTES: Mapping[str, Any] = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
_DIGITS: Mapping[str, Any] = {"type": "Digits", "individual_digits": True}
_WORDS_OF: Mapping[str, tuple[Mapping[str, Any], ...]] = {
    "gpt-2": (_BYTES,),
    "smollm": (_DIGITS, _BYTES),
    "llama-bpe": (
        {"type": "Split", "pattern": {"Regex": _LLAMA3_WORDS}, "behavior": "Isolated", "invert": False},
        {**_BYTES, "use_regex": False},
    ),
}
"""How a text is cut into words, by llama.cpp's name of it (`tokenizer.ggml.pre`)."""


def tokenizer_files(metadata: Mapping[str, Any], path: Path) -> dict[str, bytes]:
    """Return the files of the tokenizer by name; none if the metadata has no tokens.

    Raises SpecError (H905) for a tokenizer of another kind.
    """
    kind, tokens = metadata.get("tokenizer.ggml.model"), metadata.get("tokenizer.ggml.tokens")
    if not isinstance(tokens, list):
        return {}
    types = metadata.get("tokenizer.ggml.token_type") or [1] * len(tokens)
    if kind == "gpt2":
        files = {"tokenizer.json": _byte_level_bpe(metadata, tokens, types, path)}
    elif kind == "llama":
        files = {"tokenizer.model": _sentencepiece(metadata, tokens, types)}
    else:
        message = f"the tokenizer of {path} is of the kind '{kind}', which is not written out"
        raise SpecError(Diagnostic("H905", message, None, "known here: gpt2, llama"))
    return {**files, "tokenizer_config.json": _config(metadata, tokens, kind)}


def _byte_level_bpe(metadata: Mapping[str, Any], tokens: Sequence[str], types: Sequence[int], path: Path) -> bytes:
    """Return a tokenizer.json of byte-level BPE."""
    words = metadata.get("tokenizer.ggml.pre", "gpt-2")
    if words not in _WORDS_OF:
        message = f"the tokenizer of {path} cuts words as '{words}', which is not written out"
        raise SpecError(Diagnostic("H905", message, None, f"known here: {', '.join(_WORDS_OF)}"))

    added = [
        {"id": number, "content": token, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False,
         "special": kind == CONTROL}
        for number, (token, kind) in enumerate(zip(tokens, types, strict=True)) if kind in (CONTROL, USER_DEFINED)
    ]  # fmt: skip
    model = {
        "type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None,
        "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False, "ignore_merges": words == "llama-bpe",
        "vocab": {token: number for number, token in enumerate(tokens)},
        "merges": metadata.get("tokenizer.ggml.merges") or [],
    }  # fmt: skip
    tokenizer = {
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": added, "normalizer": None,
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": list(_WORDS_OF[words])},
        "post_processor": {**_BYTES, "trim_offsets": False}, "decoder": {**_BYTES}, "model": model,
    }  # fmt: skip
    return json.dumps(tokenizer, ensure_ascii=False).encode()


def _config(metadata: Mapping[str, Any], tokens: Sequence[str], kind: str) -> bytes:
    """Return a tokenizer_config.json: the class, special tokens, the template of chats."""
    config: dict[str, Any] = {"tokenizer_class": "PreTrainedTokenizerFast" if kind == "gpt2" else "LlamaTokenizer"}
    for name, key in (("bos", "bos"), ("eos", "eos"), ("unk", "unknown"), ("pad", "padding")):
        number = metadata.get(f"tokenizer.ggml.{key}_token_id")
        if isinstance(number, int) and 0 <= number < len(tokens):
            config[f"{name}_token"] = tokens[number]
    for flag in ("add_bos_token", "add_eos_token"):
        if (value := metadata.get(f"tokenizer.ggml.{flag}")) is not None:
            config[flag] = value
    if template := metadata.get("tokenizer.chat_template"):
        config["chat_template"] = template
    return json.dumps(config, ensure_ascii=False, indent=2).encode()


# -- SentencePiece: a message of protocol buffers (sentencepiece_model.proto)

_BPE = 2


def _sentencepiece(metadata: Mapping[str, Any], tokens: Sequence[str], types: Sequence[int]) -> bytes:
    """Return the ModelProto of a tokenizer: its pieces, the settings of training and of normalization."""
    scores = metadata.get("tokenizer.ggml.scores") or [0.0] * len(tokens)
    pieces = [
        _message(1, _text(1, token) + _float(2, score) + _number(3, kind))
        for token, score, kind in zip(tokens, scores, types, strict=True)
    ]
    trainer = _number(3, _BPE) + _number(4, len(tokens)) + _number(35, 1)  # with bytes for unknown characters
    for field, key in ((40, "unknown"), (41, "bos"), (42, "eos"), (43, "padding")):
        number = metadata.get(f"tokenizer.ggml.{key}_token_id")
        trainer += _number(field, number if isinstance(number, int) else -1)

    prefix = metadata.get("tokenizer.ggml.add_space_prefix", True)
    normalizer = _text(1, "identity") + _number(3, int(prefix)) + _number(4, 0) + _number(5, 1)
    return b"".join(pieces) + _message(2, trainer) + _message(3, normalizer)


def _varint(number: int) -> bytes:
    number &= (1 << 64) - 1  # as 64 bits, a negative one too
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*encoded, number])


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _float(field: int, value: float) -> bytes:
    return _varint(field << 3 | 5) + struct.pack("<f", value)


def _message(field: int, content: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(content)) + content


def _text(field: int, text: str) -> bytes:
    return _message(field, text.encode())
