"""Losses, for the graph under `train:` alone: y is a mean over what counts, `count` how much that is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar

from stackc.components.axes import Axes
from stackc.components.base import (
    Port,
    Signature,
    SignatureError,
    fixed,
    require_float,
    require_integer,
    require_layout,
)
from stackc.components.construction import ConstructorCall, construct
from stackc.components.fields import Natural, Probability, Range
from stackc.components.losses import (
    MASK,
    OUTPUTS,
    ClassLoss,
    ElementwiseLoss,
    Loss,
    Positive,
    RowLoss,
    first_axes,
    means_of,
    pair_of,
    require_leading_mask,
)
from stackc.components.registry import component
from stackc.core.types import Dim, TensorType

if TYPE_CHECKING:
    from torch import nn


@component("cross_entropy", "x", "target", outputs=OUTPUTS)
class CrossEntropy(ClassLoss):
    """y = −Σᵢ w_tᵢ·log softmax(xᵢ)_tᵢ / Σᵢ w_tᵢ, where tᵢ is the target of xᵢ.

    x: [batch, classes, ...], target: [batch, ...] → y: a number. With `label_smoothing` ε the target is a distribution:
    1 − ε on tᵢ, and ε over all classes. Szegedy et al. 2015, arXiv:1512.00567.
    """

    label_smoothing: Annotated[Probability, "the share of the target that is spread over all classes"] = 0.0

    def construction(self, x: TensorType, target: TensorType) -> ConstructorCall[nn.Module]:
        """Return torch.nn.functional.cross_entropy as a module."""
        from stackc.modules.loss import CrossEntropy

        return construct(CrossEntropy, self.axis, self.label_smoothing, self.ignore_index, self.weight)


@component("nll", "x", "target", outputs=OUTPUTS)
class NegativeLogLikelihood(ClassLoss):
    """y = −Σᵢ w_tᵢ·(xᵢ)_tᵢ / Σᵢ w_tᵢ, where tᵢ is the target of xᵢ, and x are logarithms of probabilities.

    x: [batch, classes, ...], target: [batch, ...] → y: a number.
    """

    def construction(self, x: TensorType, target: TensorType) -> ConstructorCall[nn.Module]:
        """Return torch.nn.functional.nll_loss as a module."""
        from stackc.modules.loss import CrossEntropy

        return construct(CrossEntropy, self.axis, 0.0, self.ignore_index, self.weight, True)


# -- of numbers


@component("mse", "x", "target", MASK, outputs=OUTPUTS)
class MeanSquaredError(ElementwiseLoss):
    """y = mean of (x − target)².

    x: [...], target: the same, mask: its first axes → y: a number.
    """

    def construction(
        self, x: TensorType, target: TensorType, mask: TensorType | None = None
    ) -> ConstructorCall[nn.Module]:
        """Return torch.nn.functional.mse_loss as a module."""
        from stackc.modules.loss import ElementwiseLoss

        return construct(ElementwiseLoss, "mse_loss")


@component("l1", "x", "target", MASK, outputs=OUTPUTS)
class MeanAbsoluteError(ElementwiseLoss):
    """y = mean of |x − target|.

    x: [...], target: the same, mask: its first axes → y: a number.
    """

    def construction(
        self, x: TensorType, target: TensorType, mask: TensorType | None = None
    ) -> ConstructorCall[nn.Module]:
        """Return torch.nn.functional.l1_loss as a module."""
        from stackc.modules.loss import ElementwiseLoss

        return construct(ElementwiseLoss, "l1_loss")


@component("huber", "x", "target", MASK, outputs=OUTPUTS)
class Huber(ElementwiseLoss):
    """y = mean of e²/2 where |e| ≤ delta, else of delta·(|e| − delta/2), with e = x − target.

    x: [...], target: the same, mask: its first axes → y: a number. Huber 1964, Annals of Mathematical Statistics 35.
    """

    delta: Annotated[Positive, "the error from which on it grows linearly"] = 1.0

    def construction(
        self, x: TensorType, target: TensorType, mask: TensorType | None = None
    ) -> ConstructorCall[nn.Module]:
        """Return torch.nn.functional.huber_loss as a module."""
        from stackc.modules.loss import ElementwiseLoss

        return construct(ElementwiseLoss, "huber_loss", delta=self.delta)


@component("bce_with_logits", "x", "target", MASK, outputs=OUTPUTS)
class BinaryCrossEntropy(ElementwiseLoss):
    """y = −mean of pos_weight·t·log σ(x) + (1 − t)·log(1 − σ(x)), where t is the target, a probability.

    x: [...], target: the same, mask: its first axes → y: a number.
    """

    pos_weight: Annotated[Positive, "how much more a yes counts than a no"] = 1.0

    def construction(
        self, x: TensorType, target: TensorType, mask: TensorType | None = None
    ) -> ConstructorCall[nn.Module]:
        """Return torch.nn.functional.binary_cross_entropy_with_logits as a module."""
        from stackc.modules.loss import BinaryCrossEntropy

        return construct(BinaryCrossEntropy, self.pos_weight)


@component("focal", "x", "target", MASK, outputs=OUTPUTS)
class Focal(ElementwiseLoss):
    """y = −mean of α·t·(1 − p)^γ·log p + (1 − α)·(1 − t)·p^γ·log(1 − p), with p = σ(x) and targets t of 0 and 1.

    x: [...], target: the same, mask: its first axes → y: a number. Lin et al. 2017, arXiv:1708.02002.
    """

    gamma: Annotated[float, Range(minimum=0.0), "how much less it counts what is right already"] = 2.0
    alpha: Annotated[float, Range(minimum=0.0, maximum=1.0), "the weight of a yes; that of a no is 1 − alpha"] = 0.25

    def construction(
        self, x: TensorType, target: TensorType, mask: TensorType | None = None
    ) -> ConstructorCall[nn.Module]:
        """Return the focal loss as a module."""
        from stackc.modules.loss import FocalLoss

        return construct(FocalLoss, self.gamma, self.alpha)


@component("quantile", "x", "target", MASK, outputs=OUTPUTS)
class Quantile(Loss):
    """y = mean of max(q·e, (q − 1)·e) over all quantiles q, with e = target − x_q: the pinball loss.

    x: [..., quantiles], target: [...], mask: its first axes → y: a number. Koenker, Bassett 1978, Econometrica 46.
    """

    quantiles: Annotated[
        tuple[float, ...], Range(minimum=0.0, maximum=1.0), "the shares of targets that are to be below each of x"
    ]

    mixes = ("takes the axis for that of the quantiles", None)

    def term_axes(self, x: TensorType, target: TensorType, mask: TensorType | None = None) -> tuple[Axes, ...]:
        """Return every axis but that of the quantiles."""
        return first_axes(target.rank), first_axes(target.rank), first_axes(mask.rank if mask else 0)

    def signature(self, x: TensorType, target: TensorType, mask: TensorType | None = None) -> Signature:
        """Return two numbers."""
        require_float(x)
        count = len(self.quantiles)
        if not x.rank or x.shape[-1] != Dim.of(count):
            raise SignatureError(f"expects [..., {count}], one for each of {count} quantiles, got {x}", port="x")
        require_leading_mask(target, mask, target.rank)
        pair_of(x.with_shape(*x.shape[:-1]), target)
        return means_of(x)

    def construction(
        self, x: TensorType, target: TensorType, mask: TensorType | None = None
    ) -> ConstructorCall[nn.Module]:
        """Return the pinball loss as a module."""
        from stackc.modules.loss import QuantileLoss

        return construct(QuantileLoss, self.quantiles)


@component("dice", "x", "target", outputs=OUTPUTS)
class Dice(Loss):
    """y = mean of 1 − (2·Σᵢ xᵢ·tᵢ + smooth) / (Σᵢ xᵢ + Σᵢ tᵢ + smooth), over the batch.

    x: [batch, ...], probabilities, target: the same, of 0 and 1 → y: a number. Milletari et al. 2016, arXiv:1606.04797.
    """

    smooth: Annotated[Positive, "what is added above and below the fraction"] = 1.0

    mixes = ("combines all elements of an example", None)

    def term_axes(self, *inputs: TensorType | None) -> tuple[Axes, ...]:
        """Return the batch."""
        return tuple(first_axes(1 if x else 0) for x in inputs)

    def signature(self, x: TensorType, target: TensorType) -> Signature:
        """Return two numbers."""
        if x.rank < 2:
            raise SignatureError(f"expects [batch, ...] with at least 2 axes, got {x}", port="x")
        return pair_of(x, target)

    def construction(self, x: TensorType, target: TensorType) -> ConstructorCall[nn.Module]:
        """Return the Dice loss as a module."""
        from stackc.modules.loss import DiceLoss

        return construct(DiceLoss, self.smooth)


# -- of distributions, vectors and sequences


@component("kl_div", "x", "target", MASK, outputs=OUTPUTS)
class KLDivergence(RowLoss):
    """y = mean of Σ_c t_c·(log t_c − x_c): x are logarithms of probabilities, t the target's probabilities.

    x: [batch, ..., classes], target: the same, mask: [batch, ...] → y: a number, the mean over all but the last axis.
    """

    log_target: Annotated[bool, "whether the target holds logarithms too"] = False

    def construction(
        self, x: TensorType, target: TensorType, mask: TensorType | None = None
    ) -> ConstructorCall[nn.Module]:
        """Return torch.nn.functional.kl_div as a module."""
        from stackc.modules.loss import KLDivergence

        return construct(KLDivergence, self.log_target)


@component("cosine", "x", "target", MASK, outputs=OUTPUTS)
class Cosine(RowLoss):
    """y = mean of 1 − cos(x, target).

    x: [batch, ..., dim], target: the same, mask: [batch, ...] → y: a number.
    """

    def construction(
        self, x: TensorType, target: TensorType, mask: TensorType | None = None
    ) -> ConstructorCall[nn.Module]:
        """Return the distance of directions as a module."""
        from stackc.modules.loss import CosineLoss

        return construct(CosineLoss)


@component("triplet", "x", "positive", "negative", outputs=OUTPUTS)
class Triplet(Loss):
    """y = mean of max(‖x − positive‖₂ − ‖x − negative‖₂ + margin, 0).

    x: [batch, dim], positive and negative: the same → y: a number. Schroff et al. 2015, arXiv:1503.03832.
    """

    margin: Annotated[Positive, "how much farther the negative is to be"] = 1.0

    mixes = ("combines all elements of an example", None)

    def term_axes(self, *inputs: TensorType | None) -> tuple[Axes, ...]:
        """Return the batch."""
        return tuple(first_axes(1 if x else 0) for x in inputs)

    def signature(self, x: TensorType, positive: TensorType, negative: TensorType) -> Signature:
        """Return two numbers."""
        require_layout(x, "[batch, dim]")
        pair_of(x, positive, "positive")
        return pair_of(x, negative, "negative")

    def construction(self, x: TensorType, positive: TensorType, negative: TensorType) -> ConstructorCall[nn.Module]:
        """Return torch.nn.functional.triplet_margin_loss as a module."""
        from stackc.modules.loss import TripletLoss

        return construct(TripletLoss, self.margin)


@component("contrastive", "x", "target", outputs=OUTPUTS)
class Contrastive(Loss):
    """y = −mean of log softmax_j(xᵢ·t_j / temperature)_i: each xᵢ is to find its tᵢ among the targets of the batch.

    x: [batch, dim], target: the same → y: a number. Put `l2_normalize` before both for cosines. If `symmetric`, each
    target is to find its x too, and y is the mean of both. van den Oord et al. 2018, arXiv:1807.03748; Radford et al.
    2021, arXiv:2103.00020.
    """

    mixes_examples: ClassVar[bool] = True
    temperature: Annotated[Positive, "what scores are divided by"] = 0.07
    symmetric: Annotated[bool, "whether targets are to find their x too"] = True

    mixes = ("compares each example with all others of the batch", "triplet compares it with one of its own")

    def signature(self, x: TensorType, target: TensorType) -> Signature:
        """Return two numbers."""
        require_layout(x, "[batch, dim]")
        batch, dim = x.shape
        return Signature(pair_of(x, target).outputs, flops=Dim.of(2) * batch * batch * dim, workspace=batch * batch)

    def construction(self, x: TensorType, target: TensorType) -> ConstructorCall[nn.Module]:
        """Return the loss as a module."""
        from stackc.modules.loss import ContrastiveLoss

        return construct(ContrastiveLoss, self.temperature, self.symmetric)


@component("ctc", "x", "target", Port("lengths", optional=True), Port("target_lengths", optional=True), outputs=OUTPUTS)
class CTC(Loss):
    """y = mean of −log P(target | x) / length of the target, over the batch, summed over all alignments.

    x: [batch, time, classes], logarithms of probabilities, target: [batch, labels], lengths and target_lengths: [batch]
    → y: a number. Without lengths, all of x and target count. Graves et al. 2006, ICML.
    """

    blank: Annotated[Natural, "the class that stands for no label"] = 0
    zero_infinity: Annotated[bool, "whether targets that are too long for x cost 0 instead of ∞"] = False

    mixes = ("combines all elements of an example", None)

    def term_axes(self, *inputs: TensorType | None) -> tuple[Axes, ...]:
        """Return the batch."""
        return tuple(first_axes(1 if x else 0) for x in inputs)

    def signature(
        self,
        x: TensorType,
        target: TensorType,
        lengths: TensorType | None = None,
        target_lengths: TensorType | None = None,
    ) -> Signature:
        """Return two numbers."""
        require_float(x)
        require_layout(x, "[batch, time, classes]")
        require_integer(target, "target")
        require_layout(target, "[batch, labels]", "target")
        classes = fixed(x.shape[2], "the number of classes", port="x")
        if self.blank >= classes:
            raise SignatureError(f"blank {self.blank} is not below the {classes} classes", field="blank")

        for port, value in (("target", target), ("lengths", lengths), ("target_lengths", target_lengths)):
            if value is None:
                continue
            require_integer(value, port)
            if value.shape[:1] != x.shape[:1] or (port != "target" and value.rank != 1):
                raise SignatureError(f"expects the batch of {x} first, got {value}", port=port)
        return means_of(x)

    def index_bounds(self, x: TensorType, target: TensorType, *lengths: TensorType | None) -> dict[str, Dim]:
        """Return the number of classes, which labels are below."""
        return {"target": x.shape[2]}

    def construction(
        self,
        x: TensorType,
        target: TensorType,
        lengths: TensorType | None = None,
        target_lengths: TensorType | None = None,
    ) -> ConstructorCall[nn.Module]:
        """Return torch.nn.functional.ctc_loss as a module."""
        from stackc.modules.loss import CTC

        return construct(CTC, self.blank, self.zero_infinity)
