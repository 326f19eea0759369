"""`privacy`: the noise for a budget, what is spent of it, and which examples each step draws, by opacus.

Every step draws each example with the same probability (Poisson sampling), which is what opacus's accountants count.
What draws and noise are made from is a secret of the run, not its seed: whoever knows it can take the noise away again.
"""

from __future__ import annotations

import hashlib
import math
import warnings
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch

from stackc.core.diagnostics import Diagnostic, SpecError
from stackc.ir.training import PrivacyBudget
from stackc.runtime import Array

INSTALL = "pip install 'stackc[privacy]'"
ACCOUNTANTS = ("prv", "rdp")
"""Those of opacus, in the order of preference. Privacy loss random variables (Gopi et al. 2021, arXiv:2106.02848) give
the least epsilon where their approximation holds; Rényi differential privacy (Mironov 2017, arXiv:1702.07476) always
does."""


@dataclass(frozen=True)
class PrivatePlan:
    """What a run does for its budget: each of `steps` draws an example with the probability `rate`.

    `noise` is the standard deviation of the noise in units of `budget.clip`.
    """

    budget: PrivacyBudget
    examples: int
    steps: int
    rate: float
    noise: float

    @staticmethod
    def of(budget: PrivacyBudget, examples: int, steps: int, steps_an_epoch: int) -> PrivatePlan:
        """Choose the noise for a budget.

        Raises SpecError L208 without opacus, L233 for a delta that promises nothing, L234 if no noise is enough.
        """
        require_opacus()
        if budget.delta * examples >= 1:
            message = f"delta is {budget.delta:g}, but has to be below 1 / {examples:,}, the number of examples"
            hint = f"write `delta: {_rounded_down(0.1 / examples):g}`: at 1/{examples:,} an example may be given away"
            raise SpecError(Diagnostic("L233", message, hint=hint))
        rate = 1 / steps_an_epoch
        return PrivatePlan(budget, examples, steps, rate, _noise_for(budget, rate, steps))

    @property
    def expected_batch(self) -> float:
        """The number of examples that a step draws on average."""
        return self.rate * self.examples

    def epsilon(self, steps: int) -> float:
        """Return the epsilon that is spent after so many steps."""
        return _epsilon(self.noise, self.rate, steps, self.budget.delta) if steps else 0.0

    def rows(self, secret: str, step: int) -> Array:
        """Return the rows that a step draws."""
        from opacus.utils.uniform_sampler import UniformWithReplacementSampler

        generator = torch.Generator().manual_seed(secret_number(secret, "rows", step))
        sampler = UniformWithReplacementSampler(
            num_samples=self.examples, sample_rate=self.rate, generator=generator, steps=1
        )
        return np.array(next(iter(sampler)), np.int64)

    def to_json(self, steps: int) -> dict[str, Any]:
        """Return what holds for weights after so many steps, as the manifest of an artifact has it."""
        return {
            "epsilon": self.epsilon(steps), "delta": self.budget.delta, "clip": self.budget.clip, "noise": self.noise,
            "sample_rate": self.rate, "steps": steps,
        }  # fmt: skip


def require_opacus() -> None:
    """Raise SpecError L208 without opacus."""
    if find_spec("opacus") is None:
        raise SpecError(Diagnostic("L208", "`privacy` needs the package opacus", hint=INSTALL))


def secret_number(secret: str, purpose: str, step: int) -> int:
    """Return a number of 63 bits for a purpose in a step, from which the secret cannot be told."""
    return int.from_bytes(hashlib.sha256(f"{secret} {purpose} {step}".encode()).digest()[:8]) >> 1


@lru_cache
def _noise_for(budget: PrivacyBudget, rate: float, steps: int) -> float:
    from opacus.accountants.utils import get_noise_multiplier

    for accountant in ACCOUNTANTS:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # they are about orders and precision, which the bound allows for
                return float(
                    get_noise_multiplier(
                        target_epsilon=budget.epsilon, target_delta=budget.delta, sample_rate=rate, steps=steps,
                        accountant=accountant, epsilon_tolerance=min(0.01, budget.epsilon / 100),
                    )
                )  # fmt: skip
        except (ValueError, RuntimeError, ArithmeticError) as error:
            reason = str(error)
    message = f"no noise is enough for epsilon {budget.epsilon:g} over {steps:,} steps: {reason}"
    raise SpecError(Diagnostic("L234", message, hint="raise `epsilon`, or train for fewer steps"))


@lru_cache
def _epsilon(noise: float, rate: float, steps: int, delta: float) -> float:
    from opacus.accountants import create_accountant

    for name in ACCOUNTANTS:
        accountant = create_accountant(mechanism=name)
        accountant.history = [(noise, rate, steps)]
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                epsilon = float(accountant.get_epsilon(delta=delta))
        except (ValueError, RuntimeError, ArithmeticError):
            continue
        if math.isfinite(epsilon):
            return epsilon
    return math.inf


def _rounded_down(value: float) -> float:
    """Return a power of ten that is not above a value."""
    return float(10.0 ** math.floor(math.log10(value)))
