"""The probabilities of every attention of a model, whether its spec asks for them or not."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from stackc.ir.program import Call, Program
from stackc.modules.attention import Attention, ScaledDotProductAttention
from stackc.modules.attention_probabilities import (
    AttentionWithProbabilities,
    ScaledDotProductAttentionWithProbabilities,
)
from stackc.proof.eager import tensor_of
from stackc.runtime import Array, Feeds


def attention_probabilities(module: nn.Module, program: Program, feeds: Feeds) -> dict[str, Array]:
    """Run the model once, and return the probabilities [batch, heads, queries, keys] of each attention by its path.

    Empty if the model has none. They are those of components whose formula is attention's; the same weights compute
    them beside the output, which fused operators keep them from.
    """
    calls: dict[str, deque[Call]] = {}
    for call in program.calls:
        if isinstance(module.get_submodule(call.owner), ScaledDotProductAttention):
            calls.setdefault(call.owner, deque()).append(call)

    found: dict[str, Array] = {}
    handles = []
    for owner, waiting in calls.items():
        attention = module.get_submodule(owner)
        handles.append(attention.register_forward_hook(_keeping(waiting, found), with_kwargs=True))
    try:
        with torch.no_grad():
            module.eval()(*(tensor_of(feeds[name]) for name in program.inputs))
    finally:
        for handle in handles:
            handle.remove()
    return {call.path: found[call.path] for call in program.calls if call.path in found}


def _keeping(waiting: deque[Call], found: dict[str, Array]) -> Callable[..., None]:
    def hook(attention: nn.Module, inputs: tuple[Any, ...], named: Mapping[str, Any], _: object) -> None:
        forward: Callable[..., tuple[Tensor, Tensor]] = (
            AttentionWithProbabilities.forward
            if isinstance(attention, Attention)
            else ScaledDotProductAttentionWithProbabilities.forward
        )
        found[waiting.popleft().path] = forward(attention, *inputs, **named)[1].numpy()

    return hook
