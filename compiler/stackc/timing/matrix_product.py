"""A matrix product, timed beside a model: what this processor reaches when it does nothing else."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from stackc.runtime import open_session
from stackc.runtime.session import BoundSession

ROWS, INNER, COLUMNS = 512, 768, 768
FLOPS = 2 * ROWS * INNER * COLUMNS
"""As many as one of BERT's linear layers at 512 positions."""


def open_product(provider: str, threads: int) -> BoundSession:
    """Open a session that multiplies [512, 768] by weights [768, 768] in float32, with inputs bound."""
    draws = np.random.default_rng(0)
    weight = numpy_helper.from_array(draws.standard_normal((INNER, COLUMNS), dtype=np.float32), "weight")
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "weight"], ["y"])],
        "product",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [ROWS, INNER])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [ROWS, COLUMNS])],
        [weight],
    )
    model: onnx.ModelProto = helper.make_model(graph, ir_version=10, opset_imports=[helper.make_opsetid("", 18)])
    session = open_session(model.SerializeToString(), provider, threads=threads)
    return session.bind({"x": draws.standard_normal((ROWS, INNER), dtype=np.float32)})
