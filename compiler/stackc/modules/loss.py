"""Losses and metrics: the mean over what counts, and the count, so that means over parts of a batch can be joined."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def mean_and_count(losses: Tensor, counted: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Return Σ losses / count and the count; 0 where nothing counts.

    `counted` is nonzero at the losses that count; it has their first axes. What is left out may even be NaN.
    """
    if counted is None:
        return losses.mean(), losses.new_full((), losses.numel())
    kept = counted.bool().reshape(*counted.shape, *[1] * (losses.dim() - counted.dim())).expand_as(losses)
    return ratio(losses.masked_fill(~kept, 0).sum(), kept.sum())


def ratio(total: Tensor, count: Tensor) -> tuple[Tensor, Tensor]:
    """Return the mean and the count of a sum; the mean is 0 if the count is."""
    count = count.to(total.dtype)
    return total / count.clamp(min=torch.finfo(total.dtype).tiny), count


class CrossEntropy(nn.Module):
    """The cross-entropy of logits with classes, or with `is_log`, of logarithms of probabilities."""

    def __init__(
        self,
        axis: int = 1,
        label_smoothing: float = 0.0,
        ignore_index: int = -100,
        weight: tuple[float, ...] | None = None,
        is_log: bool = False,
    ) -> None:
        super().__init__()
        self.axis = axis
        self.label_smoothing = label_smoothing
        self.ignore_index = ignore_index
        self.is_log = is_log
        self.weight = weight

    def forward(self, x: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """x [batch, classes, ...], target [batch, ...] → two numbers."""
        x, target = x.movedim(self.axis, 1), target.long()
        weight = None if self.weight is None else x.new_tensor(self.weight)
        if self.is_log:
            total = F.nll_loss(x, target, weight, ignore_index=self.ignore_index, reduction="sum")
        else:
            total = F.cross_entropy(
                x,
                target,
                weight,
                ignore_index=self.ignore_index,
                reduction="sum",
                label_smoothing=self.label_smoothing,
            )

        counted = target != self.ignore_index
        if weight is None:
            return ratio(total, counted.sum())
        return ratio(total, weight[target.masked_fill(~counted, 0)].masked_fill(~counted, 0).sum())


class ElementwiseLoss(nn.Module):
    """A loss of each element, by a function of torch.nn.functional and its options."""

    def __init__(self, name: str, **options: float) -> None:
        super().__init__()
        self.name = name
        self.options = options

    def forward(self, x: Tensor, target: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """x and target [...], mask their first axes → two numbers."""
        return mean_and_count(getattr(F, self.name)(x, target, reduction="none", **self.options), mask)


class BinaryCrossEntropy(nn.Module):
    """The cross-entropy of logits with probabilities of yes."""

    def __init__(self, pos_weight: float = 1.0) -> None:
        super().__init__()
        self.pos_weight = pos_weight

    def forward(self, x: Tensor, target: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """x and target [...], mask their first axes → two numbers."""
        weight = x.new_tensor(self.pos_weight)
        losses = F.binary_cross_entropy_with_logits(x, target, reduction="none", pos_weight=weight)
        return mean_and_count(losses, mask)


class FocalLoss(nn.Module):
    """The binary cross-entropy, which counts less where the probability is right already."""

    def __init__(self, gamma: float = 2.0, alpha: float = 0.25) -> None:
        super().__init__()
        self.gamma = gamma
        self.alpha = alpha

    def forward(self, x: Tensor, target: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """x and target [...], mask their first axes → two numbers."""
        yes = self.alpha * target * x.neg().sigmoid() ** self.gamma * F.logsigmoid(x)
        no = (1 - self.alpha) * (1 - target) * x.sigmoid() ** self.gamma * F.logsigmoid(-x)
        return mean_and_count(-yes - no, mask)


class QuantileLoss(nn.Module):
    """The pinball loss of several quantiles."""

    def __init__(self, quantiles: tuple[float, ...]) -> None:
        super().__init__()
        self.quantiles = quantiles

    def forward(self, x: Tensor, target: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """x [..., quantiles], target [...], mask its first axes → two numbers."""
        q = x.new_tensor(self.quantiles)
        above = target.unsqueeze(-1) - x
        return mean_and_count(torch.maximum(q * above, (q - 1) * above), mask)


class KLDivergence(nn.Module):
    """The divergence of predicted distributions, as logarithms, from target distributions."""

    def __init__(self, log_target: bool = False) -> None:
        super().__init__()
        self.log_target = log_target

    def forward(self, x: Tensor, target: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """x and target [..., classes], mask the first axes → two numbers."""
        losses = F.kl_div(x, target, reduction="none", log_target=self.log_target)
        return mean_and_count(losses.sum(dim=-1), mask)


class CTC(nn.Module):
    """Connectionist temporal classification, each loss divided by the length of its target."""

    def __init__(self, blank: int = 0, zero_infinity: bool = False) -> None:
        super().__init__()
        self.blank = blank
        self.zero_infinity = zero_infinity

    def forward(
        self, x: Tensor, target: Tensor, lengths: Tensor | None = None, target_lengths: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """x [batch, time, classes], target [batch, labels], lengths [batch] → two numbers."""
        if lengths is None:
            lengths = target.new_full(target.shape[:1], x.shape[1])
        if target_lengths is None:
            target_lengths = target.new_full(target.shape[:1], target.shape[1])
        losses = F.ctc_loss(
            x.transpose(0, 1),
            target.long(),
            lengths.long(),
            target_lengths.long(),
            self.blank,
            reduction="none",
            zero_infinity=self.zero_infinity,
        )
        return mean_and_count(losses / target_lengths.clamp(min=1).to(losses.dtype))


class CosineLoss(nn.Module):
    """One minus the cosine of two vectors."""

    def forward(self, x: Tensor, target: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """x and target [..., dim], mask the first axes → two numbers."""
        return mean_and_count(1 - F.cosine_similarity(x, target, dim=-1), mask)


class TripletLoss(nn.Module):
    """How much farther than a margin a vector is from its positive than from its negative."""

    def __init__(self, margin: float = 1.0) -> None:
        super().__init__()
        self.margin = margin

    def forward(self, x: Tensor, positive: Tensor, negative: Tensor) -> tuple[Tensor, Tensor]:
        """Three of [batch, dim] → two numbers."""
        return mean_and_count(F.triplet_margin_loss(x, positive, negative, self.margin, reduction="none"))


class ContrastiveLoss(nn.Module):
    """The cross-entropy of finding each row's partner among all rows of the batch."""

    def __init__(self, temperature: float = 0.07, symmetric: bool = True) -> None:
        super().__init__()
        self.temperature = temperature
        self.symmetric = symmetric

    def forward(self, x: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """x and target [batch, dim] → two numbers."""
        scores = x @ target.T / self.temperature  # [batch, batch]
        partners = torch.arange(scores.shape[0], device=scores.device)
        losses = F.cross_entropy(scores, partners, reduction="none")
        if self.symmetric:
            losses = (losses + F.cross_entropy(scores.T, partners, reduction="none")) / 2
        return mean_and_count(losses)


class DiceLoss(nn.Module):
    """One minus the overlap of predicted and target masks."""

    def __init__(self, smooth: float = 1.0) -> None:
        super().__init__()
        self.smooth = smooth

    def forward(self, x: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """x and target [batch, ...], probabilities → two numbers."""
        x, target = x.flatten(1), target.flatten(1)
        overlap, size = (x * target).sum(dim=1), (x + target).sum(dim=1)
        return mean_and_count(1 - (2 * overlap + self.smooth) / (size + self.smooth))


class Accuracy(nn.Module):
    """The share of targets that are among the k likeliest classes."""

    def __init__(self, axis: int = 1, k: int = 1, ignore_index: int = -100) -> None:
        super().__init__()
        self.axis = axis
        self.k = k
        self.ignore_index = ignore_index

    def forward(self, x: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """x [batch, classes, ...], target [batch, ...] → two numbers."""
        likeliest = x.topk(self.k, dim=self.axis).indices
        is_right = (likeliest == target.long().unsqueeze(self.axis)).any(dim=self.axis)
        return mean_and_count(is_right.to(x.dtype), target != self.ignore_index)
