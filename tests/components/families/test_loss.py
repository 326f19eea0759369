"""Losses against torch.nn.functional, closed forms and loops; metrics against NumPy."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.components.cases import CASES
from tests.components.test_signature_property import draw_sizes, filled
from torch import Tensor
from torch.nn import functional as F

from stackc.components import REGISTRY
from stackc.components.base import SignatureError
from stackc.components.families.loss import (
    CTC,
    Contrastive,
    CrossEntropy,
    Dice,
    Focal,
    KLDivergence,
    MeanSquaredError,
    Quantile,
)
from stackc.components.families.metric import Accuracy
from stackc.core.types import Dim, TensorType, shape

BATCH, SEQ = Dim.symbol("batch"), Dim.symbol("seq")
X = TensorType("float64", shape(BATCH, 5))
TARGET = TensorType("int64", shape(BATCH))


def kept(losses: Tensor, mask: Tensor | None) -> Tensor:
    """The mean of the losses whose row of the first axes the mask keeps; 0 without any."""
    chosen = losses if mask is None else losses[mask.bool()]
    return chosen.mean() if chosen.numel() else chosen.new_zeros(())


def classes(c: CrossEntropy, x: Tensor, target: Tensor) -> Tensor:
    x, target = x.movedim(c.axis, 1), target.long()
    weight = None if c.weight is None else torch.tensor(c.weight, dtype=x.dtype)
    if c.op == "nll":
        y = F.nll_loss(x, target, weight, ignore_index=c.ignore_index)
    else:
        y = F.cross_entropy(x, target, weight, ignore_index=c.ignore_index, label_smoothing=c.label_smoothing)
    return y.nan_to_num(0.0)  # PyTorch's mean over nothing


def top_k(c: Accuracy, x: Tensor, target: Tensor) -> Tensor:
    rows = x.movedim(c.axis, -1).reshape(-1, x.shape[c.axis]).tolist()
    labels = target.reshape(-1).tolist()
    right = [
        sum(value > row[label] for value in row) < c.k
        for row, label in zip(rows, labels, strict=True)
        if label != c.ignore_index
    ]
    return torch.tensor(sum(right) / len(right) if right else 0.0, dtype=x.dtype)


def focal(c: Focal, x: Tensor, t: Tensor, mask: Tensor | None = None) -> Tensor:
    p, alpha, gamma = x.sigmoid(), c.alpha, c.gamma
    yes, no = alpha * t * (1 - p) ** gamma * F.logsigmoid(x), (1 - alpha) * (1 - t) * p**gamma * F.logsigmoid(-x)
    return kept(-yes - no, mask)


def pinball(c: Quantile, x: Tensor, t: Tensor, mask: Tensor | None = None) -> Tensor:
    errors = [t - x[..., i] for i in range(len(c.quantiles))]
    each = [torch.where(e >= 0, q * e, (q - 1) * e) for q, e in zip(c.quantiles, errors, strict=True)]
    return kept(torch.stack(each, dim=-1), mask)


def ctc(c: CTC, x: Tensor, target: Tensor, lengths: Tensor | None, labels: Tensor | None) -> Tensor:
    batch, time, _ = x.shape
    lengths = torch.full((batch,), time) if lengths is None else lengths.long()
    labels = torch.full((batch,), target.shape[1]) if labels is None else labels.long()
    return F.ctc_loss(x.transpose(0, 1), target.long(), lengths, labels, c.blank, zero_infinity=c.zero_infinity)


def contrastive(c: Contrastive, x: Tensor, t: Tensor) -> Tensor:
    scores = x @ t.T / c.temperature
    partners = torch.arange(len(x))
    there, back = F.cross_entropy(scores, partners), F.cross_entropy(scores.T, partners)
    return (there + back) / 2 if c.symmetric else there


def dice(c: Dice, x: Tensor, t: Tensor) -> Tensor:
    each = [1 - (2 * (a * b).sum() + c.smooth) / (a.sum() + b.sum() + c.smooth) for a, b in zip(x, t, strict=True)]
    return torch.stack(each).mean()


def elementwise(loss: Callable[..., Tensor], **fields: str) -> Callable[..., Tensor]:
    def reference(c: object, x: Tensor, t: Tensor, mask: Tensor | None = None) -> Tensor:
        return kept(loss(x, t, reduction="none", **{name: getattr(c, field) for name, field in fields.items()}), mask)

    return reference


REFERENCES: dict[str, Callable[..., Tensor]] = {
    "cross_entropy": classes,
    "nll": classes,
    "accuracy": top_k,
    "mse": elementwise(F.mse_loss),
    "l1": elementwise(F.l1_loss),
    "huber": elementwise(F.huber_loss, delta="delta"),
    "bce_with_logits": lambda c, x, t, mask=None: kept(
        F.binary_cross_entropy_with_logits(x, t, reduction="none", pos_weight=x.new_tensor(c.pos_weight)), mask
    ),
    "focal": focal,
    "quantile": pinball,
    "dice": dice,
    "kl_div": lambda c, x, t, mask=None: kept(
        F.kl_div(x, t, reduction="none", log_target=c.log_target).sum(dim=-1), mask
    ),
    "cosine": lambda c, x, t, mask=None: kept(1 - F.cosine_similarity(x, t, dim=-1), mask),
    "triplet": lambda c, x, p, n: F.triplet_margin_loss(x, p, n, margin=c.margin),
    "contrastive": contrastive,
    "ctc": ctc,
}


def test_every_loss_has_a_reference() -> None:
    assert REFERENCES.keys() == {op for op, component in REGISTRY.items() if component.is_for_training}


@pytest.mark.parametrize("op", sorted(REFERENCES))
@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_is_the_mean_of_torch(op: str, data: st.DataObject) -> None:
    case = data.draw(CASES[op])
    inputs = filled(case, data.draw(st.composite(draw_sizes)(case.signature), label="sizes"), "float64")
    y, count = case.component.module(*case.inputs).double()(*inputs)
    torch.testing.assert_close(y, REFERENCES[op](case.component, *inputs), rtol=1e-10, atol=1e-12, equal_nan=True)
    assert count >= 0


@pytest.mark.parametrize("op", ["cross_entropy", "nll", "mse", "kl_div", "quantile"])
@settings(max_examples=10, deadline=None)
@given(data=st.data())
def test_means_over_parts_join_by_their_counts(op: str, data: st.DataObject) -> None:
    case = data.draw(CASES[op])
    sizes = data.draw(st.composite(draw_sizes)(case.signature), label="sizes")
    module = case.component.module(*case.inputs).double()
    first, second = (filled(case, sizes, "float64") for _ in range(2))
    whole = [None if a is None or b is None else torch.cat([a, b]) for a, b in zip(first, second, strict=True)]

    parts = [module(*part) for part in (first, second)]
    counts = sum(count for _, count in parts)
    joined = sum(y * count for y, count in parts) / counts.clamp(min=1e-300)
    if case.inputs[0] and getattr(case.component, "axis", 1) not in (0, -case.inputs[0].rank):
        y, count = module(*whole)
        torch.testing.assert_close((joined, counts), (y, count), rtol=1e-10, atol=1e-12, equal_nan=True)


def test_what_does_not_count_has_no_gradient() -> None:
    x = torch.randn(4, 5, dtype=torch.float64, requires_grad=True)
    target = torch.tensor([0, -100, 4, -100])
    y, count = CrossEntropy().module(X, TARGET)(x, target)
    y.backward()
    assert x.grad is not None
    assert (count.item(), x.grad[1::2].abs().max().item()) == (2, 0)

    y, count = CrossEntropy().module(X, TARGET)(x, torch.full((4,), -100))
    assert (y.item(), count.item()) == (0, 0)


@pytest.mark.parametrize(
    ("component", "inputs", "message"),
    [
        (
            CrossEntropy(), (X, TensorType("int64", shape(BATCH, 5))),
            "expects a target int64[batch] for float64[batch, 5], got int64[batch, 5]",
        ),
        (CrossEntropy(weight=(1.0, 2.0)), (X, TARGET), "expects a weight for each of 5 classes, got 2"),
        (Accuracy(k=6), (X, TARGET), "k 6 is more than the 5 classes"),
        (
            MeanSquaredError(), (X, X.with_shape(BATCH)),
            "expects target float64[batch, 5] for float64[batch, 5], got float64[batch]",
        ),
        (
            KLDivergence(), (X, X, TensorType("bool", shape(BATCH, 5))),
            "expects a mask of the first axes of float64[batch, 5], got bool[batch, 5]",
        ),
        (
            Quantile(quantiles=(0.1, 0.9)), (X, X.with_shape(BATCH)),
            "expects [..., 2], one for each of 2 quantiles, got float64[batch, 5]",
        ),
    ],
)  # fmt: skip
def test_error_inputs_that_do_not_fit(component: CrossEntropy, inputs: tuple[TensorType, ...], message: str) -> None:
    with pytest.raises(SignatureError) as caught:
        component.signature(*inputs)
    assert caught.value.message == message
