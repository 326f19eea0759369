"""Prompts to tokens, one by one."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from stackc.artifact.folder import TOKENIZER
from stackc.generation.sampling import Sampling
from stackc.generation.stepper import Stepper
from stackc.generation.text import TextTokenizer, ends_of

TOKENS = 64
"""How many tokens follow a prompt at most, unless a number is asked for."""


class Generator:
    """An artifact that generates: its step, its tokenizer, and what ends a text.

    Raises SpecError as `Stepper.of` and `ends_of` do.
    """

    def __init__(
        self,
        artifact: Path,
        *,
        sampling: Sampling | None = None,
        tokens: int | None = None,
        eos: Collection[int] | None = None,
        provider: str = "auto",
        threads: int | None = None,
    ) -> None:
        self.stepper = Stepper.of(artifact, provider, threads=threads)
        self.sampling = sampling or Sampling()
        self.tokens = tokens
        self.eos = ends_of(artifact) if eos is None else frozenset(eos)
        self.tokenizer_file = artifact / TOKENIZER
        self._tokenizer: TextTokenizer | None = None

    @property
    def tokenizer(self) -> TextTokenizer:
        """The tokenizer of the artifact, read when it is needed. Raises SpecError G912."""
        self._tokenizer = self._tokenizer or TextTokenizer.load(self.tokenizer_file)
        return self._tokenizer

    def of_ids(self, ids: Sequence[int]) -> Iterator[int]:
        """Return the tokens that follow ids, one that ends the text included. Raises SpecError G913 at once."""
        self.stepper.require_fitting(ids, self.tokens or 1)
        tokens = self.tokens or TOKENS
        if self.tokens is None and self.stepper.longest is not None:
            tokens = min(tokens, self.stepper.longest - len(ids))
        return self._following(ids, tokens)

    def _following(self, ids: Sequence[int], tokens: int) -> Iterator[int]:
        random = np.random.default_rng(self.sampling.seed)
        self.stepper.reset()
        entering = ids
        for _ in range(tokens):
            token = self.sampling.choose(self.stepper.step(entering), random)
            yield token
            if token in self.eos:
                return
            entering = [token]

    def of_text(self, text: str) -> Iterator[str]:
        """Return the pieces of the text that follows. Raises SpecError G912 and G913 at once."""
        return self.texts(self.of_ids(self.tokenizer.ids(text)))

    def texts(self, tokens: Iterable[int]) -> Iterator[str]:
        """Return the pieces of the text of tokens, without those that end it. Raises SpecError G912 at once."""
        return self.tokenizer.pieces(token for token in tokens if token not in self.eos)
