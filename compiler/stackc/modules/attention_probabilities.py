"""Attention that also returns its probabilities, in primitive operations: fused operators keep them to themselves."""

from torch import Tensor

from stackc.modules.attention import Attention, ScaledDotProductAttention


class ScaledDotProductAttentionWithProbabilities(ScaledDotProductAttention):
    """Scaled dot-product attention, and how much each query takes of each key."""

    def forward(  # type: ignore[override]  # it returns the probabilities as well
        self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None, bias: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """As without probabilities, and [batch, heads, queries, keys]."""
        return attended(self, query, key, value, self.score_bias(mask, bias, query, key))

    def export_forward(self, opset: int, target: str) -> None:
        """Return None: the same forward is exported."""


class AttentionWithProbabilities(Attention):
    """Attention, and how much each query takes of each key."""

    def forward(  # type: ignore[override]  # it returns the probabilities as well
        self,
        x: Tensor,
        context: Tensor | None = None,
        mask: Tensor | None = None,
        bias: Tensor | None = None,
        value: Tensor | None = None,
        positions: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """As without probabilities, and [batch, heads, queries, keys]."""
        source = x if context is None else context
        q, k, v = self.project(x, source, source if value is None else value, positions)
        mixed, weights = attended(self, q, k, v, self.score_bias(mask, bias, q, k, positions))
        return self.merged(mixed), weights

    def export_forward(self, opset: int, target: str) -> None:
        """Return None: the same forward is exported."""


def attended(
    attention: ScaledDotProductAttention, q: Tensor, k: Tensor, v: Tensor, score_bias: Tensor | None
) -> tuple[Tensor, Tensor]:
    """The values mixed by their scores, like q, and the weights of real keys; the rest of 1 is that of a sink."""
    keys = k.shape[2]
    if attention.sinks is not None:
        k, v, score_bias = attention.with_sinks(q, k, v, score_bias)
    weights = attention.weights(q, k, score_bias)
    return attention.mixed(weights, v), weights[..., :keys]
