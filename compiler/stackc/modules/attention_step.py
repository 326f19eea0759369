"""Attention of new positions to all up to now: the keys and values of earlier ones enter, those of all come out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from stackc.modules.attention import Attention, alibi_slopes, joined_heads, onnx_attended

Present = tuple[Tensor, Tensor, Tensor]


class AttentionStep(Attention):
    """Causal attention from new positions to the past ones and themselves.

    A key is rotated at its own position before it is kept, so that no position moves from step to step.
    """

    def __init__(self, dim: int, *, alibi: bool = False, **options: Any) -> None:
        super().__init__(dim, bottom_right=True, **options)
        self.key_slopes = alibi_slopes(options["heads"]) if alibi else None

    def forward(  # type: ignore[override]  # it takes keys and values of the past, and returns those of all
        self,
        x: Tensor,
        context: None = None,
        mask: Tensor | None = None,
        bias: Tensor | None = None,
        value: None = None,
        positions: Tensor | None = None,
        *past: Tensor,
    ) -> Present:
        """x [batch, new, dim], past keys and values [batch, kv_heads, past, head_dim] → like x, and those of all."""
        return self.attend_all(self.project(x, x, x, positions), mask, bias, positions, past, self.attend)

    def export_forward(  # type: ignore[override]  # as above
        self, opset: int, target: str
    ) -> Callable[..., Present]:
        """Return the forward for an export, whose products of weights are those of `Attention`: both share a file."""
        joins = self.q_norm is None and self.rotary is None and target != "ort"

        def attend(q: Tensor, k: Tensor, v: Tensor, score_bias: Tensor | None) -> Tensor:
            return onnx_attended(self, q, k, v, score_bias, opset)

        def forward(
            x: Tensor,
            context: None = None,
            mask: Tensor | None = None,
            bias: Tensor | None = None,
            value: None = None,
            positions: Tensor | None = None,
            *past: Tensor,
        ) -> Present:
            q, k, v = joined_heads(self, (x, x, x)) if joins else self.project(x, x, x, positions)
            return self.attend_all((q, k, v), mask, bias, positions, past, attend)

        return forward

    def attend_all(
        self,
        new: tuple[Tensor, Tensor, Tensor],
        mask: Tensor | None,
        bias: Tensor | None,
        positions: Tensor | None,
        past: tuple[Tensor, ...],
        attend: Callable[..., Tensor],
    ) -> Present:
        """Append new keys and values to those of the past, and attend to all of them."""
        q, *appended = new
        k, v = (torch.cat((earlier, later), dim=2) for earlier, later in zip(past, appended, strict=True))
        score_bias = self.score_bias(mask, self.with_distances(bias, k, positions), q, k)
        return self.merged(attend(q, k, v, score_bias)), k, v

    def with_distances(self, bias: Tensor | None, k: Tensor, positions: Tensor | None) -> Tensor | None:
        """Return the bias with the slopes of distances from the new positions [1, new] to the key at each place."""
        if self.key_slopes is None:
            return bias
        assert positions is not None, "a step with alibi is given its positions"
        keys = torch.arange(k.shape[2], device=k.device)
        distances = (keys - positions.unsqueeze(2)).abs().unsqueeze(1)  # [1, 1, new, keys]
        slopes = distances * k.new_tensor([[[-slope]] for slope in self.key_slopes])
        return slopes if bias is None else bias + slopes
