"""Entries by index, against NumPy; segments, against loops; both against ONNX Runtime at sizes of 0 and 1."""

from collections.abc import Callable
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch

from stackc.components.base import Component, SignatureError
from stackc.components.families.embedding import EmbeddingBag
from stackc.components.families.indexing import Gather, GatherElements, Take
from stackc.components.families.order import Flip, Roll, Sort
from stackc.components.families.product import Einsum
from stackc.components.families.segment import (
    Degree,
    ScatterAdd,
    SegmentMax,
    SegmentMean,
    SegmentMin,
    SegmentSoftmax,
    SegmentSum,
)
from stackc.core.types import Dim, TensorType, shape
from stackc.export.batch import export_batch
from stackc.export.units import Unit

Refused = Callable[..., SignatureError]

BATCH, NODES, EDGES = (Dim.symbol(name) for name in ("batch", "nodes", "edges"))
X, INDEX = TensorType("float32", shape(NODES, 3)), TensorType("int64", shape(EDGES))
MESSAGES = X.with_shape(EDGES, 3)


def test_gather_is_indexing() -> None:
    x, index = torch.randn(4, 5, 6), torch.tensor([[3, 0], [1, 1], [0, 2]])
    types = X.with_shape(4, 5, 6), TensorType("int64", shape(3, 2))
    np.testing.assert_array_equal(Gather().module(*types)(x, index), x.numpy()[index.numpy()])
    np.testing.assert_array_equal(Gather(axis=-1).module(*types)(x, index), x.numpy()[:, :, index.numpy()])

    own = torch.tensor([[4, 0], [1, 1], [0, 2], [3, 3]])
    types = types[0], TensorType("int64", shape(4, 2))
    expected = np.stack([x.numpy()[b, own.numpy()[b]] for b in range(4)])
    np.testing.assert_array_equal(Gather(batch_dims=1).module(*types)(x, own), expected)
    expected = np.stack([x.numpy()[b][:, own.numpy()[b]] for b in range(4)])
    np.testing.assert_array_equal(Gather(batch_dims=1, axis=2).module(*types)(x, own), expected)

    last = torch.tensor([4, 0, 2, 1], dtype=torch.int32)
    y = Gather(batch_dims=1).module(types[0], TensorType("int32", shape(4)))(x, last)
    np.testing.assert_array_equal(y, x.numpy()[np.arange(4), last.numpy()])


def test_gather_elements_applies_the_indices_of_a_sort() -> None:
    x = torch.randn(3, 7)
    y, indices = Sort().module(X.with_shape(3, 7))(x)
    module = GatherElements().module(X.with_shape(3, 7), TensorType("int64", shape(3, 7)))
    assert module(x, indices).equal(y)


@pytest.mark.parametrize(("axis", "sizes"), [(2, (1, 1, 6, 1)), (-1, (2, 1, 1, 7)), (1, (2, 4, 5, 3))])
def test_gather_elements_repeats_an_index_along_the_other_axes(axis: int, sizes: tuple[int, ...]) -> None:
    x = torch.randn(2, 4, 5, 3)
    index = torch.randint(x.shape[axis], sizes)
    component, types = GatherElements(axis=axis), (X.with_shape(*x.shape), TensorType("int64", shape(*sizes)))
    (y,) = component.signature(*types).outputs
    expected = np.take_along_axis(x.numpy(), index.numpy(), axis)
    assert expected.shape == tuple(size.constant for size in y.shape)
    np.testing.assert_array_equal(component.module(*types)(x, index), expected)


def test_take() -> None:
    x = torch.randn(4, 5)
    expected = np.take(x.numpy(), [4, 0, 0, -2], axis=1)
    np.testing.assert_array_equal(Take(indices=(4, 0, 0, -2)).module(X.with_shape(4, 5))(x), expected)


SEGMENTS = torch.tensor([2, 0, 2, 4, 2])  # of 5: none in 1 and 3


@pytest.mark.parametrize(
    ("component", "reduce"),
    [(SegmentSum, np.sum), (SegmentMean, np.mean), (SegmentMax, np.max), (SegmentMin, np.min)],
)
def test_segments_are_reduced(component: type[Component], reduce: Callable[..., np.ndarray]) -> None:
    x = torch.randn(5, 3, dtype=torch.float64) - 2
    module = component(size=5).module(X.with_shape(5, 3), TensorType("int64", shape(5)), None)  # type: ignore[call-arg]
    members = [x.numpy()[SEGMENTS.numpy() == i] for i in range(5)]
    expected = np.stack([reduce(own, axis=0) if len(own) else np.zeros(3) for own in members])
    np.testing.assert_allclose(module(x, SEGMENTS), expected, rtol=1e-14)


def test_softmax_over_segments() -> None:
    x = 100 * torch.randn(5, 2, dtype=torch.float64)
    module = SegmentSoftmax(size=5).module(X.with_shape(5, 2), TensorType("int64", shape(5)), None)
    y = module(x, SEGMENTS)
    for members in (SEGMENTS.eq(i) for i in (0, 2, 4)):
        torch.testing.assert_close(y[members], x[members].softmax(dim=0))


def test_scatter_add_and_degree() -> None:
    x, source = torch.randn(5, 3), torch.randn(5, 3)
    expected = x.index_add(0, SEGMENTS, source)
    module = ScatterAdd().module(X, INDEX, MESSAGES)
    torch.testing.assert_close(module(x, SEGMENTS, source), expected)
    assert Degree().module(INDEX, X)(SEGMENTS, x).tolist() == [1, 0, 3, 0, 1]


@pytest.mark.parametrize("mode", ["sum", "mean", "max"])
def test_the_exported_bag_is_that_of_pytorch(mode: str) -> None:
    types = TensorType("int64", shape(BATCH, NODES)), None
    bag: Any = EmbeddingBag(vocab=9, dim=4, mode=mode).module(*types).double()  # type: ignore[arg-type]  # one of three
    ids = torch.randint(9, (3, 5))
    expected = torch.nn.functional.embedding_bag(ids, bag.weight, mode=mode)
    torch.testing.assert_close(bag(ids), expected)
    torch.testing.assert_close(bag.export_forward(18, "portable")(ids), expected)


EQUATIONS: dict[str, list[tuple[int, ...]]] = {
    "bid,bjd->bij": [(2, 3, 4), (2, 5, 4)],
    "bhid,hde->bihe": [(2, 3, 4, 5), (3, 5, 6)],
    "ij,jk,kl->il": [(2, 3), (3, 4), (4, 5)],
    "ij,kj->": [(2, 3), (4, 3)],
    "i,j->ji": [(2,), (3,)],
    "abc->ca": [(2, 3, 4)],
    "ab,b->a": [(2, 3), (3,)],
    "ab,cb->b": [(2, 3), (4, 3)],
    "ii,ij->j": [(3, 3), (3, 2)],
}


@pytest.mark.parametrize("equation", EQUATIONS)
def test_einsum_is_that_of_numpy(equation: str) -> None:
    """Both as it is, and as it is exported, unless that is the same."""
    x = [torch.randn(size, dtype=torch.float64) for size in EQUATIONS[equation]]
    module: Any = Einsum(equation=equation).module(*(TensorType("float64", shape(*t.shape)) for t in x))
    expected = np.einsum(equation, *(t.numpy() for t in x))
    for forward in (module, module.export_forward(18, "portable") or module):
        np.testing.assert_allclose(forward(*x), expected, rtol=1e-12, atol=1e-12)


WAVES = X.with_shape(BATCH, NODES, 3), X.with_shape(BATCH, EDGES, 3)
EXPORTED: list[tuple[Component, tuple[TensorType | None, ...]]] = [
    (Flip(axis=(0, 1)), (X,)),
    (Roll(axis=(0, 1), shift=(-3, 2)), (X,)),
    (Sort(axis=0, descending=True), (X,)),
    (Gather(), (X, INDEX)),
    (Gather(axis=1), (WAVES[0], TensorType("int64", shape(EDGES, 2)))),
    (Gather(batch_dims=1), (WAVES[0], TensorType("int64", shape(BATCH, EDGES)))),
    (GatherElements(axis=0), (X, TensorType("int64", shape(EDGES, 3)))),
    (GatherElements(axis=1), (WAVES[0], TensorType("int64", shape(1, EDGES, 1)))),
    (Take(indices=(0, -1, 0), axis=0), (X,)),
    (SegmentSum(size=NODES), (MESSAGES, INDEX, X)),
    (SegmentMean(size=NODES), (MESSAGES, INDEX, X)),
    (SegmentMax(size=NODES), (MESSAGES, INDEX, X)),
    (SegmentMin(size=NODES), (MESSAGES, INDEX, X)),
    (SegmentSoftmax(size=NODES), (MESSAGES, INDEX, X)),
    (ScatterAdd(), (X, INDEX, MESSAGES)),
    (Degree(), (INDEX, X)),
    (Einsum(equation="bid,bjd->bij"), WAVES),
]
SIZES = (
    {"batch": 2, "nodes": 5, "edges": 7},
    {"batch": 1, "nodes": 1, "edges": 1},
    {"batch": 2, "nodes": 3, "edges": 0},
    {"batch": 0, "nodes": 2, "edges": 4},
)


@pytest.mark.slow
@pytest.mark.parametrize("opset", [18, 23])
def test_onnx_at_sizes_of_0_and_1(opset: int) -> None:
    """A graph without edges has nodes all the same."""
    model, interfaces = export_batch([Unit(component, (), types, opset) for component, types in EXPORTED], opset)
    assert not {"Loop", "Scan", "If", "Einsum", "ScatterND"} & {node.op_type for node in model.graph.node}
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])

    for sizes in SIZES:
        inputs = [drawn(component, types, sizes) for component, types in EXPORTED]
        names = [name for interface in interfaces for name in interface.names]
        feeds = dict(zip(names, (x.numpy() for own in inputs for x in own), strict=True))
        for (component, types), own, interface in zip(EXPORTED, inputs, interfaces, strict=True):
            expected = component.module(*types)(*own)
            outputs = expected if isinstance(expected, tuple) else (expected,)
            for actual, tensor in zip(session.run([*interface.outputs], feeds), outputs, strict=True):
                np.testing.assert_allclose(actual, tensor.numpy(), rtol=1e-5, atol=1e-6, err_msg=f"{component} {sizes}")


def drawn(component: Component, types: tuple[TensorType | None, ...], sizes: dict[str, int]) -> list[torch.Tensor]:
    """Inputs at these sizes, indices within their bounds."""
    bounds = component.index_bounds(*types)
    ports = [component.ports[min(place, len(component.ports) - 1)].name for place in range(len(types))]
    return [
        torch.randn([size.evaluate(sizes) for size in t.shape])
        if t.is_float
        else torch.randint(bounds[port].evaluate(sizes), [size.evaluate(sizes) for size in t.shape])
        for port, t in zip(ports, types, strict=True)
        if t
    ]


def test_error_gather(refused: Refused) -> None:
    assert refused(Gather(), X, MESSAGES).code == "T203"
    error = refused(Gather(batch_dims=1), X, TensorType("int64", shape(EDGES, 2)))
    assert error.message == "float32[nodes, 3] and int64[edges, 2] differ in the first 1 axes, which batch_dims shares"
    assert refused(Gather(batch_dims=1, axis=0), X, INDEX).message == "axis 0 is one of the 1 that x and index share"
    error = refused(GatherElements(axis=0), X, INDEX)
    assert error.hint == "the component `gather` takes whole entries of an axis, with one index each"
    assert refused(Take(indices=(0, 3)), X).message == "an axis of 3 entries in float32[nodes, 3] has no entry 3"


def test_error_segments(refused: Refused) -> None:
    error = refused(SegmentSum(size=4), X, INDEX, None)
    assert error.message == "expects one index for each of the nodes entries of x, axis 0, got int64[edges]"
    error = refused(SegmentSum(size=NODES), MESSAGES, INDEX, None)
    assert error.hint == "draw an arrow into `like` from something that has an axis nodes"
    error = refused(ScatterAdd(), X, INDEX, MESSAGES.with_last(4))
    assert error.message.startswith("cannot add float32[edges, 4] to entries of float32[nodes, 3]")


def test_error_einsum(refused: Refused) -> None:
    pair = X.with_shape(2, 3), X.with_shape(4, 5)
    assert "is not of the form" in refused(Einsum(equation="ij,jk"), *pair).message
    assert "has 1 list of letters, but 2 arrows enter" in refused(Einsum(equation="ij->i"), *pair).message
    assert refused(Einsum(equation="ij,jk->ik"), *pair).message == (
        "j of 'ij,jk->ik' is 3 in one place and 4 in float32[4, 5]"
    )
    assert "'ijk' has 3 axes, but the input is float32[2, 3]" in refused(Einsum(equation="ijk,jk->i"), *pair).message
    assert "is an axis of no input" in refused(Einsum(equation="ij,kl->m"), *pair).message
