"""A query that may attend to no key: the same finite numbers in PyTorch and in ONNX Runtime, at both opsets."""

import onnxruntime
import pytest
import torch

from stackc.components.families.attention import Attention
from stackc.core.types import Dim, TensorType, shape

BATCH, SEQ = Dim.symbol("batch"), Dim.symbol("seq")
X, MASK = TensorType("float32", shape(BATCH, SEQ, 16)), TensorType("int64", shape(BATCH, SEQ))


@pytest.mark.slow
@pytest.mark.parametrize("opset", [23, 18])
@pytest.mark.parametrize("causal", [False, True])
def test_query_without_any_key(opset: int, causal: bool) -> None:
    torch.manual_seed(0)
    module = Attention(heads=4, kv_heads=2, causal=causal).module(X, None, MASK).eval()
    inputs = {"x": torch.randn(3, 7, 16), "mask": torch.tensor([[0] * 7, [1] * 3 + [0] * 4, [0] * 3 + [1] * 4])}
    program = torch.onnx.export(module, kwargs=inputs, dynamo=True, opset_version=opset, verbose=False)
    assert program is not None
    session = onnxruntime.InferenceSession(program.model_proto.SerializeToString(), providers=["CPUExecutionProvider"])
    (y,) = session.run(None, {name: tensor.numpy() for name, tensor in inputs.items()})
    torch.testing.assert_close(torch.from_numpy(y), module(**inputs))
