"""Decoding: a model that runs on new entries of a sequence alone, and keeps what it needs of earlier ones."""

from __future__ import annotations

from dataclasses import dataclass

from stackc.core.diagnostics import Span
from stackc.core.types import DimRange
from stackc.ir.program import Program


@dataclass(frozen=True, slots=True)
class DecodeSettings:
    """What a spec says of its decoding step, with names that exist.

    along    the dim whose entries come by and by
    inputs   inputs that have the new entries in each step
    whole    inputs at full length, past and new, in each step: a mask of keys
    outputs  outputs of new entries
    """

    along: str
    inputs: tuple[str, ...]
    whole: tuple[str, ...]
    outputs: tuple[str, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class KeptState:
    """A value that a call keeps: an input and an output of the step.

    `owner` is the path of the call, `name` that of the state there. It has the past entries along `axis` where it
    enters, and those of all where it leaves.
    """

    owner: str
    name: str
    axis: int

    @property
    def past(self) -> str:
        """The input of the step."""
        return f"past.{self.owner}.{self.name}"

    @property
    def present(self) -> str:
        """The output of the step."""
        return f"present.{self.owner}.{self.name}"


@dataclass(frozen=True)
class Decoding:
    """A decoding step: a program of its own, whose parameters are those of the whole model.

    Its inputs are new entries, inputs at full length, static ones and the past of every state; its outputs those of
    `settings` and the present of every state. Along `settings.along` it has the new entries; `past` is the dim of the
    earlier ones, 0 at first. Both together are within `lengths`.
    """

    program: Program
    settings: DecodeSettings
    past: str
    states: tuple[KeptState, ...]
    lengths: DimRange
