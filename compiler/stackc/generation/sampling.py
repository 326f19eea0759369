"""The choice of a token from its logits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from stackc.core.diagnostics import Diagnostic, SpecError
from stackc.runtime import Array


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """How tokens are chosen: the likeliest at temperature 0, else drawn.

    temperature  logits are divided by it
    top_k        only the k likeliest tokens are drawn from; 0 for all
    top_p        only the fewest tokens whose probability is at least p together: Holtzman et al. 2020, arXiv:1904.09751
    seed         of the random numbers
    """

    temperature: float = 0.0
    top_k: int = 0
    top_p: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        """Raise SpecError G914 for numbers that have no meaning."""
        for name, is_legal, wanted in (
            ("temperature", self.temperature >= 0, "0 or more"),
            ("top_k", self.top_k >= 0, "0 or more"),
            ("top_p", 0 < self.top_p <= 1, "above 0 and at most 1"),
        ):
            if not is_legal:  # NaN is not either
                message = f"{name} is {getattr(self, name)}, but must be {wanted}"
                raise SpecError(Diagnostic("G914", message, hint=f"leave out {name}, or set it to 1"))

    def choose(self, logits: Array, random: np.random.Generator) -> int:
        """Return a token by its logits [vocabulary]; of equal ones, the first."""
        if self.temperature == 0:
            return int(logits.argmax())
        probabilities = self.probabilities(logits)
        return int(random.choice(len(probabilities), p=probabilities))

    def probabilities(self, logits: Array) -> Array:
        """Return the probability of each token, 0 for those that are left out, in float64: [vocabulary]."""
        scores = logits.astype(np.float64) / self.temperature
        order = np.argsort(-scores, kind="stable")
        weights = np.exp(scores[order] - scores[order[0]])
        if self.top_k:
            weights[self.top_k :] = 0
        weights /= weights.sum()
        before = np.concatenate(([0.0], weights.cumsum()[:-1]))
        weights[before >= self.top_p] = 0  # the first is always kept

        probabilities: Array = np.zeros_like(weights)
        probabilities[order] = weights / weights.sum()
        return probabilities
