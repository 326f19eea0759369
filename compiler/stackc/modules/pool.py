"""From a vector a position to one vector, and vectors to unit length."""

from torch import Tensor, nn
from torch.nn import functional as F


class MeanPool(nn.Module):
    """The mean over the positions that a mask keeps."""

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """x [batch, seq, dim], mask [batch, seq] → [batch, dim]."""
        if mask is None:
            return x.mean(dim=1)
        kept = mask.ne(0).unsqueeze(-1)  # [batch, seq, 1]
        total = x.masked_fill(~kept, 0).sum(dim=1)  # [batch, dim]; whatever padding holds, NaN too, stays out
        count = kept.sum(dim=1).clamp(min=1)  # [batch, 1]
        return total / count.to(x.dtype)


class ClsPool(nn.Module):
    """The first position."""

    def forward(self, x: Tensor) -> Tensor:
        """[batch, seq, dim] → [batch, dim]."""
        return x[:, 0]


class L2Normalize(nn.Module):
    """Vectors made as long as 1."""

    def __init__(self, axis: int | tuple[int, ...] = -1, eps: float = 1e-12) -> None:
        super().__init__()
        self.axis = axis
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        """x / max(‖x‖₂, eps) along the axis or axes."""
        return F.normalize(x, p=2.0, dim=self.axis, eps=self.eps)  # type: ignore[arg-type]  # its stub has no tuples
