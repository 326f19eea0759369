"""Causal attention as it runs in a step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from stackc.components.attended import require_score_bias, require_score_mask
from stackc.components.base import Component, Port, Signature
from stackc.components.construction import ConstructorCall
from stackc.core.types import TensorType, product

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True, kw_only=True)
class AttentionStep(Component):
    """`attention` of new positions to those before them and to themselves.

    x: [batch, new, dim], past_keys and past_values: [batch, kv_heads, past, head_dim] → y: [batch, new, dim], and keys
    and values of all. mask and bias are those of `attention`, with an axis of all keys. positions: [1, new].
    """

    op = "attention"
    family = "attention"
    ports = (
        Port("x"),
        *(Port(name, optional=True) for name in ("context", "mask", "bias", "value", "positions")),
        Port("past_keys"),
        Port("past_values"),
    )
    outputs = ("y", "keys", "values")
    of: Component
    heads: int

    def signature(
        self,
        x: TensorType,
        context: TensorType | None,
        mask: TensorType | None,
        bias: TensorType | None,
        value: TensorType | None,
        positions: TensorType | None,
        past_keys: TensorType,
        past_values: TensorType,
    ) -> Signature:
        """Return the types of x and of all keys and values; the parameters of `attention`."""
        assert context is None, "a step attends to its own past"
        assert value is None, "values are those of the keys"
        own = self.of.signature(x, positions=positions)

        batch, new = x.shape[:2]
        keys = past_keys.with_shape(*past_keys.shape[:2], past_keys.shape[2] + new, past_keys.shape[3])
        if mask is not None:
            require_score_mask(mask, batch, self.heads, new, keys.shape[2])
        if bias is not None:
            require_score_bias(bias, x.dtype, batch, self.heads, new, keys.shape[2])

        earlier = product((batch, new, past_keys.shape[2])) * self.heads  # scores of the past, besides the new ones
        flops, workspace = own.flops + 4 * earlier * past_keys.shape[3], own.workspace + earlier
        return Signature((x, keys, keys), own.parameters, flops=flops, workspace=workspace)

    def construction(self, x: TensorType, *others: Any) -> ConstructorCall[nn.Module]:
        """Return the module of `attention` that appends to keys and values."""
        from stackc.modules.attention_step import AttentionStep as Module

        own = self.of.construction(x)
        named = {name: option for name, option in own.named.items() if name != "bottom_right"}
        return ConstructorCall(Module, own.positional, named)

    @property
    def reach(self) -> int:
        """The window."""
        return self.of.reach
