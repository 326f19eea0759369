"""Products of vectors and matrices, against NumPy."""

from collections.abc import Callable

import numpy as np
import torch

from stackc.components.base import SignatureError
from stackc.components.families.product import CosineSimilarity, Dot, Matmul
from stackc.core.types import Dim, TensorType, shape

Refused = Callable[..., SignatureError]

BATCH, ITEMS = Dim.symbol("batch"), Dim.symbol("items")
USERS, CATALOGUE = TensorType("float32", shape(BATCH, 8)), TensorType("float32", shape(ITEMS, 8))


def test_dot_and_cosine() -> None:
    a, b = torch.randn(2, 5, 8, dtype=torch.float64)
    products = np.einsum("ij,ij->i", a, b)
    np.testing.assert_allclose(Dot().module(USERS, USERS)(a, b), products, rtol=1e-12)
    lengths = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    np.testing.assert_allclose(CosineSimilarity().module(USERS, USERS)(a, b), products / lengths, rtol=1e-12)
    assert Dot().signature(USERS, USERS).outputs == (USERS.with_shape(BATCH),)


def test_every_user_with_every_item() -> None:
    signature = Matmul(transposed=True).signature(USERS, CATALOGUE)
    assert str(signature.outputs[0]) == "float32[batch, items]"
    assert signature.flops == 16 * BATCH * ITEMS


def test_error_one_vector_alone_or_of_another_length(refused: Refused) -> None:
    assert refused(Dot(), USERS).message == "expects two arrows, one per factor, got 1"
    error = refused(Dot(), USERS, USERS.with_last(1))
    assert error.message == "the vectors of float32[batch, 8] and float32[batch, 1] differ in length"


def test_error_inner_axes_differ(refused: Refused) -> None:
    error = refused(Matmul(), USERS, CATALOGUE)
    assert error.message == "cannot multiply float32[batch, 8] by float32[items, 8]: 8 is not items"
    assert error.hint == "write `transposed: true` to exchange its last two axes"
    assert refused(Matmul(), USERS, CATALOGUE.with_shape(8)).message == "expects [..., rows, columns], got float32[8]"
