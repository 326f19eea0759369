"""Where the new entries of a step stand, and what is made of that."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from stackc.components.base import Component, Port, Signature
from stackc.components.construction import ConstructorCall, construct
from stackc.core.types import Dim, TensorType

if TYPE_CHECKING:
    from torch import nn

POSITIONS = Port("positions")


@dataclass(frozen=True, kw_only=True)
class PositionsAfterPast(Component):
    """y[0, i] = n + i: the positions of new entries, which follow n past ones.

    x: new entries along `axis`, past: past ones along `past_axis`; only their numbers are read → y: [1, new].
    """

    op = "positions"
    family = "values"
    ports = (Port("x"), Port("past"))
    size_ports = frozenset({"x", "past"})
    axis: int
    past_axis: int

    def signature(self, x: TensorType, past: TensorType) -> Signature:
        """Return whole numbers [1, new]."""
        return Signature((TensorType("int64", (Dim.of(1), x.shape[self.axis])),))

    def construction(self, x: TensorType, past: TensorType) -> ConstructorCall[nn.Module]:
        """Return the positions as a module."""
        from stackc.modules.positions_step import PositionsAfterPast as Module

        return construct(Module, self.axis, self.past_axis)


@dataclass(frozen=True, kw_only=True)
class LearnedPositionStep(Component):
    """y[0, i] = weight[p_i]: `learned_position` of new entries, at positions p [1, new]."""

    op = "learned_position"
    family = "embedding"
    ports = (Port("x"), POSITIONS)
    of: Component

    def signature(self, x: TensorType, positions: TensorType) -> Signature:
        """Return the vectors of new positions, and no limit of their number: those of the past count too."""
        own = self.of.signature(x)
        return Signature(own.outputs, own.parameters)

    def construction(self, x: TensorType, positions: TensorType) -> ConstructorCall[nn.Module]:
        """Return the table of `learned_position`."""
        from stackc.modules.positions_step import LearnedPositionStep as Module

        return ConstructorCall(Module, self.of.construction(x).positional, {})


@dataclass(frozen=True, kw_only=True)
class SinusoidalPositionStep(Component):
    """`sinusoidal_position` of new entries x [batch, new, features], at positions [1, new]."""

    op = "sinusoidal_position"
    family = "embedding"
    ports = (Port("x"), Port("mask", optional=True), POSITIONS)
    of: Component

    def signature(self, x: TensorType, mask: TensorType | None, positions: TensorType) -> Signature:
        """Return one vector for each new position."""
        assert mask is None, "a mask counts positions anew"
        return self.of.signature(x)

    def construction(self, x: TensorType, mask: TensorType | None, positions: TensorType) -> ConstructorCall[nn.Module]:
        """Return the sinusoids as a module."""
        from stackc.modules.positions_step import SinusoidalPositionStep as Module

        own = self.of.construction(x)
        return ConstructorCall(Module, own.positional, own.named)


@dataclass(frozen=True, kw_only=True)
class PositionsStep(Component):
    """`positions` of new entries: `start` and those of the step, [1, new]."""

    op = "positions"
    family = "values"
    ports = (Port("x"), POSITIONS)
    of: Component

    def signature(self, x: TensorType, positions: TensorType) -> Signature:
        """Return whole numbers [new]."""
        return self.of.signature(x)

    def construction(self, x: TensorType, positions: TensorType) -> ConstructorCall[nn.Module]:
        """Return the positions in their element type, as a module."""
        from stackc.modules.positions_step import PositionsStep as Module

        own = self.of.construction(x)
        return ConstructorCall(Module, own.positional, own.named)
