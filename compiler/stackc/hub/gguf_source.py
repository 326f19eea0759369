"""A GGUF as a model to import: its metadata as a config, its tokenizer written out.

The keys of its architecture are nested as their dots say (`llama.embedding_length`), and `model_type` is `gguf-llama`:
specs of the zoo for GGUFs map them as others map a config.json. Two keys are added that the metadata only implies:
`vocab_size`, the number of tokens, and `tie_word_embeddings`, whether there is no tensor for the head.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from stackc.core.diagnostics import Diagnostic, SpecError
from stackc.hub.config import Json, ModelConfig
from stackc.hub.gguf_tokenizer import tokenizer_files
from stackc.hub.model_source import ModelSource
from stackc.spec.names import as_file_name
from stackc.weights.files import open_weights

SUFFIX = ".gguf"
_HEAD = "output.weight"


def open_gguf(path: Path) -> ModelSource:
    """Read the metadata of a GGUF; no tensor is read.

    Raises SpecError: W804 if it is no GGUF, or tensors do not lie where it says; H902 if its metadata names no
    architecture; H905 for a tokenizer that cannot be written out.
    """
    tensors = open_weights(path).shapes
    metadata = _metadata(path)
    architecture = metadata.get("general.architecture")
    if not isinstance(architecture, str):
        raise SpecError(Diagnostic("H902", f"the metadata of {path} names no general.architecture"))

    keys: dict[str, Json] = {"model_type": f"gguf-{architecture}", "tie_word_embeddings": _HEAD not in tensors}
    tokens = metadata.get("tokenizer.ggml.tokens")
    if isinstance(tokens, list):
        keys["vocab_size"] = len(tokens)
    for key, value in metadata.items():
        if key.startswith(f"{architecture}."):
            _set_nested(keys, key, value)

    config = ModelConfig(str(path), "", keys)
    return ModelSource(path, as_file_name(path.stem), config, path, (), tokenizer_files(metadata, path))


def _metadata(path: Path) -> Mapping[str, Any]:
    """Return the metadata by key; a float32 as the shortest decimal that is the same float32."""
    import gguf

    with np.errstate(all="ignore"):
        fields = gguf.GGUFReader(path).fields
    values = {key: field.contents() for key, field in fields.items() if not key.startswith("GGUF.")}
    return {key: float(str(np.float32(value))) if isinstance(value, float) else value for key, value in values.items()}


def _set_nested(keys: dict[str, Json], key: str, value: Json) -> None:
    *outer, last = key.split(".")
    for part in outer:
        inner = keys.setdefault(part, {})
        if not isinstance(inner, dict):  # a key that is both a value and a beginning of others
            return
        keys = inner
    keys[last] = value
