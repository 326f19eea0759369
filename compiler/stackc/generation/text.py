"""Texts as ids and ids as texts, by the tokenizer.json of an artifact; and what ends a text."""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stackc.artifact.folder import GENERATION
from stackc.core.diagnostics import Diagnostic, SpecError


@dataclass(frozen=True)
class TextTokenizer:
    """A tokenizer of the package tokenizers."""

    tokenizer: Any

    @staticmethod
    def load(path: Path) -> TextTokenizer:
        """Read a tokenizer.json. Raises SpecError G912 if it cannot be read, or the package is missing."""
        try:
            package = importlib.import_module("tokenizers")
        except ImportError:
            message = "making ids of texts needs the package tokenizers"
            raise SpecError(Diagnostic("G912", message, hint="pip install 'stackc[generate]'")) from None
        try:
            return TextTokenizer(package.Tokenizer.from_str(path.read_text(encoding="utf-8")))
        except FileNotFoundError:
            hint = "put the tokenizer.json of the model beside its spec and build it again, or pass ids"
            raise SpecError(Diagnostic("G912", f"there is no tokenizer at {path}", hint=hint)) from None
        except Exception as error:  # tokenizers raises Exception itself
            raise SpecError(Diagnostic("G912", f"{path} is no tokenizer: {error}", hint="pass ids instead")) from error

    def ids(self, text: str) -> list[int]:
        """Return the ids of a text, with those that the tokenizer adds."""
        ids: list[int] = self.tokenizer.encode(text).ids
        return ids

    def pieces(self, tokens: Iterable[int]) -> Iterator[str]:
        """Yield the text of each token; one whose bytes are part of a character is held back until it is whole."""
        decoders = importlib.import_module("tokenizers.decoders")
        stream = decoders.DecodeStream(skip_special_tokens=True)
        for token in tokens:
            if text := stream.step(self.tokenizer, token):
                yield text


def ends_of(folder: Path) -> frozenset[int]:
    """Return the tokens that end a text, as generation_config.json has them. Raises SpecError G912 if it is broken."""
    path = folder / GENERATION
    if not path.is_file():
        return frozenset()
    try:
        ends = json.loads(path.read_text(encoding="utf-8")).get("eos_token_id")
        return frozenset(int(end) for end in (ends if isinstance(ends, list) else [ends]) if end is not None)
    except (ValueError, TypeError, AttributeError) as error:
        hint = "name the tokens that end a text: `--eos 2`"
        raise SpecError(Diagnostic("G912", f"{path} is broken: {error}", hint=hint)) from error
