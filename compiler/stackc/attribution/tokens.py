"""Words for ids: the pieces of text in the tokenizer.json of a model."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stackc.core.diagnostics import Diagnostic, SpecError

TOKENIZER = "tokenizer.json"


def read_tokens(path: Path) -> dict[int, str]:
    """Return the piece of text of each id, as the vocabulary has it. Raises SpecError R445 if the file has none."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        return {id: token for token, id in _vocabulary(data["model"]["vocab"]).items()} | {
            int(added["id"]): str(added["content"]) for added in data.get("added_tokens") or ()
        }
    except OSError as error:
        raise SpecError(Diagnostic("R445", f"cannot read {path}: {error.strerror or error}")) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        hint = "`tokenizers` and `transformers` write one; without `--tokenizer` ids are shown as numbers"
        raise SpecError(Diagnostic("R445", f"{path} is no tokenizer.json with a vocabulary", hint=hint)) from error


def _vocabulary(vocabulary: Any) -> Mapping[str, int]:
    """Return ids by token; Unigram lists pairs of token and score instead."""
    if isinstance(vocabulary, list):
        return {str(token): id for id, (token, _) in enumerate(vocabulary)}
    return {str(token): int(id) for token, id in vocabulary.items()}
