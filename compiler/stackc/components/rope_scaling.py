"""Scalings of rotary positions for sequences that are longer than those of the training."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from stackc.components.base import SignatureError
from stackc.components.construction import ConstructorCall, construct
from stackc.components.fields import Range, Size

if TYPE_CHECKING:
    from stackc.modules.rotary import Rotary

RopeType = Literal["default", "linear", "dynamic", "llama3", "yarn"]
Positive = Annotated[float, Range(minimum=1e-6)]


@dataclass(frozen=True, kw_only=True)
class RopeScaling:
    """How rotary positions are scaled, under the keys of a config.json; each type reads those of its formula.

    With `linear`, position i has the angles of i / factor (Chen et al. 2023, arXiv:2306.15595). With `dynamic`, the
    base grows with the length of the sequence past the original one; what an earlier position gives then depends on
    the length, which is not causal. `llama3` and `yarn` (Peng et al. 2023, arXiv:2309.00071) divide the frequencies of
    slow pairs by the factor, keep those of fast ones, and interpolate between them.
    """

    rope_type: Annotated[RopeType, "the formula; default scales nothing"]
    factor: Annotated[float, Range(minimum=1.0), "how much longer the sequences may be"]
    original_max_position_embeddings: Annotated[
        Size | None, "the length of the training; with dynamic, that from which the base grows"
    ] = None
    low_freq_factor: Annotated[Positive, "llama3: waves that fit less often into the length are stretched"] = 1.0
    high_freq_factor: Annotated[Positive, "llama3: waves that fit more often into the length are kept"] = 4.0
    attention_factor: Annotated[
        float, Range(minimum=0.0), "yarn: the factor of rotated features; if 0, 1 + log(factor) / 10"
    ] = 0.0
    beta_fast: Annotated[Positive, "yarn: pairs that rotate more often in the length are kept"] = 32.0
    beta_slow: Annotated[Positive, "yarn: pairs that rotate less often in the length are interpolated"] = 1.0
    mscale: Annotated[float, Range(minimum=0.0), "yarn: the weight of log(factor) in the attention factor"] = 0.0
    mscale_all_dim: Annotated[
        float, Range(minimum=0.0), "yarn: the weight of log(factor) in the number it is divided by, with mscale"
    ] = 0.0
    truncate: Annotated[bool, "yarn: round the ends of the interpolation to whole pairs"] = True

    def require_fit(self, dim: int, base: float) -> None:
        """Raise SignatureError unless the formula has all it needs for this number of rotated features."""
        needs_length = self.rope_type in ("dynamic", "llama3", "yarn")
        if needs_length and self.original_max_position_embeddings is None:
            raise _error(
                f"rope_scaling of the type {self.rope_type} needs the length of the training",
                "add `original_max_position_embeddings: …` to it",
                code="T208",
            )
        if self.rope_type == "llama3" and self.low_freq_factor >= self.high_freq_factor:
            message = f"low_freq_factor {self.low_freq_factor:g} must be below high_freq_factor"
            raise _error(f"{message} {self.high_freq_factor:g}")
        if self.rope_type == "dynamic" and dim == 2:
            raise _error("dynamic scaling needs more than 2 rotated features: a single pair has no base")
        if self.rope_type == "yarn" and base == 1.0:
            raise _error("yarn needs a rotary_base above 1: with 1, all pairs rotate equally fast")

    def rotary(self, dim: int, base: float, interleaved: bool) -> ConstructorCall[Rotary]:
        """Return the module of rotary positions that are scaled so."""
        from stackc.modules.rotary import DynamicRotary, LinearRotary, Llama3Rotary, Rotary, YarnRotary

        original = self.original_max_position_embeddings or 0
        match self.rope_type:
            case "default":
                return construct(Rotary, dim, base, interleaved)
            case "linear":
                return construct(LinearRotary, dim, base, interleaved, factor=self.factor)
            case "dynamic":
                return construct(DynamicRotary, dim, base, interleaved, factor=self.factor, original=original)
            case "llama3":
                return construct(
                    Llama3Rotary,
                    dim,
                    base,
                    interleaved,
                    factor=self.factor,
                    original=original,
                    low_freq_factor=self.low_freq_factor,
                    high_freq_factor=self.high_freq_factor,
                )
            case "yarn":
                return construct(
                    YarnRotary,
                    dim,
                    base,
                    interleaved,
                    factor=self.factor,
                    original=original,
                    attention_factor=self._yarn_attention_factor,
                    beta_fast=self.beta_fast,
                    beta_slow=self.beta_slow,
                    truncate=self.truncate,
                )

    @property
    def reach(self) -> int:
        """The length from which the values depend on the length of the sequence; 0 if they never do."""
        return (self.original_max_position_embeddings or 0) if self.rope_type == "dynamic" else 0

    @property
    def _yarn_attention_factor(self) -> float:
        if self.attention_factor:
            return self.attention_factor
        growth = 0.1 * math.log(self.factor)
        if self.mscale and self.mscale_all_dim:
            return (1 + self.mscale * growth) / (1 + self.mscale_all_dim * growth)
        return 1 + growth


def _error(message: str, hint: str | None = None, *, code: str = "T202") -> SignatureError:
    return SignatureError(message, code=code, field="rope_scaling", hint=hint)
