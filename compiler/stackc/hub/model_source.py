"""Where a model comes from: its config, its weights, and the files that come along with them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from stackc.core.diagnostics import Diagnostic, SpecError
from stackc.hub.config import CONFIG, ModelConfig, read_config
from stackc.spec.names import as_file_name

WEIGHT_FILES = (
    "model.safetensors.index.json", "model.safetensors", "pytorch_model.bin.index.json", "pytorch_model.bin",
)  # fmt: skip
"""The files of weights that transformers reads, in its order of preference."""

_COMPANIONS = re.compile(
    r"config\.json|generation_config\.json|(?:pre)?processor_config\.json|video_preprocessor_config\.json"
    r"|tokenizer\.(?:json|model)|tokenizer_config\.json|special_tokens_map\.json|added_tokens\.json"
    r"|vocab\.(?:txt|json|bpe)|merges\.txt|normalizer\.json|(?:source|target)\.spm|(?:spiece|spm)\.model"
    r"|sentencepiece\.(?:bpe\.)?model|bpe\.codes|emoji\.json|chat_template\.(?:jinja|json)"
)


@dataclass(frozen=True)
class ModelSource:
    """A model to import.

    `weights` is the file to name in a spec, an index for several files; `companions` are files to copy beside the spec,
    `generated` those that are written out of the metadata of the source, by name. `name` is one for the spec.
    """

    path: Path
    name: str
    config: ModelConfig
    weights: Path
    companions: tuple[Path, ...] = ()
    generated: Mapping[str, bytes] = field(default_factory=dict)


def open_folder(path: Path) -> ModelSource:
    """Find the config, the weights and the tokenizer of a folder that transformers saved.

    Raises SpecError: H901 without a config, H902 if it cannot be read, W804 without weights.
    """
    if not os.path.isdir(path):
        message = f"{path} is not a folder" if os.path.lexists(path) else f"no folder at {path}"
        hint = "name the folder that has config.json; nothing is downloaded"
        raise SpecError(Diagnostic("H901", message, None, hint))
    if not (path / CONFIG).is_file():
        below = _config_below(path)
        saved = "name the folder that transformers' `save_pretrained` wrote, or that was downloaded from the hub"
        hint = f"name the folder below that has one: {below}" if below else saved
        raise SpecError(Diagnostic("H901", f"{path} has no {CONFIG}", None, hint))

    weights = next((path / name for name in WEIGHT_FILES if (path / name).is_file()), None)
    if weights is None:
        others = sorted(file.name for file in path.iterdir() if file.name.endswith((".safetensors", ".bin")))
        message = f"{path} has no weights: none of {', '.join(WEIGHT_FILES)}"
        renamed = f"it has {', '.join(others[:8])}: rename the file, or download the index"
        hint = renamed if others else "nothing is downloaded: fetch the file into the folder"
        raise SpecError(Diagnostic("W804", message, None, hint))

    companions = sorted(file for file in path.iterdir() if _COMPANIONS.fullmatch(file.name) and file.is_file())
    return ModelSource(path, _name_of(path), read_config(path / CONFIG), weights, tuple(companions))


def _name_of(path: Path) -> str:
    """Return a name for the spec: that of the folder; of a folder in Hugging Face's cache, that of the repository."""
    path = Path(os.path.abspath(path))
    cached = next((match for part in path.parts if (match := re.fullmatch(r"models--(?:.+--)?(.+)", part))), None)
    return as_file_name(cached[1] if cached else path.name)


def _config_below(path: Path) -> Path | None:
    """Return the only folder below that has a config, as in a snapshot of Hugging Face's cache."""
    below = [config.parent for config in _configs(path)]
    return below[0] if len(below) == 1 else None


def _configs(path: Path) -> Iterator[Path]:
    try:
        yield from (file for depth in ("*", "*/*") for file in path.glob(f"{depth}/{CONFIG}"))
    except OSError:
        return
