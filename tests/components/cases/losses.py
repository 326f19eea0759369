"""Cases of losses and metrics."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn
from tests.components.cases.drawing import BATCH, KEYS, SEQ, Case, Op, cases, dims, floats, integers, masks, small

from stackc.core.types import Dim, TensorType, shape


def _classes(draw: DrawFn, op: Op, **fields: object) -> Case:
    """Draw logits of several classes, and targets."""
    classes, rank = draw(small), draw(st.integers(2, 4))
    axis = draw(st.integers(0 if rank == 2 else 1, rank - 1))
    others = dims(draw, rank - 1)
    x = TensorType(draw(floats), (*others[:axis], Dim.of(classes), *others[axis:]))
    options = {
        "axis": axis - draw(st.sampled_from([0, rank])),
        "ignore_index": draw(st.sampled_from([-100, 0])),
        **fields,
    }
    if op.op == "accuracy":
        options["k"] = draw(st.integers(1, classes))
    elif draw(st.booleans()):
        options["weight"] = tuple(draw(st.lists(st.floats(0.1, 2.0), min_size=classes, max_size=classes)))
    return Case(op(**options), (x, TensorType(draw(integers), tuple(others))))


@cases("nll", "accuracy")
def _of_classes(draw: DrawFn, op: Op) -> Case:
    return _classes(draw, op)


@cases("cross_entropy")
def _cross_entropy(draw: DrawFn, op: Op) -> Case:
    return _classes(draw, op, label_smoothing=draw(st.sampled_from([0.0, 0.1])))


OPTIONS: dict[str, dict[str, st.SearchStrategy[Any]]] = {
    "huber": {"delta": st.floats(0.1, 2.0)},
    "bce_with_logits": {"pos_weight": st.floats(0.1, 2.0)},
    "focal": {"gamma": st.sampled_from([0.0, 1.0, 2.0]), "alpha": st.floats(0.0, 1.0)},
    "kl_div": {"log_target": st.booleans()},
}


@cases("mse", "l1", "huber", "bce_with_logits", "focal", "kl_div", "cosine")
def _pair(draw: DrawFn, op: Op) -> Case:
    is_of_rows = op.op in ("kl_div", "cosine")
    rank = draw(st.integers(2 if is_of_rows else 1, 4))
    x = TensorType(draw(floats), tuple(dims(draw, rank)))
    masked = draw(st.integers(0, rank - is_of_rows))
    mask = TensorType(draw(masks), x.shape[:masked]) if masked else None
    return Case(op(**{name: draw(values) for name, values in OPTIONS.get(op.op, {}).items()}), (x, x, mask))


@cases("quantile")
def _quantile(draw: DrawFn, op: Op) -> Case:
    quantiles = tuple(draw(st.lists(st.floats(0.05, 0.95), min_size=1, max_size=4)))
    target = TensorType(draw(floats), tuple(dims(draw, draw(st.integers(1, 3)))))
    mask = TensorType(draw(masks), target.shape[:1]) if draw(st.booleans()) else None
    return Case(op(quantiles=quantiles), (target.with_shape(*target.shape, Dim.of(len(quantiles))), target, mask))


@cases("dice")
def _dice(draw: DrawFn, op: Op) -> Case:
    x = TensorType(draw(floats), tuple(dims(draw, draw(st.integers(2, 4)))))
    return Case(op(smooth=draw(st.floats(0.1, 2.0))), (x, x))


@cases("triplet")
def _triplet(draw: DrawFn, op: Op) -> Case:
    x = TensorType(draw(floats), shape(BATCH, draw(small)))
    return Case(op(margin=draw(st.floats(0.1, 2.0))), (x, x, x))


@cases("contrastive")
def _contrastive(draw: DrawFn, op: Op) -> Case:
    x = TensorType(draw(floats), shape(BATCH, draw(small)))
    return Case(op(temperature=draw(st.floats(0.1, 2.0)), symmetric=draw(st.booleans())), (x, x))


@cases("ctc")
def _ctc(draw: DrawFn, op: Op) -> Case:
    classes = draw(st.integers(2, 6))
    x = TensorType(draw(floats), shape(BATCH, SEQ, classes))
    lengths = TensorType(draw(integers), shape(BATCH))
    given_lengths, given_targets = (lengths if draw(st.booleans()) else None for _ in range(2))
    component = op(blank=draw(st.integers(0, classes - 1)), zero_infinity=draw(st.booleans()))
    return Case(component, (x, TensorType(draw(integers), shape(BATCH, KEYS)), given_lengths, given_targets))
