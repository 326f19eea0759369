"""Linear maps and the feed-forward network, against closed forms."""

from collections.abc import Callable

import numpy as np
import torch

from stackc.components.base import SignatureError, cast_hint
from stackc.components.families.activation import Gelu, Relu
from stackc.components.families.linear import LearnedScale, Linear, Mlp, Scale
from stackc.core.types import Dim, TensorType, shape

Refused = Callable[..., SignatureError]

BATCH, SEQ = Dim.symbol("batch"), Dim.symbol("seq")
X = TensorType("float32", shape(BATCH, SEQ, 8))


def test_mlp_is_two_maps_with_a_tanh_gelu_between() -> None:
    torch.manual_seed(0)
    module = Mlp(hidden=12, out=5, activation="gelu_tanh").module(X).double()
    x = torch.randn(2, 3, 8, dtype=torch.float64)
    w = {name: p.detach().numpy() for name, p in module.named_parameters()}
    h = x.numpy() @ w["up.weight"].T + w["up.bias"]
    h = h / 2 * (1 + np.tanh(np.sqrt(2 / np.pi) * (h + 0.044715 * h**3)))
    np.testing.assert_allclose(module(x).detach(), h @ w["down.weight"].T + w["down.bias"], rtol=1e-12)


def test_mlp_keeps_the_features_by_default() -> None:
    signature = Mlp(hidden=32).signature(X)
    assert signature.outputs == (X,)
    assert str(signature.flops) == str(2 * 2 * BATCH * SEQ * 8 * 32)


def test_mlp_drops_out_in_training_only() -> None:
    module = Mlp(hidden=64, dropout=0.5).module(X)
    x = torch.randn(2, 3, 8)
    assert not torch.equal(module(x), module(x))
    module.eval()
    assert torch.equal(module(x), module(x))


def test_error_features_known_only_at_run_time(refused: Refused) -> None:
    error = refused(Linear(out=3), X.with_last(SEQ))
    assert error.message == "the feature axis is 'seq', known only at run time, but must be a number here"
    assert (error.code, error.port) == ("T201", "x")


def test_error_no_features(refused: Refused) -> None:
    assert refused(Linear(out=3), X.with_shape()).message == "expects [..., features], got float32[]"


def test_error_ids_are_no_vectors(refused: Refused) -> None:
    for component in (Linear(out=3), Mlp(hidden=3), Relu(), Gelu()):
        error = refused(component, TensorType("int64", shape(BATCH, SEQ)))
        assert error.message == "expects floating-point numbers, got int64[batch, seq]"
        assert (error.code, error.port) == ("T203", "x")
        is_arithmetic = isinstance(component, Relu | Gelu)
        ids = f"use an embedding to turn ids into vectors; if they are numbers, {cast_hint()}"
        assert error.hint == (cast_hint() if is_arithmetic else ids)


def test_gated_mlp_is_swiglu() -> None:
    torch.manual_seed(0)
    module = Mlp(hidden=12, activation="silu", gated=True, bias=False).module(X).double()
    x = torch.randn(2, 3, 8, dtype=torch.float64)
    w = {name: p.detach().numpy() for name, p in module.named_parameters()}
    gate, up = x.numpy() @ w["gate.weight"].T, x.numpy() @ w["up.weight"].T
    expected = (gate / (1 + np.exp(-gate)) * up) @ w["down.weight"].T
    np.testing.assert_allclose(module(x).detach(), expected, rtol=1e-12)


def test_scale() -> None:
    x = torch.randn(2, 3, 8, dtype=torch.float64)
    np.testing.assert_allclose(Scale(factor=0.5, offset=-1.0).module(X)(x), x.numpy() / 2 - 1, rtol=1e-15)


def test_learned_scale_of_each_feature_and_of_all() -> None:
    x = torch.randn(2, 3, 8)
    np.testing.assert_array_equal(LearnedScale(initial=0.5).module(X)(x).detach(), x * 0.5)
    module = LearnedScale(axis=1).module(X.with_shape(BATCH, 3, 8))
    module.get_parameter("weight").data[:] = torch.tensor([1.0, 2.0, 3.0])
    np.testing.assert_array_equal(module(x).detach(), x * torch.tensor([[1.0], [2.0], [3.0]]))
    temperature = LearnedScale(per="all", initial=1 / 0.07, exponential=True)
    module = temperature.module(X).double()
    assert abs(module.get_parameter("weight").item() - 2.6592600369) < 1e-6  # CLIP's logit_scale
    np.testing.assert_allclose(module(x.double()).detach(), x.double() / 0.07, rtol=1e-6)
    assert str(temperature.signature(X).parameters["weight"]) == "float32[]"


def test_error_no_logarithm(refused: Refused) -> None:
    error = refused(LearnedScale(initial=0, exponential=True), X)
    assert error.message == "initial 0 has no logarithm"
